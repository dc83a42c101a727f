"""What Prometheus knows of a job is what its ledger says: after a kill, a resume and the end."""

from contextlib import ExitStack
from types import SimpleNamespace

import duckdb
import pytest
from catalogue import reject_rows, result_rows, write_config, write_manifest, write_tracks
from command_line import LONGEST_S, start, wait_until
from held_source import HeldSource
from monitoring_servers import prometheus
from s3_server import credentials, free_ports

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

SONGS, GONE, BROKEN = 8, 3, 2
FIRST = {"limit": 8, "songs": 3, "rejects": 4}
"""What of the manifest the first job does, beside the track that does not come."""
NEVER_S = 24 * 3600
STAGES = ("fetch", "decode", "separate", "measure", "encode", "upload")
STEMS = ("vocals", "accompaniment")
HISTOGRAMS = {
    **{("latentsep_stage_seconds", ("stage", stage)): f"{stage}_s" for stage in STAGES},
    **{
        ("latentsep_quality_loudness_lufs", ("stem", signal)): f"{signal}_loudness_lufs"
        for signal in ("mixture", *STEMS)
    },
    **{("latentsep_quality_si_sdr_db", ("stem", stem)): f"{stem}_si_sdr_db" for stem in STEMS},
    ("latentsep_quality_clipped_samples", ("stem", "mixture")): "mixture_clipped_samples",
    ("latentsep_quality_clipped_samples", ("stem", "vocals")): "limited_samples",
    ("latentsep_quality_vocal_activity_ratio",): "vocal_activity_ratio",
    ("latentsep_quality_bleed_db",): "bleed_db",
    ("latentsep_quality_draw_spread_db",): "draw_spread_db",
}
"""The column of the ledger that each histogram is about."""
SEPARATED = ("latentsep_tracks_total", ("status", "separated"))
OF_THE_LEDGER = '{__name__=~"latentsep_(tracks_total|audio_seconds|rejects|stage|quality).*"}'


def manifest_of(folder, held):
    """Songs scored against themselves, files that are missing or broken, one that does not come."""
    songs = write_tracks(folder / "songs", SONGS)
    broken = {}
    for number, song in zip(range(BROKEN), songs.values(), strict=False):
        broken[f"broken-{number}"] = folder / f"broken-{number}.flac"
        broken[f"broken-{number}"].write_bytes(song.read_bytes()[:2000])
    gone = {f"gone-{number}": folder / f"gone-{number}.wav" for number in range(GONE)}
    mixed = dict(sorted({**songs, **broken, **gone}.items(), key=lambda item: item[0][-1]))
    uris = {"held": held.uri, **mixed}
    references = [uris[track_id] if track_id in songs else "" for track_id in uris]
    return write_manifest(
        folder / "m.csv", uris, vocals_uri=references, accompaniment_uri=references
    )


@pytest.fixture
def job(tmp_path, model_8khz):
    """A job of which one track does not come before ``job.held.release()``.

    ``start(commit_every_s, *options)`` starts it, on one output always; ``samples()`` are all that
    Prometheus scraped of it, ``{series: [(time, value), ...]}``.
    """
    (song,) = write_tracks(tmp_path / "held", 1).values()
    driver_port, nobody, no_manager = free_ports(3)
    with ExitStack() as stack:
        stack.enter_context(credentials())
        held = stack.enter_context(HeldSource(song.read_bytes()))
        manifest, out = manifest_of(tmp_path, held), tmp_path / "out"
        server = stack.enter_context(
            prometheus(
                tmp_path / "prometheus",
                driver_port=driver_port,
                ray_list=tmp_path / "none.json",
                node_port=nobody,
                alertmanager_port=no_manager,
            )
        )

        def started(commit_every_s, *options):
            config = write_config(
                tmp_path / f"every-{commit_every_s}-s.yaml",
                # The song that does not come keeps no other back.
                workers={"tracks_per_block": 1},
                # Draws that differ, so that there is a spread.
                separation={"steps": 2, "draws": 2},
                ledger={"commit_every_s": commit_every_s},
                metrics={"port": driver_port},
                storage=held.settings,
            )
            where = ("-o", out, "-n", model_8khz, "--config", config)
            process = stack.enter_context(start("separate", manifest, *where, *options))
            # First of all: a job that has what does not come would be waited for for ever.
            stack.callback(process.kill)
            return process

        def samples(selector=OF_THE_LEDGER):
            answer = server.get("/api/v1/query", query=f"{selector}[1h]")
            return {
                series_of(found["metric"]): [(when, float(told)) for when, told in found["values"]]
                for found in answer["data"]["result"]
            }

        yield SimpleNamespace(start=started, samples=samples, held=held, out=out)


