"""Every line of the failure policy that needs no cluster, produced by real files and servers."""

import signal
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
import soundfile
import torch
from fault_server import INTERNAL, RESET_AFTER_BODY, RESET_AT_ONCE, SLOW_DOWN, FaultServer, Refusal
from s3_server import settings_for
from tiny_models import tiny_model
from workers import block_of, decoder_of, ids_of, rows_of, worker_spec

from latentsep.catalogue.ledger import Ledger
from latentsep.catalogue.plan import plan_job
from latentsep.errors import ConfigError
from latentsep.models.folder import load_model, save_model
from latentsep.pipeline.rows import split_outcomes
from latentsep.pipeline.starts import StartCounter
from latentsep.pipeline.worker import SeparatorWorker
from latentsep.separation.separator import Separator
from latentsep.storage import open_store

STEMS = ("vocals", "accompaniment")


@pytest.fixture
def server(_credentials):
    with FaultServer() as server:
        yield server


def _wav_header(rate_hz=8_000, channels=1, data_bytes=0):
    fmt = struct.pack("<HHIIHH", 1, channels, rate_hz, 2 * rate_hz % 2**32, 2, 16)
    chunks = (
        b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", data_bytes)
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + data_bytes) + chunks


def _stem_files(out):
    return [path for path in out.rglob("*") if path.is_file()]


BAD_FILES = {
    "text": b"These are words, not music.\n" * 500,
    "no-bytes": b"",
    "no-frames": _wav_header(),
    "truncated": _wav_header(data_bytes=16_000) + bytes(4_000),
    "absurd-rate": _wav_header(rate_hz=2**31 - 1, data_bytes=64) + bytes(64),
    "absurd-channels": _wav_header(channels=65_535, data_bytes=64) + bytes(64),
}


def test_what_cannot_be_loaded_is_a_reject_and_the_rest_is_separated(
    make_worker, write_noise, tmp_path
):
    uris = {"first": write_noise("first.wav"), "gone": tmp_path / "gone.wav"}
    for name, content in BAD_FILES.items():
        uris[name] = tmp_path / f"{name}.wav"
        uris[name].write_bytes(content)
    nan = np.zeros(9_000, np.float32)
    nan[8_999] = np.nan
    uris["nan"] = tmp_path / "nan.wav"
    soundfile.write(uris["nan"], nan, 8_000, subtype="FLOAT")
    uris["last"] = write_noise("last.wav", seed=1)

    outcomes = make_worker()(block_of(uris))
    results, rejects = rows_of(outcomes)
    assert ids_of(outcomes) == list(uris)
    assert list(results) == ["first", "last"]
    assert {track_id: row["error_class"] for track_id, row in rejects.items()} == {
        "gone": "ObjectMissingError", "nan": "NonFiniteSourceError",
        **dict.fromkeys(BAD_FILES, "AudioDecodeError"),
    }  # fmt: skip
    for track_id, row in rejects.items():
        assert (row["stage"], row["retryable"]) == ("load", False), row
        assert uris[track_id].as_uri() in row["message"]
        assert "unexpected" not in row["message"]
    assert len(_stem_files(tmp_path / "out")) == 4
    assert list((tmp_path / "work").rglob("*.*")) == []


def test_what_s3_refuses_is_a_reject_and_what_passes_is_survived(
    make_worker, write_noise, server, tmp_path
):
    worker = make_worker(storage=settings_for(server.url), tracks_in_flight=1)
    server.objects["/bkt/song.wav"] = write_noise("song.wav").read_bytes()
    uri = "s3://bkt/song.wav"

    server.plan(*[Refusal(403, "AccessDenied")] * 9)
    (reject,) = rows_of(worker(block_of({"closed": uri})))[1].values()
    assert (reject["error_class"], reject["stage"]) == ("AccessDeniedError", "load")
    assert not reject["retryable"]

    server.plan()
    (reject,) = rows_of(worker(block_of({"gone": "s3://bkt/gone.wav"})))[1].values()
    assert (reject["error_class"], reject["retryable"]) == ("ObjectMissingError", False)

    server.plan(SLOW_DOWN, INTERNAL, RESET_AT_ONCE)
    (result,) = rows_of(worker(block_of({"song": uri})))[0].values()
    assert result["source_bytes"] == len(server.objects["/bkt/song.wav"])
    assert len(server.requests) > 4


