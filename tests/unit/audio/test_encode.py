import hashlib
import time

import numpy as np
import pytest
from audio_media import noise, shift_against, tone

from latentsep.audio.encode import AudioWriter, StemFormat
from latentsep.audio.quantise import quantise
from latentsep.errors import AudioEncodeError, ConfigError, NonFiniteAudioError

INTEGER_FORMATS = [StemFormat(codec, bits) for codec in ("flac", "wav") for bits in (16, 24)]
FLOAT_WAV = StemFormat("wav", 32)
LOSSY_FORMATS = [
    StemFormat("mp3", None),
    StemFormat("ogg", None), StemFormat("opus", None),
]  # fmt: skip
TAGS = {"title": "Tïtel 題", "artist": "someone", "tracknumber": "3", "comment": "a, b"}


def names_in(folder):
    return [entry.name for entry in folder.iterdir()]


def name(fmt):
    return f"{fmt.codec}-{fmt.bit_depth}"


def write(path, fmt, waveform, rate_hz=44_100, tags=None, block=10_000):
    with AudioWriter(path, fmt, rate_hz, waveform.shape[0], tags) as writer:
        for start in range(0, waveform.shape[1], block):
            part = waveform[:, start : start + block]
            writer.write_integers(part) if fmt.is_integer else writer.write(part)
    return path


@pytest.mark.parametrize("fmt", INTEGER_FORMATS, ids=name)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_integers_land_in_the_file_exactly(decoder, tmp_path, fmt, channels):
    full = 2 ** (fmt.bit_depth - 1)
    integers = np.random.default_rng(0).integers(-full, full, (channels, 30_001)).astype(np.int32)
    integers[:, :2] = [-full, full - 1]
    decoded, info = decoder.read(write(tmp_path / "a", fmt, integers))
    np.testing.assert_array_equal(decoded.astype(np.float64) * full, integers)
    assert (info.bit_depth, info.frames, info.is_float) == (fmt.bit_depth, 30_001, False)


def test_float_wav_holds_floats_exactly_beyond_full_scale(decoder, tmp_path):
    waveform = noise(2, 30_001, peak=3)
    decoded, info = decoder.read(write(tmp_path / "a.wav", FLOAT_WAV, waveform))
    np.testing.assert_array_equal(decoded, waveform)
    assert info.is_float


@pytest.mark.parametrize("fmt", LOSSY_FORMATS, ids=name)
@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000, 96_000])
def test_lossy_formats_keep_place_and_length_at_a_rate_they_hold(decoder, tmp_path, fmt, rate_hz):
    waveform = tone(2, rate_hz + 7, rate_hz)
    decoded, info = decoder.read(write(tmp_path / "a", fmt, waveform, rate_hz))
    assert info.sample_rate_hz == fmt.file_rate_hz(rate_hz)
    expected = tone(2, decoded.shape[1], info.sample_rate_hz)
    assert abs(decoded.shape[1] * rate_hz / info.sample_rate_hz - (rate_hz + 7)) <= 1
    assert abs(shift_against(expected, decoded)) <= 1
    assert np.sqrt(np.mean((expected - decoded) ** 2)) < 0.03


def test_rates_a_container_cannot_hold_go_to_the_next_above_or_the_largest():
    opus, mp3 = StemFormat("opus", None), StemFormat("mp3", None)
    rates_hz = [8_000, 11_025, 44_100, 48_000, 192_000]
    assert [opus.file_rate_hz(r) for r in rates_hz] == [8_000, 12_000, 48_000, 48_000, 48_000]
    assert [mp3.file_rate_hz(r) for r in rates_hz] == [8_000, 11_025, 44_100, 48_000, 48_000]
    assert StemFormat().file_rate_hz(192_000) == 192_000


@pytest.mark.parametrize("fmt", [*INTEGER_FORMATS, FLOAT_WAV, *LOSSY_FORMATS], ids=name)
def test_tags_are_carried(decoder, tmp_path, fmt):
    waveform = noise(1, 48_000)
    samples = quantise(waveform, fmt.bit_depth)[0] if fmt.is_integer else waveform
    path = write(tmp_path / "a", fmt, samples, 48_000, TAGS | {"unknown": "dropped"})
    assert decoder.probe(path).tags == TAGS


@pytest.mark.parametrize("fmt", [*INTEGER_FORMATS, FLOAT_WAV], ids=name)
def test_the_same_samples_make_the_same_bytes(tmp_path, fmt):
    samples = np.zeros((2, 5000), np.int32 if fmt.is_integer else np.float32)
    digests = set()
    for index in range(2):
        # A time stamp in the file would show after a second.
        time.sleep(1.1 * index)
        data = write(tmp_path / f"{index}", fmt, samples, tags=TAGS).read_bytes()
        digests.add(hashlib.sha256(data).hexdigest())
    assert len(digests) == 1


