import struct

import numpy as np
import pytest
from audio_media import noise, write_av, write_sndfile
from hypothesis import given
from hypothesis import strategies as st

from latentsep.audio.header_bytes import MAX_FETCHES
from latentsep.audio.header_duration import duration_from_header

FRAMES, RATE_HZ = 100_003, 44_100
LENGTH_S = FRAMES / RATE_HZ
SNDFILE_FORMATS = [
    ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "MS_ADPCM"),
    ("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("W64", "PCM_24"), ("AIFF", "PCM_16"),
    ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"),
]  # fmt: skip
AV_FORMATS = [
    ("aac", "ipod", {}), ("aac", "ipod", {"movflags": "faststart"}), ("alac", "mov", {}),
    ("aac", "mp4", {}), ("libmp3lame", "mp3", {}), ("libmp3lame", "mp3", {"write_xing": "0"}),
    ("mp2", "mp2", {}), ("flac", "ogg", {}),
]  # fmt: skip
MAGICS = [
    b"RIFF\0\0\0\0WAVE", b"RIFX\0\0\0\0WAVE", b"RF64\xff\xff\xff\xffWAVE", b"riff\x2e\x91\xcf\x11",
    b"FORM\0\0\0\0AIFF", b"OggS\0\2", b"fLaC\0\0\0\x22", b"ID3\4\0\0\0\0\0\x05",
    b"\xff\xfb\x90\x64",
    b"\0\0\0\x10ftyp", b"\0\0\0\0moov", b"",
]  # fmt: skip


class Ranges:
    """A file in memory that counts what is asked of it."""

    def __init__(self, data):
        self.data, self.reads, self.bytes = data, 0, 0

    def __call__(self, start, length):
        assert start >= 0
        assert length >= 0
        self.reads += 1
        self.bytes += length
        return self.data[start : start + length]


def duration_of(data):
    return duration_from_header(Ranges(data), len(data))


@pytest.fixture(scope="module")
def headers(tmp_path_factory):
    """The bytes of one short real file of each format."""
    folder = tmp_path_factory.mktemp("headers")
    waveform = noise(2, 6_000)
    files = [
        write_sndfile(folder / f"{number}", waveform, RATE_HZ, container, subtype)
        for number, (container, subtype) in enumerate(SNDFILE_FORMATS)
    ]
    files += [
        write_av(folder / f"{number}.av", waveform, RATE_HZ, codec, container, options)
        for number, (codec, container, options) in enumerate(AV_FORMATS)
    ]
    return [file.read_bytes() for file in files]


@pytest.mark.parametrize(("container", "subtype"), SNDFILE_FORMATS)
def test_the_length_is_exact_for_what_libsndfile_writes(tmp_path, container, subtype):
    path = write_sndfile(tmp_path / "x", noise(2, FRAMES), RATE_HZ, container, subtype)
    assert duration_of(path.read_bytes()) == pytest.approx(LENGTH_S, abs=1e-9)


@pytest.mark.parametrize(("codec", "container", "options"), AV_FORMATS)
def test_the_length_is_near_for_what_ffmpeg_writes(tmp_path, codec, container, options):
    path = write_av(tmp_path / "x", noise(2, FRAMES), RATE_HZ, codec, container, options)
    # MP4 counts milliseconds; MPEG without a Xing header counts whole frames, some of them padding.
    assert duration_of(path.read_bytes()) == pytest.approx(LENGTH_S, abs=0.08)


def test_a_wrong_count_of_coded_samples_is_not_believed(tmp_path):
    path = write_sndfile(tmp_path / "x.wav", noise(2, FRAMES), RATE_HZ, "WAV", "IMA_ADPCM")
    assert duration_of(path.read_bytes()) == pytest.approx(LENGTH_S, rel=0.05)


def test_opus_leaves_out_its_start(tmp_path):
    path = write_sndfile(tmp_path / "x", noise(2, 96_007), 48_000, "OGG", "OPUS")
    assert duration_of(path.read_bytes()) == 96_007 / 48_000


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_of_every_kind_is_measured(tmp_path, rate_hz, channels):
    path = write_sndfile(
        tmp_path / "x", noise(channels, 2 * rate_hz + 5), rate_hz, "MP3", "MPEG_LAYER_III"
    )
    assert duration_of(path.read_bytes()) == pytest.approx(2, abs=0.001)


