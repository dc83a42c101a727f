"""Every kind of file in one folder through the real command, and its stems through flac and sox.

The stems must have the source's rate, channels and length, and add up to it in integers.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from command_line import STEMS, files_in, need, pcm_of, run_json, stem_files

pytestmark = pytest.mark.integration

TAGS = {"title": "A Song", "artist": "Jürgen & Zoë", "album": "Nothing"}
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@dataclass(frozen=True)
class Source:
    """One file of the folder.

    Attributes:
        coding: subtype for libsndfile, or encoder for FFmpeg.
        bits: of its integers; ``None`` for float and lossy.
        stem_bits: what its stems must have.
    """

    name: str
    rate_hz: int
    channels: int
    coding: str
    bits: int | None
    stem_bits: int

    @property
    def frames(self):
        return round(0.9 * self.rate_hz) + 7


SOURCES = [
    Source("u8.wav", 8_000, 1, "PCM_U8", 8, 16),
    Source("s16.wav", 44_100, 2, "PCM_16", 16, 16),
    Source("s16-mono.wav", 22_050, 1, "PCM_16", 16, 16),
    Source("s16-surround.wav", 48_000, 6, "PCM_16", 16, 16),
    Source("s24.wav", 96_000, 2, "PCM_24", 24, 24),
    Source("s32.wav", 48_000, 2, "PCM_32", 32, 24),
    Source("float.wav", 44_100, 2, "FLOAT", None, 24),
    Source("s24.aiff", 48_000, 2, "PCM_24", 24, 24),
    Source("s16.flac", 22_050, 1, "PCM_16", 16, 16),
    Source("s24.flac", 192_000, 2, "PCM_24", 24, 24),
    Source("s24-surround.flac", 48_000, 6, "PCM_24", 24, 24),
    Source("vorbis.ogg", 44_100, 2, "VORBIS", None, 16),
    Source("layer3.mp3", 44_100, 2, "MPEG_LAYER_III", None, 16),
    Source("layer3-mono.mp3", 22_050, 1, "MPEG_LAYER_III", None, 16),
    Source("opus.opus", 48_000, 2, "OPUS", None, 16),
    Source("aac.m4a", 44_100, 2, "aac", None, 16),
    Source("opus.webm", 48_000, 2, "libopus", None, 16),
]
INTEGERS = [source for source in SOURCES if source.bits in (8, 16, 24)]


def noise(source):
    """``[sample, channel]`` float32, a little below full scale, so that nothing clips."""
    rng = np.random.default_rng(len(source.name))
    peak = 0.95 if source.bits or source.coding == "FLOAT" else 0.2
    return rng.uniform(-peak, peak, (source.frames, source.channels)).astype(np.float32)


def write_source(folder, source):
    path = folder / source.name
    if source.coding in ("aac", "libopus"):
        write_ffmpeg(path, source)
        return
    container = {"opus": "OGG"}.get(path.suffix[1:], path.suffix[1:].upper())
    with soundfile.SoundFile(
        path, "w", source.rate_hz, source.channels, source.coding, format=container
    ) as file:
        for name, text in TAGS.items():
            setattr(file, name, text)
        file.write(noise(source))


def write_ffmpeg(path, source):
    layout = LAYOUTS[source.channels]
    with av.open(str(path), "w") as file:
        file.metadata.update(TAGS)
        stream = file.add_stream(source.coding, rate=source.rate_hz, layout=layout)
        samples = np.ascontiguousarray(noise(source).T)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = source.rate_hz, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One file of each kind."""
    folder = tmp_path_factory.mktemp("music")
    for source in SOURCES:
        write_source(folder, source)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def summary(folder, out, model):
    """One run over the whole folder."""
    return run_json(
        folder, "-o", out, "-n", model, "--threads", 1, "--filename", "{dir}/{track}/{stem}.{ext}"
    )


@pytest.fixture(scope="module")
def results(summary):
    """Results by file name, with the folder of the stems."""
    return {result["source"].rsplit("/", 1)[1]: result for result in summary["tracks"]}


def stems_of(result):
    return {stem: pcm_of(Path(path)) for stem, path in result["stems"].items()}


def name(source):
    return source.name


def test_every_file_becomes_two_stems_and_nothing_else(summary, out):
    assert [result["source"].rsplit("/", 1)[1] for result in summary["tracks"]] == sorted(
        map(name, SOURCES)
    )
    assert (summary["rejects"], summary["skipped"]) == ([], 0)
    assert len(files_in(out)) == 2 * len(SOURCES)
    assert 0 < summary["peak_rss_bytes"] < 3 * 1024**3


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_stems_have_the_rate_channels_length_and_depth_of_their_source(results, source):
    result = results[source.name]
    for samples, rate_hz, bits in stems_of(result).values():
        assert samples.shape == (source.channels, source.frames)
        assert (rate_hz, bits) == (source.rate_hz, source.stem_bits)
    assert (result["frames"], result["bit_depth"]) == (source.frames, source.stem_bits)