@pytest.mark.parametrize("fault", [SLOW_DOWN, INTERNAL, RESET_AFTER_BODY], ids=str)
def test_a_source_whose_server_keeps_failing_is_tried_again_by_the_next_run(
    make_worker, write_noise, server, tmp_path, fault
):
    worker = make_worker(storage=settings_for(server.url), tracks_in_flight=1)
    server.objects["/bkt/song.wav"] = write_noise("song.wav").read_bytes()
    block = block_of({"song": "s3://bkt/song.wav"})
    server.plan(*[fault] * 100)
    outcomes = worker(block)
    (reject,) = rows_of(outcomes)[1].values()
    assert (reject["error_class"], reject["stage"]) == ("StoreError", "load")
    assert reject["retryable"]
    assert len(server.requests) == 4

    ledger = Ledger(open_store(str(tmp_path / "out")), "writer")
    ledger.commit(*split_outcomes(outcomes))
    plan = plan_job(block, ledger.load())
    assert plan.todo.column("track_id").to_pylist() == ["song"]
    server.plan()
    assert list(rows_of(worker(plan.todo))[0]) == ["song"]


def test_an_output_that_keeps_failing_is_a_retryable_reject_of_the_stage_store(
    make_worker, write_noise, server
):
    worker = make_worker(out="s3://bkt/out", storage=settings_for(server.url), tracks_in_flight=1)
    block = block_of({"song": write_noise("song.wav")})
    server.plan(*[SLOW_DOWN] * 100)
    (reject,) = rows_of(worker(block))[1].values()
    assert (reject["error_class"], reject["stage"]) == ("StoreError", "store")
    assert reject["retryable"]
    assert server.objects == {}
    server.plan(INTERNAL, SLOW_DOWN)
    (result,) = rows_of(worker(block))[0].values()
    stored = [result[f"{stem}_stem_uri"].removeprefix("s3:/") for stem in STEMS]
    assert sorted(server.objects) == sorted(stored)


def test_a_decoder_killed_in_the_middle_costs_its_track_alone(make_worker, write_noise):
    uris = {
        # So long that a busy machine, too, kills the decoder before its end.
        "killed": write_noise("killed.wav", 1_000.0, 48_000),
        "other": write_noise("other.wav"),
        "later": write_noise("later.wav", seed=1),
    }
    worker = make_worker()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(worker, block_of(uris))
        decoder_of(uris["killed"]).send_signal(signal.SIGSEGV)
        results, rejects = rows_of(running.result(60))
    assert list(results) == ["other", "later"]
    (reject,) = rejects.values()
    assert (reject["error_class"], reject["stage"]) == ("DecoderCrashedError", "load")
    assert "SIGSEGV" in reject["message"]
    assert not reject["retryable"]
    assert list(rows_of(worker(block_of({"again": uris["other"]})))[0]) == ["again"]