def test_an_mp3_with_a_large_tag_costs_few_reads(tmp_path):
    path = write_sndfile(tmp_path / "x", noise(2, FRAMES), RATE_HZ, "MP3", "MPEG_LAYER_III")
    picture = b"\xff\xfb\x90\x64" * 500_000
    size = bytes(len(picture) >> shift & 0x7F for shift in (21, 14, 7, 0))
    ranges = Ranges(b"ID3\4\0\0" + size + picture + path.read_bytes())
    length_s = duration_from_header(ranges, len(ranges.data))
    assert length_s == pytest.approx(LENGTH_S, abs=1e-9)
    assert ranges.reads <= 3


def test_vbri_headers_count():
    frame = bytearray(b"\xff\xfb\x90\x64".ljust(417, b"\0"))
    frame[36:54] = b"VBRI" + struct.pack(">HHHII", 1, 0, 0, 0, 1000)
    data = bytes(frame) + (b"\xff\xfb\x90\x64".ljust(417, b"\0")) * 4
    assert duration_of(data) == pytest.approx(1000 * 1152 / 44_100)


def test_a_wav_written_to_a_pipe_goes_on_to_its_end():
    head = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + struct.pack(
        "<2H2I2H", 1, 2, 8000, 32000, 4, 16
    )
    data = head + b"data\xff\xff\xff\xff" + b"\0" * 32_000
    assert duration_of(data) == 1.0


def test_a_cut_wav_is_as_long_as_what_is_left(tmp_path):
    path = write_sndfile(tmp_path / "x.wav", noise(2, 8_000), 8_000)
    assert duration_of(path.read_bytes()[: 44 + 4 * 4_000]) == 0.5


def test_a_long_mp4_with_its_index_at_the_end_is_not_read_through(tmp_path):
    data = write_av(tmp_path / "x", noise(2, FRAMES), RATE_HZ, "aac", "ipod").read_bytes()
    moov = data.rindex(b"moov") - 4
    padding = struct.pack(">I4sQ", 1, b"free", 16 + 50_000_000) + bytes(50_000_000)
    ranges = Ranges(data[:moov] + padding + data[moov:])
    length_s = duration_from_header(ranges, len(ranges.data))
    assert length_s == pytest.approx(LENGTH_S, abs=0.001)
    assert ranges.bytes < 200_000


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0", b"not audio at all", b"fLaC", b"OggS", b"ID3", bytes(100_000),
        b"\xff" * 100_000, b"<html><body>404 Not Found</body></html>",
    ],
)  # fmt: skip
def test_what_is_no_audio_has_no_length(data):
    assert duration_of(data) is None


def test_an_absurd_length_is_none():
    packed = (8_000 << 44) | ((1 << 36) - 1)
    stream_info = bytes(10) + packed.to_bytes(8, "big") + bytes(16)
    assert duration_of(b"fLaC\x80\0\0\x22" + stream_info) is None


def test_a_flac_of_unknown_length_is_none():
    stream_info = bytes(10) + (44_100 << 44).to_bytes(8, "big") + bytes(16)
    assert duration_of(b"fLaC\x80\0\0\x22" + stream_info) is None


@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=2_000))
def test_random_bytes_never_raise(magic, rest):
    check_bounded(magic + rest)


@given(data=st.data())
def test_cut_and_damaged_headers_never_raise(headers, data):
    whole = data.draw(st.sampled_from(headers))
    kept = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if kept:
            kept[data.draw(st.integers(0, min(len(kept), 400) - 1))] = data.draw(
                st.integers(0, 255)
            )
    check_bounded(bytes(kept))


@given(data=st.data())
def test_a_reader_that_gives_too_few_bytes_is_survived(headers, data):
    whole = data.draw(st.sampled_from(headers))
    most = data.draw(st.integers(0, 300))
    length_s = duration_from_header(
        lambda start, n: whole[start : start + min(n, most)], len(whole)
    )
    assert length_s is None or length_s >= 0


@pytest.mark.parametrize("unit", [b"ID3\4\0\0\0\0\0\0", b"OggS\0\2" + bytes(21), b"\0\0\0\x08free"])
def test_headers_without_end_are_given_up(unit):
    check_bounded(unit * (4_000_000 // len(unit)))


def test_errors_of_the_store_come_through():
    def fail(start, length):
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        duration_from_header(fail, 1000)


def check_bounded(data):
    ranges = Ranges(data)
    length_s = duration_from_header(ranges, len(data))
    assert length_s is None or (np.isfinite(length_s) and length_s >= 0)
    assert ranges.reads <= MAX_FETCHES
