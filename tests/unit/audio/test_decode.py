import io

import numpy as np
import pytest
import soundfile
from audio_media import SNDFILE_FORMATS, noise, shift_against, tone, write_av, write_sndfile

from latentsep.audio.decode import DecodeLimits, Decoder, probe, read_audio
from latentsep.errors import AudioDecodeError, ConfigError, NonFiniteAudioError


def on_grid(waveform, bits):
    full = 2.0 ** (bits - 1)
    return (np.rint(waveform.astype(np.float64) * full) / full).astype(np.float32)


@pytest.mark.parametrize(("container", "subtype"), SNDFILE_FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossless_formats_come_back_to_the_bit(decoder, tmp_path, container, subtype, channels):
    bits = {"U8": 8, "S8": 8, "16": 16, "24": 24, "32": 32}.get(subtype.split("_")[-1])
    waveform = noise(channels, 70_001)
    if bits is not None:
        waveform = on_grid(waveform, min(bits, 24))
    path = write_sndfile(tmp_path / "a", waveform, 44_100, container, subtype)
    decoded, info = decoder.read(path)
    np.testing.assert_array_equal(decoded, waveform)
    assert (info.frames, info.channels, info.sample_rate_hz) == (70_001, channels, 44_100)
    assert info.bit_depth == bits
    assert info.is_float == (subtype in ("FLOAT", "DOUBLE"))
    assert info.is_lossless


def test_32_bit_integers_become_the_nearest_floats(decoder, tmp_path):
    integers = np.random.default_rng(0).integers(-(2**31), 2**31, (1000, 2), dtype=np.int64)
    soundfile.write(tmp_path / "a.wav", integers.astype(np.int32), 48_000, subtype="PCM_32")
    decoded, _ = decoder.read(tmp_path / "a.wav")
    np.testing.assert_array_equal(decoded, (integers.T / 2.0**31).astype(np.float32))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 96_000, 192_000])
def test_rates_from_8_to_192_khz_are_read(decoder, tmp_path, rate_hz):
    path = write_sndfile(tmp_path / "a.wav", noise(2, 500), rate_hz)
    assert decoder.probe(path).sample_rate_hz == rate_hz


def test_64_channels_are_read_in_order(decoder, tmp_path):
    waveform = on_grid(noise(64, 3000), 16)
    path = write_sndfile(tmp_path / "a.wav", waveform, 48_000)
    np.testing.assert_array_equal(decoder.read(path)[0], waveform)


