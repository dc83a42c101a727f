"""The decoder child and the writer under real hardship: kills, hangs, limits, full disks."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from command_line import UNPRIVILEGED

from latentsep.audio.decode import DecodeLimits, Decoder
from latentsep.audio.encode import AudioWriter, StemFormat
from latentsep.errors import (
    AudioDecodeError,
    AudioEncodeError,
    DecoderCrashedError,
    DecoderTimeoutError,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def long_wav(tmp_path):
    """A minute of stereo: far more than the pipe holds."""
    path = tmp_path / "long.wav"
    draws = np.random.default_rng(0).uniform(-0.5, 0.5, (44_100 * 60, 2)).astype(np.float32)
    soundfile.write(path, draws, 44_100)
    return path


def wait_until(condition, timeout_s=20):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "condition did not come true in time"
        time.sleep(0.02)


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_in_the_middle_fails_one_track_only(long_wav, sent):
    with Decoder() as decoder:
        reader = decoder.open(long_wav)
        next(reader)
        first_pid = decoder.child_pid
        os.kill(first_pid, sent)
        with pytest.raises(
            DecoderCrashedError, match=rf"long\.wav: .*died \({sent.name}|{sent.name}"
        ):
            list(reader)
        assert decoder.read(long_wav)[0].shape == (2, 44_100 * 60)
        assert decoder.child_pid != first_pid
        assert decoder.restarts == 1


def test_a_child_killed_between_tracks_harms_no_track(long_wav):
    with Decoder() as decoder:
        for _ in range(3):
            assert decoder.probe(long_wav).channels == 2
            os.kill(decoder.child_pid, signal.SIGKILL)
        assert decoder.probe(long_wav).channels == 2


def test_a_hang_ends_at_the_no_progress_limit(long_wav):
    with Decoder(DecodeLimits(no_progress_timeout_s=0.5)) as decoder:
        reader = decoder.open(long_wav)
        pid = decoder.child_pid
        os.kill(pid, signal.SIGSTOP)
        started_s = time.monotonic()
        with pytest.raises(DecoderTimeoutError, match=r"long\.wav.*hangs.*0\.5 s without a byte"):
            list(reader)
        assert time.monotonic() - started_s < 5
        assert is_gone(pid)
        assert decoder.read(long_wav)[0].shape == (2, 44_100 * 60)


def test_the_total_limit_counts_waiting_but_not_the_readers_own_time(long_wav):
    limits = DecodeLimits(no_progress_timeout_s=30, total_timeout_s=1)
    with Decoder(limits) as decoder:
        reader = decoder.open(long_wav)
        time.sleep(1.5)
        next(reader)
        os.kill(decoder.child_pid, signal.SIGSTOP)
        with pytest.raises(DecoderTimeoutError, match="1 s in total"):
            list(reader)


def test_memory_beyond_the_limit_is_a_clear_error(tmp_path, long_wav):
    # One block of 2^29 frames takes 4 GiB.
    limits = DecodeLimits(block_frames=2**29, memory_bytes=1024**3)
    huge = tmp_path / "huge.wav"
    with soundfile.SoundFile(huge, "w", 44_100, 2, subtype="PCM_U8") as file:
        file.write(np.zeros((10, 2)))
    data_bytes = 2**30
    with huge.open("r+b") as file:
        file.seek(4)
        file.write((data_bytes + 36).to_bytes(4, "little"))
        file.seek(40)
        file.write(data_bytes.to_bytes(4, "little"))
        file.truncate(44 + data_bytes)
    with Decoder(limits) as decoder:
        with pytest.raises(
            AudioDecodeError, match=r"more memory than the 1073741824 bytes allowed"
        ):
            decoder.read(huge)
        assert decoder.probe(long_wav).channels == 2


def test_a_long_file_is_read_in_bounded_memory(tmp_path):
    # Ten hours of silent stereo as a sparse file: 2.3 GB of floats if it were held.
    path = tmp_path / "ten_hours.wav"
    frames = 36_000 * 8_000
    with soundfile.SoundFile(path, "w", 8_000, 2, subtype="PCM_U8", format="WAV") as file:
        file.write(np.zeros((10, 2)))
    with path.open("r+b") as file:
        file.seek(4)
        file.write((2 * frames + 36).to_bytes(4, "little"))
        file.seek(40)
        file.write((2 * frames).to_bytes(4, "little"))
        file.truncate(44 + 2 * frames)
    with Decoder() as decoder:
        reader = decoder.open(path)
        child, own = psutil.Process(decoder.child_pid), psutil.Process()
        next(reader)
        before = child.memory_info().rss, own.memory_info().rss
        peak = [0, 0]
        for index, _ in enumerate(reader):
            if index % 500 == 0:
                for side, process in enumerate((child, own)):
                    peak[side] = max(peak[side], process.memory_info().rss)
        assert reader.frames_read == frames
    growth_bytes = [high - low for high, low in zip(peak, before, strict=True)]
    assert max(growth_bytes) < 20 * 1024**2


def test_a_slow_reader_holds_the_child_back(long_wav):
    with Decoder() as decoder:
        reader = decoder.open(long_wav)
        child = psutil.Process(decoder.child_pid)
        wait_until(lambda: child.status() == psutil.STATUS_SLEEPING)
        time.sleep(0.3)
        used_s = child.cpu_times().user
        time.sleep(0.5)
        assert child.cpu_times().user == used_s
        assert child.memory_info().rss < 200 * 1024**2
        next(reader)


PARENT = """
    import os, sys, time
    from latentsep.audio.decode import Decoder
    decoder = Decoder()
    reader = decoder.open(sys.argv[1])
    next(reader)
    print(decoder.child_pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("is_stopped", [False, True])
def test_the_child_dies_with_its_parent(long_wav, is_stopped):
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(long_wav)],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        child_pid = int(parent.stdout.readline())
        if is_stopped:
            os.kill(child_pid, signal.SIGSTOP)
        parent.kill()
        parent.wait()
        if is_stopped:
            os.kill(child_pid, signal.SIGCONT)
        wait_until(lambda: is_gone(child_pid))