def test_a_decoder_that_hangs_is_killed_after_its_timeout(make_worker, write_noise):
    uris = {
        "hangs": write_noise("hangs.wav", 1_000.0, 48_000),
        "other": write_noise("other.wav"),
    }
    worker = make_worker(decode_timeout_s=4.0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(worker, block_of(uris))
        child = decoder_of(uris["hangs"])
        child.suspend()
        results, rejects = rows_of(running.result(60))
    assert list(results) == ["other"]
    (reject,) = rejects.values()
    assert (reject["error_class"], reject["stage"]) == ("DecoderTimeoutError", "load")
    assert "4.0 s without a byte" in reject["message"]
    assert reject["retryable"]
    assert not psutil.pid_exists(child.pid)


def test_a_source_replaced_while_it_is_separated_is_never_taken_for_the_old_one(
    make_worker, write_noise, tmp_path
):
    song, other = write_noise("song.wav", 60.0), write_noise("other.wav")
    worker = make_worker()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(worker, block_of({"song": song}))
        decoder_of(song)
        other.replace(song)
        (reject,) = rows_of(running.result(60))[1].values()
    assert (reject["error_class"], reject["stage"]) == ("SourceChangedError", "load")
    assert reject["retryable"]
    assert _stem_files(tmp_path / "out") == []


def test_an_object_replaced_while_it_is_fetched_is_never_a_mixture_of_both(
    make_worker, write_noise, server
):
    worker = make_worker(storage=settings_for(server.url))
    server.objects["/bkt/song.wav"] = write_noise("song.wav", 30.0).read_bytes()
    server.plan()

    def replace(number):
        if number == 4:
            server.objects["/bkt/song.wav"] = write_noise("song.wav", 30.0, seed=1).read_bytes()

    server.on_request = replace
    (reject,) = rows_of(worker(block_of({"song": "s3://bkt/song.wav"})))[1].values()
    assert (reject["error_class"], reject["stage"]) == ("SourceChangedError", "load")
    assert reject["retryable"]


def test_without_memory_for_the_batch_it_is_halved_and_the_rows_tell(
    make_worker, write_noise, monkeypatch
):
    uris = {f"song-{number}": write_noise(f"{number}.wav", 4.0, seed=number) for number in range(3)}
    plenty = rows_of(make_worker(separation={"batch_chunks": 2})(block_of(uris)))[0]
    separate_windows = Separator.separate_windows

    def scarce(separator, windows):
        if separator.batch_chunks > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return separate_windows(separator, windows)

    monkeypatch.setattr(Separator, "separate_windows", scarce)
    results, rejects = rows_of(make_worker(separation={"batch_chunks": 8})(block_of(uris)))
    assert rejects == {}
    assert [row["batch_chunks"] for row in results.values()] == [2, 2, 2]
    for track_id, row in results.items():
        assert row["vocals_stem_sha256"] == plenty[track_id]["vocals_stem_sha256"]


def test_a_device_too_small_for_anything_rejects_until_there_is_room(
    make_worker, write_noise, monkeypatch
):
    def full(separator, windows):
        raise torch.OutOfMemoryError("CUDA out of memory")

    worker, block = make_worker(), block_of({"song": write_noise("song.wav")})
    with monkeypatch.context() as patch:
        patch.setattr(Separator, "separate_windows", full)
        (reject,) = rows_of(worker(block))[1].values()
    assert (reject["error_class"], reject["stage"]) == ("DeviceMemoryError", "separate")
    assert reject["retryable"]
    assert list(rows_of(worker(block))[0]) == ["song"]


def test_a_model_that_gives_nan_is_a_reject_and_never_silence(
    make_worker, write_noise, tmp_path, monkeypatch
):
    def broken(*arguments):
        model = load_model(*arguments)
        next(model.network.parameters()).fill_(torch.nan)
        return model

    monkeypatch.setattr("latentsep.separation.separator.load_model", broken)
    worker = make_worker()
    (reject,) = rows_of(worker(block_of({"song": write_noise("song.wav")})))[1].values()
    assert (reject["error_class"], reject["stage"]) == ("NonFiniteAudioError", "separate")
    assert not reject["retryable"]
    assert _stem_files(tmp_path / "out") == []


def test_a_track_whose_samples_overflow_the_model_harms_no_companion(
    make_worker, write_noise, tmp_path
):
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, np.full(8_000, 3e38, np.float32), 8_000, subtype="FLOAT")
    uris = {"loud": loud, "song": write_noise("song.wav")}
    worker = make_worker(separation={"batch_chunks": 8})
    results, rejects = rows_of(worker(block_of(uris)))
    assert {track_id: row["error_class"] for track_id, row in rejects.items()} == {
        "loud": "NonFiniteAudioError"
    }
    alone = rows_of(worker(block_of({"song": uris["song"]})))[0]
    assert results["song"]["vocals_stem_sha256"] == alone["song"]["vocals_stem_sha256"]


def test_a_track_that_was_started_too_often_is_given_up_and_suspects_run_alone(
    make_worker, write_noise, monkeypatch
):
    counter = StartCounter()
    for track_id in ("killer", "killer", "killer", "suspect"):
        counter.begin(track_id)
    uris = {"killer": write_noise("killer.wav")}
    uris |= {name: write_noise(f"{name}.wav", 2.0) for name in ("a", "suspect", "b", "c")}
    worker = make_worker(starts_of=lambda: counter, tracks_in_flight=4)
    inside, met = set(), []
    separate = worker._tracks.separate

    def watched(track):
        inside.add(track.track_id)
        met.append(frozenset(inside))
        outcome = separate(track)
        met.append(frozenset(inside))
        inside.discard(track.track_id)
        return outcome

    monkeypatch.setattr(worker._tracks, "separate", watched)
    results, rejects = rows_of(worker(block_of(uris)))
    assert list(results) == ["a", "suspect", "b", "c"]
    (reject,) = rejects.values()
    assert (reject["track_id"], reject["error_class"]) == ("killer", "WorkerCrashedError")
    assert (reject["stage"], reject["retryable"]) == ("worker", False)
    assert "started 3 times" in reject["message"]
    assert {group for group in met if "suspect" in group} == {frozenset({"suspect"})}
    assert counter.counts(list(uris)) == {"killer": 3}


