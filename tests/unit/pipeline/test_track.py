import numpy as np
import pytest
import soundfile
from tiny_models import tiny_model

from latentsep.audio.decode import Decoder
from latentsep.errors import AudioDecodeError, NonFiniteAudioError
from latentsep.pipeline.inputs import PlannedTrack
from latentsep.pipeline.store import OutputOptions
from latentsep.pipeline.track import FileSeparator
from latentsep.separation.separator import Separator

RATE_HZ = 16_000
FRAMES = 3 * RATE_HZ + 7


@pytest.fixture(scope="module")
def decoder():
    with Decoder() as decoder:
        yield decoder


@pytest.fixture
def separator(decoder):
    return FileSeparator(Separator(tiny_model()), decoder, OutputOptions())


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    samples = np.random.default_rng(0).integers(-(2**14), 2**14, (FRAMES, 2)).astype(np.int16)
    soundfile.write(path, samples, RATE_HZ)
    return path


def stem_paths(folder):
    return {stem: folder / f"{stem}.flac" for stem in ("vocals", "accompaniment")}


def track(source, folder):
    return PlannedTrack(source, stem_paths(folder / "out"))


def test_stems_have_the_format_and_the_samples_of_the_file(separator, song, tmp_path):
    told_s = []
    paths = stem_paths(tmp_path / "out")
    result = separator.separate(
        PlannedTrack(song, paths), lambda done_s, all_s: told_s.append((done_s, all_s))
    )
    mixture = soundfile.read(song, dtype="int16")[0].astype(int)
    stems = [soundfile.read(path, dtype="int16") for path in paths.values()]
    np.testing.assert_array_equal(sum(samples.astype(int) for samples, _ in stems), mixture)
    assert [rate_hz for _, rate_hz in stems] == [RATE_HZ, RATE_HZ]
    assert result.frames == FRAMES
    assert result.duration_s == pytest.approx(FRAMES / RATE_HZ)
    assert result.realtime_factor == pytest.approx(result.duration_s / result.wall_s)
    assert result.stems == {stem: str(path) for stem, path in paths.items()}
    assert (result.source, result.bit_depth, result.mixture_clipped_samples) == (str(song), 16, 0)
    assert told_s == sorted(told_s)
    assert told_s[-1] == (result.duration_s, result.duration_s)


def test_a_file_that_cannot_be_read_leaves_no_folder(separator, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"this is no audio" * 100)
    with pytest.raises(AudioDecodeError, match=r"bad\.wav"):
        separator.separate(track(bad, tmp_path), lambda *_: None)
    assert not (tmp_path / "out").exists()


def test_a_file_that_breaks_off_leaves_no_stem(separator, tmp_path, song):
    samples = np.zeros((FRAMES, 1), np.float32)
    samples[-1] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, RATE_HZ, subtype="FLOAT")
    with pytest.raises(NonFiniteAudioError, match=rf"nan\.wav: .*frame {FRAMES - 1}"):
        separator.separate(track(tmp_path / "nan.wav", tmp_path), lambda *_: None)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    # The same decoder serves the next file.
    assert separator.separate(track(song, tmp_path), lambda *_: None).frames == FRAMES