def test_an_idle_child_dies_with_its_parent(long_wav):
    code = textwrap.dedent(PARENT).replace("next(reader)", "list(reader)")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(long_wav)], stdout=subprocess.PIPE, text=True
    ) as parent:
        child_pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        wait_until(lambda: is_gone(child_pid))


def test_a_decoder_outlives_the_thread_that_started_it(long_wav):
    decoder = Decoder()
    thread = threading.Thread(target=lambda: decoder.probe(long_wav))
    thread.start()
    thread.join()
    time.sleep(0.2)
    with decoder:
        assert decoder.read(long_wav)[0].shape == (2, 44_100 * 60)
        assert decoder.restarts == 0


def test_ctrl_c_is_left_to_the_parent(long_wav):
    with Decoder() as decoder:
        reader = decoder.open(long_wav)
        next(reader)
        os.kill(decoder.child_pid, signal.SIGINT)
        assert sum(block.shape[1] for block in reader) > 0
        assert decoder.restarts == 0


def test_the_child_gets_no_credentials_and_no_heavy_imports(long_wav, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    with Decoder() as decoder:
        decoder.probe(long_wav)
        child = psutil.Process(decoder.child_pid)
        assert "AWS_SECRET_ACCESS_KEY" not in child.environ()
        loaded = {Path(entry.path).name for entry in child.memory_maps()}
        assert not [name for name in loaded if "torch" in name or "ray" in name.split("_")]


def test_a_child_that_cannot_start_says_why(long_wav):
    # Less address space than the interpreter has already.
    decoder = Decoder(DecodeLimits(memory_bytes=1024**2))
    with decoder, pytest.raises(AudioDecodeError, match=r"long\.wav"):
        decoder.read(long_wav)


def run_without_privilege(code, path):
    python = [sys.executable, "-c"]
    command = [*python, UNPRIVILEGED, *python, textwrap.dedent(code), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_no_permission_to_read_is_told(tmp_path, long_wav):
    path = tmp_path / "secret.wav"
    shutil.copy(long_wav, path)
    path.chmod(0)
    code = """
        import sys
        from latentsep.audio.decode import probe
        from latentsep.errors import AudioDecodeError
        try:
            probe(sys.argv[1])
        except AudioDecodeError as error:
            print(error)
    """
    done = run_without_privilege(code, path)
    assert "secret.wav: permission denied" in done.stdout, done.stderr


def test_no_permission_to_write_is_told(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    code = """
        import sys, numpy
        from latentsep.audio.encode import AudioWriter, StemFormat
        from latentsep.errors import AudioEncodeError
        try:
            with AudioWriter(sys.argv[1], StemFormat(), 44_100, 1) as writer:
                writer.write_integers(numpy.zeros((1, 10), numpy.int32))
        except AudioEncodeError as error:
            print(error)
    """
    done = run_without_privilege(code, closed / "a.flac")
    assert "a.flac: cannot be written: Permission denied" in done.stdout, done.stderr


FORMATS = [
    StemFormat(), StemFormat("wav"), StemFormat("wav", 32), StemFormat("mp3", None, 1.0),
    StemFormat("ogg", None, 1.0), StemFormat("opus", None, 1.0),
]  # fmt: skip


def write(path, fmt, samples):
    with AudioWriter(path, fmt, 48_000, 2) as writer:
        for part in np.array_split(samples, 40, axis=1):
            if fmt.is_integer:
                writer.write_integers(part)
            else:
                writer.write((part / 32_768).astype(np.float32))
    return path


def loud_noise(frames):
    return np.random.default_rng(0).integers(-30_000, 30_000, (2, frames)).astype(np.int32)


def fill_up(folder, free_bytes):
    room = shutil.disk_usage(folder).free - free_bytes
    (folder / "filler").write_bytes(bytes(room))


@pytest.mark.parametrize("free_bytes", [0, 3_000, 300_000, 600_000])
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: f"{fmt.codec}-{fmt.bit_depth}")
def test_a_full_disk_is_told_and_leaves_nothing(small_disk, fmt, free_bytes):
    fill_up(small_disk, free_bytes)
    with pytest.raises(AudioEncodeError, match=r"(?i)a: cannot be written: no space left"):
        write(small_disk / "a", fmt, loud_noise(48_000 * 20))
    assert [entry.name for entry in small_disk.iterdir()] == ["filler"]


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: f"{fmt.codec}-{fmt.bit_depth}")
def test_a_disk_that_fills_up_with_the_last_bytes_is_noticed(small_disk, tmp_path, fmt):
    needed = write(tmp_path / "whole", fmt, loud_noise(30_000)).stat().st_size
    # The disk gives out whole pages of 4096 bytes: leave one too few.
    fill_up(small_disk, (needed - 1) // 4096 * 4096)
    with pytest.raises(AudioEncodeError, match="cannot be written"):
        write(small_disk / "a", fmt, loud_noise(30_000))
    assert [entry.name for entry in small_disk.iterdir()] == ["filler"]


@pytest.mark.slow
def test_a_wav_beyond_4_gib_becomes_rf64(tmp_path):
    path = tmp_path / "big.wav"
    block = np.zeros((2, 2**24), np.float32)
    block[:, -1] = 0.5
    with AudioWriter(path, StemFormat("wav", 32), 192_000, 2) as writer:
        for _ in range(33):
            writer.write(block)
    with path.open("rb") as file:
        assert file.read(4) == b"RF64"
    with Decoder() as decoder:
        assert decoder.probe(path).frames == 33 * 2**24
    with soundfile.SoundFile(path) as file:
        file.seek(-1, soundfile.SEEK_END)
        assert file.read(1).tolist() == [[0.5, 0.5]]