def test_rates_layouts_and_lengths_may_be_mixed_in_one_block(make_worker, write_noise):
    formats = [
        (8_000, 1, 3.0), (44_100, 2, 0.5), (22_050, 1, 1.0), (48_000, 6, 0.3), (96_000, 2, 0.2),
        (8_000, 2, 0.0), (11_025, 1, 0.01),
    ]  # fmt: skip
    uris = {
        f"{rate_hz}-{channels}": write_noise(f"{number}.flac", seconds, rate_hz, channels, number)
        for number, (rate_hz, channels, seconds) in enumerate(formats)
    }
    worker = make_worker(tracks_in_flight=4, separation={"batch_chunks": 4})
    outcomes = worker(block_of(uris))
    results, rejects = rows_of(outcomes)
    assert rejects == {}
    assert ids_of(outcomes) == list(uris)
    for track_id, row in results.items():
        mixture, rate_hz = soundfile.read(uris[track_id], dtype="int32", always_2d=True)
        stems = [
            soundfile.read(
                row[f"{s}_stem_uri"].removeprefix("file://"), dtype="int32", always_2d=True
            )
            for s in STEMS
        ]
        assert [stem_rate for _, stem_rate in stems] == [rate_hz, rate_hz]
        np.testing.assert_array_equal(stems[0][0] + stems[1][0], mixture)
        assert (row["source_frames"], row["source_channels"]) == mixture.shape


def test_overlapping_calls_share_batches_and_each_gets_its_rows_in_order(
    make_worker, write_noise, monkeypatch
):
    seconds = (9.0, 1.0, 5.0)
    calls = [
        {f"{call}-{n}": write_noise(f"{call}-{n}.wav", s, seed=n) for n, s in enumerate(seconds)}
        for call in ("x", "y")
    ]
    worker = make_worker(tracks_in_flight=6, separation={"batch_chunks": 4})
    alone = [rows_of(worker(block_of(uris)))[0] for uris in calls]
    batches = []
    separate_windows = Separator.separate_windows

    def noted(separator, windows):
        batches.append({window.noise.key.tobytes() for window in windows})
        return separate_windows(separator, windows)

    monkeypatch.setattr(Separator, "separate_windows", noted)
    both_there = threading.Barrier(2, timeout=60)

    def call(uris):
        both_there.wait()
        return worker(block_of(uris))

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(call, calls))
    for uris, table, before in zip(calls, outcomes, alone, strict=True):
        assert ids_of(table) == list(uris)
        for track_id, row in rows_of(table)[0].items():
            assert row["vocals_stem_sha256"] == before[track_id]["vocals_stem_sha256"]
    keys = [
        {
            worker._tracks._separator.session(8_000, 1, track_id).noise.key.tobytes()
            for track_id in uris
        }
        for uris in calls
    ]
    assert any(batch & keys[0] and batch & keys[1] for batch in batches)


def test_a_bug_in_one_track_fails_that_track_alone(make_worker, write_noise, monkeypatch):
    worker = make_worker()
    session = worker._tracks._separator.session

    def faulty(rate_hz, channels, track_id):
        if track_id == "bug":
            raise ZeroDivisionError("a bug")
        return session(rate_hz, channels, track_id)

    monkeypatch.setattr(worker._tracks._separator, "session", faulty)
    uris = {"bug": write_noise("bug.wav"), "song": write_noise("song.wav")}
    results, rejects = rows_of(worker(block_of(uris)))
    assert list(results) == ["song"]
    assert rejects["bug"]["error_class"] == "ZeroDivisionError"
    assert rejects["bug"]["retryable"]


def test_an_empty_block_gives_no_rows(make_worker):
    assert rows_of(make_worker()(block_of({}))) == ({}, {})


def test_a_closed_worker_leaves_nothing_in_its_work_folder(make_worker, write_noise, tmp_path):
    worker = make_worker()
    worker(block_of({"song": write_noise("song.wav")}))
    worker.close()
    assert list((tmp_path / "work").iterdir()) == []


def test_a_work_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path, tiny_folder):
    (tmp_path / "file").touch()
    spec = worker_spec(tiny_folder, tmp_path / "out", tmp_path / "file" / "work")
    with pytest.raises(ConfigError, match=r"work_folder .*file/work cannot be written"):
        SeparatorWorker(spec)


def test_another_model_than_the_drivers_is_refused(tmp_path, tiny_folder):
    spec = worker_spec(tiny_folder, tmp_path / "out", tmp_path / "work")
    changed = type(spec)(**{**vars(spec), "model_sha256": "0" * 64})
    with pytest.raises(ConfigError, match=r"install the same model on every node"):
        SeparatorWorker(changed)


def test_a_row_says_how_often_the_network_was_called_for_a_chunk(
    make_worker, write_noise, tmp_path
):
    diffusion = {"objective": {"name": "v"}, "sampling": {"sampler": "ddim"}}
    save_model(tmp_path / "tiny", tiny_model(**diffusion), "# tiny\n")
    separation = {"sampler": "dpmpp_2m", "steps": 3, "draws": 2, "warm_start": 0.5}
    worker = make_worker(model=tmp_path / "tiny", separation=separation)
    (row,) = rows_of(worker(block_of({"song": write_noise("song.wav")})))[0].values()
    # Three steps, and one call for the draft: the network has no regression heads.
    assert (row["steps"], row["draws"], row["nfe"]) == (3, 2, 8)
