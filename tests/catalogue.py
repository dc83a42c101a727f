"""Small catalogues and jobs for the tests that run the real command on real Ray."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import soundfile
import yaml

RATE_HZ = 8_000
QUICK = {
    "workers": {"count": 1, "cpus": 1, "tracks_in_flight": 2, "tracks_per_block": 2},
    "ledger": {"commit_every_s": 0.3, "lease_s": 20.0},
}
"""Settings with which rows are committed as they come."""


def write_tracks(folder, count, seconds=1.0, rate_hz=RATE_HZ):
    """``count`` short recordings of noise, every other one in stereo; their paths by id."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for number in range(count):
        frames = round(seconds * rate_hz * (1 + number % 3 / 4))
        noise = np.random.default_rng(number).standard_normal((frames, 1 + number % 2), np.float32)
        path = folder / f"track-{number:03d}.flac"
        soundfile.write(path, 0.1 * noise, rate_hz)
        paths[path.stem] = path
    return paths


def write_manifest(path, uris, **further):
    """A CSV manifest of ``{track_id: uri}`` and further columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["track_id", "uri", *further])
        writer.writerows(
            [track_id, uri, *(values[number] for values in further.values())]
            for number, (track_id, uri) in enumerate(uris.items())
        )
    return path


def write_config(path, **groups):
    """A YAML file of job settings: ``QUICK`` with these groups' keys replaced."""
    merged = {name: {**QUICK.get(name, {}), **groups.get(name, {})} for name in QUICK | groups}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(merged))
    return path


def result_rows(out, *columns):
    """Rows of all results, by id; the wanted columns or all."""
    return _rows(out, "results", columns)


def reject_rows(out, *columns):
    """The latest reject of each id."""
    return _rows(out, "rejects", columns)


def _rows(out, kind, columns):
    wanted = [*({"track_id"} | set(columns))] if columns else None
    rows = {}
    for part in sorted(Path(out, kind).glob("part-*.parquet")):
        for row in pq.read_table(part, columns=wanted).to_pylist():
            assert kind == "rejects" or row["track_id"] not in rows, "two results for one track"
            rows[row["track_id"]] = row
    return rows


def stem_digests(out):
    """What two runs of one job have to agree in: both digests of every track, by id."""
    columns = ("vocals_stem_sha256", "accompaniment_stem_sha256")
    rows = result_rows(out, *columns)
    return {track_id: tuple(row[name] for name in columns) for track_id, row in rows.items()}