def test_higher_quality_makes_larger_files(tmp_path):
    for codec in ("mp3", "ogg", "opus"):
        sizes = [
            write(tmp_path / "a", StemFormat(codec, None, quality), noise(2, 48_000), 48_000)
            .stat()
            .st_size
            for quality in (0, 0.5, 1)
        ]
        assert sizes == sorted(set(sizes))


def test_nothing_is_seen_under_the_final_name_before_the_end(tmp_path):
    path = tmp_path / "new" / "folder" / "a.flac"
    with AudioWriter(path, StemFormat(), 44_100, 1) as writer:
        writer.write_integers(np.zeros((1, 5000), np.int32))
        assert not path.exists()
        assert all(entry.name.startswith(".") for entry in path.parent.iterdir())
    assert names_in(path.parent) == ["a.flac"]


def test_an_exception_leaves_the_old_file_and_no_rest(tmp_path):
    path = write(tmp_path / "a.wav", StemFormat("wav"), np.ones((1, 100), np.int32))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="65536"):
        write(path, StemFormat("wav"), np.repeat([[0, 2**16]], 5000).astype(np.int32)[None])
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["a.wav"]


@pytest.mark.parametrize(
    ("fmt", "channels", "words"),
    [
        (StemFormat(), 9, "flac holds 1 to 8 channels, got 9; formats that can: wav, ogg, opus"),
        (StemFormat("mp3", None), 3, "formats that can: flac, wav, ogg, opus"),
        (StemFormat("wav"), 0, "formats that can: none"),
    ],
)
def test_too_many_channels_name_the_formats_that_can(tmp_path, fmt, channels, words):
    with pytest.raises(AudioEncodeError, match=words):
        AudioWriter(tmp_path / "a", fmt, 44_100, channels).__enter__()


def test_impossible_places_are_told_with_the_reason(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    said = {
        tmp_path / ("x" * 300): "File name too long",
        tmp_path / "file" / "a.flac": "exists|Not a directory",
        tmp_path / "folder": "Is a directory",
    }
    for path, words in said.items():
        with pytest.raises(AudioEncodeError, match=words):
            write(path, StemFormat(), np.zeros((1, 100), np.int32))
    assert sorted(names_in(tmp_path)) == ["file", "folder"]


def test_the_longest_name_a_folder_takes_is_fine(tmp_path):
    path = write(tmp_path / ("x" * 250 + ".flac"), StemFormat(), np.zeros((1, 100), np.int32))
    assert path.exists()


@pytest.mark.parametrize("fmt", [*INTEGER_FORMATS, FLOAT_WAV, *LOSSY_FORMATS], ids=name)
def test_a_file_without_frames_is_refused(tmp_path, fmt):
    with pytest.raises(AudioEncodeError, match="0 frames"):
        write(tmp_path / "a", fmt, np.zeros((2, 0), np.float32))
    assert names_in(tmp_path) == []


def test_samples_that_do_not_fit_the_format_are_refused(tmp_path):
    with AudioWriter(tmp_path / "a.flac", StemFormat(), 44_100, 2) as writer:
        with pytest.raises(ValueError, match="holds integers"):
            writer.write(noise(2, 10))
        with pytest.raises(ValueError, match=r"-32768\.\.32767, got 0\.\.32768"):
            writer.write_integers(np.array([[0], [32_768]], np.int32))
        with pytest.raises(ValueError, match=r"shape \(1, 4\), wanted \[2, sample\]"):
            writer.write_integers(np.zeros((1, 4), np.int32))
        writer.write_integers(np.zeros((2, 4), np.int32))
    with AudioWriter(tmp_path / "a.wav", FLOAT_WAV, 44_100, 1) as writer:
        with pytest.raises(ValueError, match="holds no integers"):
            writer.write_integers(np.zeros((1, 4), np.int32))
        writer.write(noise(1, 5))
        with pytest.raises(NonFiniteAudioError, match="frame 7"):
            writer.write(np.array([[0, 0, np.inf]], np.float32))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"codec": "aac"}, "codec is 'aac', allowed are flac, wav"),
        ({"bit_depth": 32}, r"bit_depth of flac is 32, allowed are \(16, 24\)"),
        ({"codec": "mp3"}, "bit_depth of mp3 is 16"),
        ({"quality": 1.5}, "quality must lie in 0..1"),
    ],
)
def test_impossible_formats_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        StemFormat(**settings)
