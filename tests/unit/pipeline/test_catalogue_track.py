import hashlib
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from tiny_models import tiny_model
from workers import block_of, rows_of

from latentsep.catalogue.schema import RESULT_COLUMNS
from latentsep.models.folder import save_model

STEMS = ("vocals", "accompaniment")
TIMES = ("fetch_s", "decode_s", "separate_s", "measure_s", "encode_s", "upload_s")


def _path(uri):
    return Path(uri.removeprefix("file://"))


def test_a_result_row_is_complete_and_true(make_worker, write_noise, tmp_path):
    song = write_noise("song.flac", 3.0, 22_050, 2)
    (row,) = rows_of(make_worker()(block_of({"song": song})))[0].values()
    needed = {column.name for column in RESULT_COLUMNS if not column.nullable} - {"committed_at"}
    assert {name for name in needed if row[name] is None} == set()
    assert row["source_sha256"] == hashlib.sha256(song.read_bytes()).hexdigest()
    assert row["source_bytes"] == song.stat().st_size
    assert (row["source_frames"], row["source_sample_rate_hz"]) == (3 * 22_050, 22_050)
    assert (row["source_container"], row["source_codec"]) == ("flac", "flac")
    assert row["duration_s"] == 3.0
    for stem in STEMS:
        path = _path(row[f"{stem}_stem_uri"])
        assert row[f"{stem}_stem_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert row[f"{stem}_stem_bytes"] == path.stat().st_size
        assert path.is_relative_to(tmp_path / "out" / "stems")
        assert path.parts[-3:] == ("song", row["attempt"], f"{stem}.flac")
    assert 0 < sum(row[name] for name in TIMES) <= row["wall_s"]
    assert (row["run_id"], row["device"], row["batch_chunks"]) == ("run", "cpu", 1)


def test_a_second_attempt_leaves_the_stems_of_the_first_alone(make_worker, write_noise):
    worker, block = make_worker(), block_of({"song": write_noise("song.wav")})
    rows = [rows_of(worker(block))[0]["song"] for _ in range(2)]
    assert rows[0]["vocals_stem_sha256"] == rows[1]["vocals_stem_sha256"]
    assert rows[0]["vocals_stem_uri"] != rows[1]["vocals_stem_uri"]
    assert all(_path(row["vocals_stem_uri"]).is_file() for row in rows)


@pytest.mark.parametrize("draws", [1, 3])
def test_a_row_holds_the_spread_of_the_draws_for_each_second(make_worker, write_noise, draws):
    worker = make_worker(separation={"steps": 2, "draws": draws})
    (row,) = rows_of(worker(block_of({"song": write_noise("song.wav", 3.2)})))[0].values()
    by_second_db = row["draw_spread_by_second_db"]
    if draws == 1:
        assert by_second_db is row["draw_spread_db"] is None
    else:
        assert len(by_second_db) == 4
        assert by_second_db == pytest.approx([row["draw_spread_db"]] * 4, abs=2)


def test_the_source_that_failed_is_named_by_its_etag(make_worker, write_noise, tmp_path):
    song = write_noise("song.wav")
    song.write_bytes(song.read_bytes()[:5_000])
    rejects = rows_of(make_worker()(block_of({"cut": song, "gone": tmp_path / "gone.wav"})))[1]
    assert rejects["cut"]["source_etag"]
    assert rejects["gone"]["source_etag"] is None
    assert rejects["cut"]["attempt"] != rejects["gone"]["attempt"]


def _sdr_db(reference, estimate):
    return 10 * np.log10(np.square(reference).sum() / np.square(reference - estimate).sum())


def test_scores_are_those_of_the_stems_that_were_written(make_worker, write_noise):
    mixture = write_noise("song.wav", 2.0, channels=2)
    references = {stem: write_noise(f"{stem}.wav", 2.0, channels=2, seed=7) for stem in STEMS}
    columns = {f"{stem}_uri": [references[stem].as_uri()] for stem in STEMS}
    (row,) = rows_of(make_worker()(block_of({"song": mixture}, **columns)))[0].values()
    assert row["reference_error"] is None
    for stem in STEMS:
        estimate = soundfile.read(_path(row[f"{stem}_stem_uri"]))[0]
        reference = soundfile.read(references[stem])[0]
        assert row[f"{stem}_sdr_db"] == pytest.approx(_sdr_db(reference, estimate), abs=0.01)
        scale = (estimate * reference).sum() / np.square(reference).sum()
        assert row[f"{stem}_si_sdr_db"] == pytest.approx(
            _sdr_db(scale * reference, estimate), abs=0.01
        )
        assert row[f"{stem}_uri"] == references[stem].as_uri()


def test_with_bad_references_a_track_is_separated_all_the_same(make_worker, write_noise, tmp_path):
    uris = {
        name: write_noise(f"{name}.wav") for name in ("fine", "gone", "longer", "other", "none")
    }
    references = [
        write_noise("v.wav"), tmp_path / "gone.wav", write_noise("long.wav", 1.5),
        write_noise("other-rate.wav", 1.0, 16_000),
    ]  # fmt: skip
    block = block_of(uris, vocals_uri=[*(path.as_uri() for path in references), None])
    results, rejects = rows_of(make_worker()(block))
    assert rejects == {}
    words = {"gone": "No such file", "longer": "longer than", "other": "at 16000 Hz"}
    for name, row in results.items():
        assert (row["vocals_sdr_db"] is not None) == (name == "fine")
        assert words.get(name, "") in (row["reference_error"] or "")
        assert (row["reference_error"] is not None) == (name in words)


@contextmanager
def _peak_rss():
    """The most this process held in the block, in bytes, under ``peak``."""
    process, ended, found = psutil.Process(), threading.Event(), {"peak": 0}

    def watch():
        while not ended.wait(0.01):
            found["peak"] = max(found["peak"], process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def _write_long(path, minutes):
    minute = 0.1 * np.random.default_rng(0).standard_normal((60 * 8_000, 2), np.float32)
    with soundfile.SoundFile(path, "w", 8_000, 2, "PCM_16") as file:
        for _ in range(minutes):
            file.write(minute)
    return path


@pytest.mark.slow
def test_a_long_track_takes_no_more_memory_than_a_short_one(make_worker, tmp_path):
    codec = {"sample_rate_hz": 8_000, "hop_samples": 1024, "mid_bins": 32, "side_bins": 16}
    model = tiny_model(
        codec={"name": "mdct", "options": codec},
        chunk={"frames": 512, "context_frames": 108},
        refinement={"window_samples": 4096},
    )
    save_model(tmp_path / "quick", model, "# quick\n")
    worker = make_worker(model=tmp_path / "quick")
    peaks = {}
    for minutes in (4, 40):
        song = _write_long(tmp_path / f"{minutes}.wav", minutes)
        with _peak_rss() as found:
            (row,) = rows_of(worker(block_of({"song": song})))[0].values()
        assert row["stem_frames"] == minutes * 60 * 8_000
        peaks[minutes] = found["peak"]
    # As float32 the difference alone is 138 MB.
    assert peaks[40] - peaks[4] < 64e6