@pytest.mark.parametrize("frames", [1000, 44_100, 44_877, 100_003])
@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.m4a", "alac", 44_100), ("a.m4a", "aac", 44_100), ("a.mp4", "aac", 48_000),
        ("a.webm", "libopus", 48_000), ("a.ogg", "libopus", 48_000), ("a.mkv", "flac", 44_100),
        ("a.mp3", "libmp3lame", 44_100), ("b.mp3", "libmp3lame", 22_050), ("a.caf", "alac", 48_000),
    ],
)  # fmt: skip
def test_ffmpeg_formats_keep_length_and_place(decoder, tmp_path, name, codec, rate_hz, frames):
    waveform = tone(2, frames, rate_hz, click_at=frames // 2)
    decoded, info = decoder.read(write_av(tmp_path / name, waveform, rate_hz, codec))
    assert decoded.shape == (2, frames)
    assert shift_against(waveform, decoded) == 0
    if codec in ("alac", "flac"):
        bits = info.bit_depth
        np.testing.assert_array_equal(decoded, on_grid(waveform, bits))


@pytest.mark.parametrize(("container", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS")])
@pytest.mark.parametrize("frames", [1, 999, 48_000])
def test_ogg_keeps_length_and_place(decoder, tmp_path, container, subtype, frames):
    waveform = tone(2, frames, 48_000, click_at=frames // 2)
    decoded, info = decoder.read(
        write_sndfile(tmp_path / "a.ogg", waveform, 48_000, container, subtype)
    )
    assert decoded.shape == (2, frames) == (2, info.frames)
    assert shift_against(waveform, decoded, reach=min(frames // 2, 1000)) == 0


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("frames", [1, 863, 1500, 44_100])
def test_mp3_with_lame_header_keeps_its_length(decoder, tmp_path, mode, frames):
    path = write_sndfile(
        tmp_path / "a.mp3", noise(2, frames), 44_100, "MP3", "MPEG_LAYER_III", bitrate_mode=mode
    )
    decoded, info = decoder.read(path)
    assert decoded.shape == (2, frames) == (2, info.frames)


def test_mp3_without_xing_header_is_read_to_its_end(decoder, tmp_path):
    # Silence first: libsndfile would take the small first frames for the rule and stop half way.
    waveform = noise(2, 5 * 44_100) * np.linspace(0, 1, 5 * 44_100, dtype=np.float32)
    path = write_sndfile(tmp_path / "a.mp3", waveform, 44_100, "MP3", "MPEG_LAYER_III")
    data = path.read_bytes()
    second_frame = data.index(data[:2], 100)
    decoded, info = decoder.read(data[second_frame:])
    assert info.frames is None
    # The encoder's delay and padding stay: nothing in the file tells of them.
    assert 5 * 44_100 < decoded.shape[1] < 5 * 44_100 + 2500


def test_flac_without_declared_length_is_read_to_its_end(decoder, tmp_path):
    waveform = on_grid(noise(2, 70_000), 16)
    data = bytearray(write_sndfile(tmp_path / "a.flac", waveform, 44_100, "FLAC").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    decoded, info = decoder.read(bytes(data))
    np.testing.assert_array_equal(decoded, waveform)
    assert info.frames is None


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\x00\xf0\xff\x7f"])
def test_wav_streamed_without_a_length_is_read_to_its_end(decoder, tmp_path, size):
    waveform = on_grid(noise(2, 5000), 16)
    data = write_sndfile(tmp_path / "a.wav", waveform, 44_100).read_bytes()
    np.testing.assert_array_equal(decoder.read(data[:40] + size + data[44:])[0], waveform)


def test_bytes_streams_paths_and_file_uris_give_the_same(decoder, tmp_path):
    path = write_sndfile(tmp_path / "a b%.wav", noise(2, 5000), 44_100)
    expected, _ = decoder.read(path)
    sources = [str(path), path.as_uri(), path.read_bytes(), io.BytesIO(path.read_bytes())]
    for source in sources:
        np.testing.assert_array_equal(decoder.read(source)[0], expected)
    with path.open("rb") as stream:
        np.testing.assert_array_equal(decoder.read(stream)[0], expected)


def test_one_shot_functions_read_and_probe(tmp_path):
    path = write_sndfile(tmp_path / "a.wav", noise(2, 5000), 44_100)
    waveform, info = read_audio(path)
    assert waveform.shape == (2, 5000)
    assert probe(path) == info


def test_spooled_copies_are_removed(tmp_path):
    data = write_sndfile(tmp_path / "a.wav", noise(2, 200_000), 44_100).read_bytes()
    spool = tmp_path / "spool"
    spool.mkdir()
    with Decoder(spool_folder=spool) as decoder:
        decoder.read(data)
        next(decoder.open(data))
        with pytest.raises(AudioDecodeError):
            decoder.open(b"no audio")
    assert list(spool.iterdir()) == []


def test_errors_of_a_stream_reach_the_caller(decoder):
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise ConnectionResetError("by peer")

    with pytest.raises(ConnectionResetError, match="by peer"):
        decoder.open(Broken())


def test_tags_are_read(decoder, tmp_path):
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 44_100, 1, format="FLAC") as file:
        file.title, file.artist, file.tracknumber = "Tï†el", "someone", "3"
        file.write(np.zeros(100))
    expected = {"title": "Tï†el", "artist": "someone", "tracknumber": "3"}
    assert decoder.probe(tmp_path / "a.flac").tags == expected


@pytest.mark.parametrize("block_frames", [1, 1000, 4096])
@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.mp3", "libmp3lame")])
def test_blocks_are_bounded_and_join_to_the_same_samples(tmp_path, block_frames, name, codec):
    path = write_av(tmp_path / name, tone(2, 9000, 44_100), 44_100, codec)
    expected, _ = read_audio(path)
    with Decoder(DecodeLimits(block_frames=block_frames)) as decoder:
        reader = decoder.open(path)
        blocks = list(reader)
    assert max(block.shape[1] for block in blocks) <= block_frames
    assert reader.frames_read == 9000
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), expected)


def test_an_abandoned_reader_leaves_the_decoder_usable(tmp_path):
    path = write_sndfile(tmp_path / "a.wav", noise(2, 1_000_000), 44_100)
    with Decoder() as decoder:
        first = decoder.open(path)
        block = next(first)
        second = decoder.open(path)
        np.testing.assert_array_equal(next(second), block)
        assert list(first) == []
        second.close()
        assert decoder.probe(path).frames == 1_000_000


@pytest.mark.parametrize(
    ("bad", "frame"), [(np.nan, 0), (np.inf, 65_536), (-np.inf, 70_000), (np.nan, 99_999)]
)
def test_non_finite_samples_name_the_first_bad_frame(decoder, tmp_path, bad, frame):
    waveform = noise(2, 100_000)
    waveform[1, frame:] = bad
    path = write_sndfile(tmp_path / "a.wav", waveform, 44_100, subtype="FLOAT")
    with pytest.raises(NonFiniteAudioError, match=rf"a\.wav.* at frame {frame}\b"):
        decoder.read(path)


def test_unusable_sources_are_told_apart(decoder, tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("this is no music\n" * 100)
    write_sndfile(tmp_path / "none.wav", np.zeros((2, 0), np.float32), 44_100)
    said = {
        tmp_path / "missing.wav": "no such file",
        tmp_path: "is a directory",
        tmp_path / "empty.wav": r"empty \(0 bytes\)",
        tmp_path / "text.mp3": "not audio",
        tmp_path / "none.wav": "0 audio frames",
        "/dev/zero": "not a regular file",
        "s3://bucket/a.wav": "scheme 's3'",
        "file://elsewhere/a.wav": "host 'elsewhere'",
        "nul\0byte": "cannot be read",
    }
    for source, words in said.items():
        with pytest.raises(AudioDecodeError, match=words):
            decoder.open(source)


@pytest.mark.parametrize(
    ("offset", "field", "words"),
    [
        (24, (0).to_bytes(4, "little"), " 0 Hz"),
        (24, (7_999).to_bytes(4, "little"), "7999 Hz.*8000 to 192000"),
        (24, (400_000).to_bytes(4, "little"), "400000 Hz"),
        (22, (0).to_bytes(2, "little"), "Channel count is zero"),
        (22, (65).to_bytes(2, "little"), "65 channels.*1 to 64"),
        (22, (2000).to_bytes(2, "little"), "channels"),
        (40, (2**31).to_bytes(4, "little"), "truncated: the header declares 536870912 frames"),
    ],
)
def test_absurd_headers_are_refused(decoder, tmp_path, offset, field, words):
    data = bytearray(write_sndfile(tmp_path / "a.wav", noise(2, 650), 44_100).read_bytes())
    data[offset : offset + len(field)] = field
    with pytest.raises(AudioDecodeError, match=words):
        decoder.read(bytes(data))


def test_mp3s_joined_end_to_end_are_not_cut_in_silence(decoder, tmp_path):
    data = write_sndfile(
        tmp_path / "a.mp3", noise(2, 44_100), 44_100, "MP3", "MPEG_LAYER_III"
    ).read_bytes()
    with pytest.raises(AudioDecodeError, match="joined"):
        decoder.read(data + data)


def test_chained_ogg_is_refused(decoder, tmp_path):
    path = write_sndfile(tmp_path / "a.ogg", noise(2, 44_100), 44_100, "OGG", "VORBIS")
    with pytest.raises(AudioDecodeError, match="chained"):
        decoder.read(path.read_bytes() * 2)


def test_limits_are_checked():
    with pytest.raises(ConfigError, match="block_frames must be above 0, got 0"):
        DecodeLimits(block_frames=0)