@pytest.mark.parametrize("source", INTEGERS, ids=name)
def test_stems_add_up_to_their_source_in_integers(results, folder, source):
    mixture, _, bits = pcm_of(folder / source.name)
    stems = stems_of(results[source.name])
    total = stems["vocals"][0] + stems["accompaniment"][0]
    assert bits == source.bits
    np.testing.assert_array_equal(total, mixture << (source.stem_bits - bits))
    # Neither stem is trivial.
    assert all(np.any(samples) for samples, _, _ in stems.values())
    assert results[source.name]["mixture_clipped_samples"] == 0


@pytest.mark.parametrize("source_name", ["s32.wav", "float.wav"])
def test_stems_add_up_to_a_finer_source_within_half_a_step(results, folder, source_name):
    stems = stems_of(results[source_name])
    total = (stems["vocals"][0] + stems["accompaniment"][0]) / 2**23
    mixture = soundfile.read(folder / source_name)[0].T
    # Half a step of 24 bits, and half one of float32, in which samples are decoded.
    assert np.abs(total - mixture).max() <= 2.0**-24 + 2.0**-25


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_tags_are_carried_and_the_title_tells_the_stem(results, source):
    # AIFF and WAV have no place for an album.
    wanted = {"title", "artist"} if source.name.endswith((".wav", ".aiff")) else set(TAGS)
    for stem, path in results[source.name]["stems"].items():
        command = [need("metaflac"), "--no-utf8-convert", "--export-tags-to=-", path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = (line.split("=", 1) for line in done.stdout.splitlines())
        tags = {key.lower(): text for key, text in lines}
        expected = {**TAGS, "title": f"A Song ({stem})"}
        assert {key: tags.get(key) for key in wanted} == {key: expected[key] for key in wanted}


@pytest.fixture(scope="module")
def plain(folder):
    return folder / "s16.wav"


def separated(plain, model, out, *flags):
    (result,) = run_json(plain, "-o", out, "-n", model, "--threads", 1, *flags)["tracks"]
    ext = result["stems"]["vocals"].rsplit(".", 1)[1]
    assert files_in(out) == stem_files("tiny/s16", ext=ext)
    return {stem: out / f"tiny/s16/{stem}.{ext}" for stem in STEMS}, result


@pytest.mark.parametrize(
    ("flags", "ext", "bits"),
    [(["--wav"], "wav", 16), (["--wav", "--int24"], "wav", 24), (["--int24"], "flac", 24)],
)
def test_integer_formats_on_request(plain, model, tmp_path, flags, ext, bits):
    paths, result = separated(plain, model, tmp_path, *flags)
    stems = {stem: pcm_of(path) for stem, path in paths.items()}
    mixture, rate_hz, _ = pcm_of(plain)
    assert {(path.suffix, stems[stem][1:]) for stem, path in paths.items()} == {
        (f".{ext}", (rate_hz, bits))
    }
    total = stems["vocals"][0] + stems["accompaniment"][0]
    np.testing.assert_array_equal(total, mixture << (bits - 16))
    assert result["bit_depth"] == bits


def test_float_stems_on_request(plain, model, tmp_path):
    paths, result = separated(plain, model, tmp_path, "--wav", "--float32")
    encoding = subprocess.run(
        [need("soxi"), "-e", paths["vocals"]], capture_output=True, text=True, check=True
    )
    assert encoding.stdout.strip() == "Floating Point PCM"
    stems = [soundfile.read(path, dtype="float32")[0] for path in paths.values()]
    mixture = soundfile.read(plain, dtype="float32")[0]
    np.testing.assert_allclose(sum(stems), mixture, atol=2.0**-23)
    assert result["bit_depth"] == 32


@pytest.mark.parametrize(("codec", "rate_hz"), [("mp3", 44_100), ("ogg", 44_100), ("opus", 48_000)])
def test_lossy_stems_on_request(plain, model, tmp_path, codec, rate_hz):
    paths, result = separated(plain, model, tmp_path, f"--{codec}")
    for path in paths.values():
        with av.open(str(path)) as file:
            (stream,) = file.streams.audio
            assert (stream.rate, stream.channels) == (rate_hz, 2)
            frames = sum(frame.samples for frame in file.decode(stream))
        # Players cut the encoder's delay and padding, FFmpeg does not always.
        assert abs(frames / rate_hz - result["duration_s"]) < 0.06
    assert result["bit_depth"] is None