def series_of(metric):
    """Its name and the labels that the driver gave it."""
    ours = {name: value for name, value in metric.items() if name not in ("job", "instance")}
    name = ours.pop("__name__")
    del ours["ray_cluster"]
    return (name, *sorted(ours.items()))


def query(out, what, kind="results"):
    return duckdb.sql(f"SELECT {what} FROM '{out}/{kind}/part-*.parquet'").fetchall()


def totals_of_ledger(out, series):
    """What these series have to say by the rows in the ledger's files, read without our code."""
    (counted,) = query(
        out,
        "count(*), sum(duration_s), sum(source_bytes), "
        "sum(vocals_stem_bytes + accompaniment_stem_bytes)",
    )
    rejects = query(out, "stage, error_class", "rejects")
    totals = {
        SEPARATED: counted[0],
        ("latentsep_tracks_total", ("status", "rejected")): len(rejects),
        ("latentsep_audio_seconds_total",): counted[1],
        ("latentsep_stage_bytes_total", ("direction", "in"), ("stage", "fetch")): counted[2],
        ("latentsep_stage_bytes_total", ("direction", "out"), ("stage", "upload")): counted[3],
    }
    for one in series:
        name, labels = one[0], dict(one[1:])
        if name == "latentsep_rejects_total":
            totals[one] = rejects.count((labels["stage"], labels["reason"]))
    return totals | _histograms(out, series)


def _histograms(out, series):
    columns = ", ".join(HISTOGRAMS.values())
    values = dict(zip(HISTOGRAMS, zip(*query(out, columns), strict=True), strict=True))
    known = {key: [one for one in column if one is not None] for key, column in values.items()}
    totals = {}
    for name, *labels in series:
        base, _, ending = name.rpartition("_")
        column = known.get((base, *(pair for pair in labels if pair[0] != "le")))
        if column is not None:
            bound = float(dict(labels).get("le", "inf"))
            below = sum(value <= bound for value in column)
            totals[name, *labels] = sum(column) if ending == "sum" else below
    return totals


def samples_at(samples, when):
    """The values of the scrape at a time."""
    return {series: dict(told)[when] for series, told in samples.items() if when in dict(told)}


def last_samples(samples):
    return {series: told[-1][1] for series, told in samples.items()}


def has_sample_since(samples, when):
    return any(told[-1][0] >= when for told in samples.values())


def must_agree(told, out):
    """The values are the ledger's, in every series and with none missing."""
    expected = totals_of_ledger(out, told)
    assert told.keys() == expected.keys()
    wrong = {
        series: (value, expected[series])
        for series, value in told.items()
        if value != pytest.approx(expected[series])
    }
    assert wrong == {}, "Prometheus and the ledger"


def wait_for_scrape_of(job, process, number):
    """The time of the first scrape that found the job that is the ``number``-th to have begun."""

    def starts():
        told = [
            (when, began)
            for series in job.samples("latentsep_start_timestamp_seconds").values()
            for when, began in series
        ]
        jobs = sorted({began for _, began in told})
        return [when for when, began in told if jobs.index(began) == number]

    wait_until(starts, process)
    return starts()[0]


def test_totals_are_the_ledgers_after_a_kill_at_once_and_at_the_end(job):
    first = job.start(0.3, "--limit", FIRST["limit"])
    wait_until(lambda: len(result_rows(job.out)) == FIRST["songs"], first)
    wait_until(lambda: len(reject_rows(job.out)) == FIRST["rejects"], first)
    wait_for_scrape_of(job, first, 0)
    first.kill()
    first.wait()

    second = job.start(NEVER_S)
    began = wait_for_scrape_of(job, second, 1)
    must_agree(samples_at(job.samples(), began), job.out)
    # A time to go is told once rows have come; they count when they are committed.
    wait_until(lambda: has_sample_since(job.samples("latentsep_eta_seconds"), began), second)
    must_agree(last_samples(job.samples()), job.out)
    assert len(result_rows(job.out)) == FIRST["songs"]
    assert len(reject_rows(job.out)) == FIRST["rejects"]

    job.held.release()
    told, errors = second.communicate(timeout=LONGEST_S)
    assert second.returncode == 0, errors
    assert (len(result_rows(job.out)), len(reject_rows(job.out))) == (SONGS + 1, GONE + BROKEN)
    # The job left whoever watches it the time for a last scrape, which is soon stored.
    wait_until(lambda: last_samples(job.samples())[SEPARATED] > FIRST["songs"])
    must_agree(last_samples(job.samples()), job.out)
    for series, told in job.samples().items():
        values = [value for _, value in told]
        assert values == sorted(values), f"{series} fell"
