"""Every damaged file ends in clean samples or in a TrackError: no traceback, no hang, no crash."""

import numpy as np
import pytest
from audio_media import SNDFILE_FORMATS, noise, tone, write_av, write_sndfile

from latentsep.errors import AudioDecodeError, DecoderCrashedError, DecoderTimeoutError, TrackError

FRAMES = 60_000
AV_FORMATS = [
    ("a.m4a", "aac", {}), ("a.m4a", "alac", {}), ("a.mp4", "aac", {"movflags": "+faststart"}),
    ("a.webm", "libopus", {}), ("a.mkv", "flac", {}), ("a.mp3", "libmp3lame", {}),
]  # fmt: skip
OTHER_FORMATS = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]


def sound_files(folder):
    for container, subtype in SNDFILE_FORMATS + OTHER_FORMATS:
        path = folder / f"{container}-{subtype}"
        yield path.name, write_sndfile(path, noise(2, FRAMES), 48_000, container, subtype)
    for index, (name, codec, options) in enumerate(AV_FORMATS):
        path = folder / f"{index}{name}"
        yield (
            f"{codec}-{path.name}",
            write_av(path, tone(2, FRAMES, 48_000), 48_000, codec, options=options),
        )


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("intact")
    return {name: path.read_bytes() for name, path in sound_files(folder)}


def test_the_intact_files_are_read_in_full(decoder, intact):
    shapes = {name: decoder.read(data)[0].shape for name, data in intact.items()}
    assert shapes == dict.fromkeys(intact, (2, FRAMES))


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_cut_files_are_refused(decoder, intact, share):
    accepted = []
    for name, data in intact.items():
        try:
            decoder.read(data[: int(len(data) * share)])
            accepted.append(name)
        except TrackError:
            pass
    assert accepted == []


def test_half_a_file_is_called_truncated_with_both_lengths(decoder, intact):
    for data in intact.values():
        with pytest.raises(AudioDecodeError, match=r"truncated.*\d+.*\d+|no 'moov' box"):
            decoder.read(data[: len(data) // 2])


def test_a_cut_wav_tells_frames(decoder, tmp_path):
    data = write_sndfile(tmp_path / "a.wav", noise(2, 1000), 44_100).read_bytes()
    with pytest.raises(AudioDecodeError, match=r"declares 1000 frames, the file holds 250;"):
        decoder.open(data[: 44 + 1000])


@pytest.mark.parametrize(
    "ending", [".wav", ".flac", ".mp3", ".ogg", ".m4a", ".raw", ".aiff", ".webm"]
)
def test_random_bytes_are_no_audio(decoder, tmp_path, ending):
    path = tmp_path / f"a{ending}"
    for seed in range(5):
        path.write_bytes(np.random.default_rng(seed).bytes(20_000))
        with pytest.raises(AudioDecodeError):
            decoder.read(path)


MAGICS = [
    b"RIFF\0\0\0\0WAVE", b"RF64\xff\xff\xff\xffWAVE", b"FORM\0\0\0\0AIFF", b"fLaC", b"OggS\0\x02",
    b"caff\0\1\0\0", b".snd", b"\0\0\0\x20ftypM4A ", b"\x1a\x45\xdf\xa3", b"ID3\x04\0\0",
    b"\xff\xfb\x90", b"riff\x2e\x91\xcf\x11", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"#EXTM3U\nhttp://localhost/\n",
]  # fmt: skip


@pytest.mark.parametrize("magic", MAGICS)
def test_random_bytes_behind_a_signature_are_refused_or_read(decoder, magic):
    for seed in range(10):
        outcome(decoder, magic + np.random.default_rng(seed).bytes(5_000))


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bytes_never_crash_or_hang(decoder, intact, seed):
    rng = np.random.default_rng(seed)
    for data in intact.values():
        damaged = np.frombuffer(data, np.uint8).copy()
        # Half the flips go into the headers, where they hurt most.
        places = np.concatenate([rng.integers(0, 200, 3), rng.integers(0, len(data), 3)])
        damaged[places] ^= rng.integers(1, 256, 6).astype(np.uint8)
        outcome(decoder, damaged.tobytes())


def outcome(decoder, data):
    try:
        waveform, info = decoder.read(data)
    except (DecoderCrashedError, DecoderTimeoutError):
        raise
    except TrackError:
        return
    assert np.isfinite(waveform).all()
    assert info.frames in (None, waveform.shape[1])
