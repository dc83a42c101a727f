import os
import time

import numpy as np
import pytest
import soundfile

from latentsep.audio.encode import StemFormat
from latentsep.audio.source import SourceInfo
from latentsep.errors import AudioEncodeError, ConfigError
from latentsep.pipeline.store import OutputOptions, StemFiles, remove_stale
from latentsep.separation.stems import Stems


def source(bit_depth=16, *, is_float=False, is_lossless=True, channels=2, tags=None):
    return SourceInfo(
        container="wav",
        codec="pcm",
        sample_rate_hz=8_000,
        channels=channels,
        bit_depth=bit_depth,
        is_float=is_float,
        is_lossless=is_lossless,
        frames=None,
        tags=tags or {},
    )


FLOAT = source(None, is_float=True)
LOSSY = source(None, is_lossless=False)


@pytest.mark.parametrize("codec", ["flac", "wav"])
@pytest.mark.parametrize(
    ("info", "bits"),
    [
        (source(8), 16),
        (source(16), 16),
        (source(24), 24),
        (source(32), 24),
        (FLOAT, 24),
        (LOSSY, 16),
    ],
    ids=["8", "16", "24", "32", "float", "lossy"],
)
def test_lossless_stems_are_as_fine_as_their_source(codec, info, bits):
    assert OutputOptions(codec=codec).format_for(info) == StemFormat(codec, bits)


@pytest.mark.parametrize("info", [source(8), source(32), FLOAT, LOSSY])
def test_a_wish_goes_before_the_source(info):
    assert OutputOptions(codec="flac", bit_depth=24).format_for(info) == StemFormat("flac", 24)
    assert OutputOptions(codec="wav", bit_depth=32).format_for(info) == StemFormat("wav", 32)
    assert OutputOptions(codec="mp3").format_for(info) == StemFormat("mp3", None)


@pytest.mark.parametrize(
    ("codec", "bits"), [("flac", None), ("flac", 16), ("flac", 24), ("wav", 32), ("opus", None)]
)
def test_possible_formats_pass(codec, bits):
    assert OutputOptions(codec=codec, bit_depth=bits).format_for(FLOAT).codec == codec


@pytest.mark.parametrize(
    ("codec", "bits", "message"),
    [
        ("mp3", 24, "mp3 has no bit depth, got 24; take --flac or --wav with it"),
        ("ogg", 16, "ogg has no bit depth"),
        ("opus", 32, "opus has no bit depth"),
        ("flac", 32, r"bit_depth of flac is 32, allowed are \(16, 24\)"),
        ("nonsense", None, "codec is 'nonsense', allowed are flac"),
        ("wav", 8, r"bit_depth of wav is 8, allowed are \(16, 24, 32\)"),
    ],
)
def test_impossible_formats_are_refused(codec, bits, message):
    with pytest.raises(ConfigError, match=message):
        OutputOptions(codec=codec, bit_depth=bits)


@pytest.fixture
def paths(tmp_path):
    return {stem: tmp_path / "song" / f"{stem}.flac" for stem in ("vocals", "accompaniment")}


def block(frames=100, channels=2, peak=0.5):
    rng = np.random.default_rng(0)
    mixture = rng.integers(-(2**14), 2**14, (channels, frames)) / np.float32(2**15)
    vocals = rng.uniform(-peak, peak, (channels, frames)).astype(np.float32)
    return Stems(mixture.astype(np.float32), vocals)


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def write_and_raise(paths, error):
    with StemFiles(paths, StemFormat(), source()) as files:
        files.write(block(1_000))
        raise error


def test_both_stems_appear_and_add_up_to_the_mixture(paths, tmp_path):
    stems = block()
    with StemFiles(paths, StemFormat(), source()) as files:
        files.write(stems)
        files.write(stems)
        assert not any(path.exists() for path in paths.values())
    read = {stem: soundfile.read(path, dtype="int16")[0].T for stem, path in paths.items()}
    expected = np.tile(np.rint(stems.mixture * 2**15), 2)
    np.testing.assert_array_equal(read["vocals"].astype(int) + read["accompaniment"], expected)
    assert files.frames == 200
    assert left_in(tmp_path) == ["accompaniment.flac", "vocals.flac"]


def test_clipped_and_limited_samples_are_counted(paths):
    mixture = np.array([[1.5, -1.5, 0.5, 0.0]], np.float32)
    vocals = np.array([[0.0, 0.0, -0.9, 0.0]], np.float32)
    with StemFiles(paths, StemFormat(), source(channels=1)) as files:
        files.write(Stems(mixture, vocals))
    assert files.counts.mixture_clipped_samples == 2
    # 0.5 + 0.9 does not fit: the vocals give way.
    assert files.counts.limited_samples == 1


def test_float_stems_are_written_as_they_are(tmp_path):
    paths = {stem: tmp_path / f"{stem}.wav" for stem in ("vocals", "accompaniment")}
    stems = block(peak=3.0)
    with StemFiles(paths, StemFormat("wav", 32), FLOAT) as files:
        files.write(stems)
    for stem, path in paths.items():
        written = soundfile.read(path, dtype="float32")[0].T
        np.testing.assert_array_equal(written, getattr(stems, stem))


def test_an_error_in_the_middle_leaves_nothing_behind(paths, tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_and_raise(paths, ZeroDivisionError)
    assert left_in(tmp_path) == []


def test_an_error_in_the_middle_keeps_the_stems_of_an_earlier_run(paths, tmp_path):
    with StemFiles(paths, StemFormat(), source()) as files:
        files.write(block())
    before = [path.read_bytes() for path in paths.values()]
    with pytest.raises(KeyboardInterrupt):
        write_and_raise(paths, KeyboardInterrupt)
    assert [path.read_bytes() for path in paths.values()] == before
    assert left_in(tmp_path) == ["accompaniment.flac", "vocals.flac"]


@pytest.mark.parametrize("bad", ["vocals", "accompaniment"])
def test_one_stem_that_cannot_be_published_takes_the_other_with_it(paths, tmp_path, bad):
    paths[bad].mkdir(parents=True)
    with (
        pytest.raises(AudioEncodeError, match=rf"{bad}\.flac: cannot be written: Is a directory"),
        StemFiles(paths, StemFormat(), source()) as files,
    ):
        files.write(block())
    assert left_in(tmp_path) == []


def test_one_stem_that_cannot_be_opened_takes_the_other_with_it(paths, tmp_path):
    paths["accompaniment"] = tmp_path / ("a" * 300) / "accompaniment.flac"
    with (
        pytest.raises(AudioEncodeError, match="File name too long"),
        StemFiles(paths, StemFormat(), source()),
    ):
        pass
    assert left_in(tmp_path) == []


def test_titles_tell_the_stem_and_other_tags_stay(paths):
    tags = {"title": "Song", "artist": "Somebody"}
    with StemFiles(paths, StemFormat(), source(tags=tags)) as files:
        files.write(block())
    for stem, path in paths.items():
        with soundfile.SoundFile(path) as file:
            assert (file.title, file.artist) == (f"Song ({stem})", "Somebody")


def test_without_a_title_none_is_made_up(paths):
    with StemFiles(paths, StemFormat(), source(tags={"artist": "Somebody"})) as files:
        files.write(block())
    with soundfile.SoundFile(paths["vocals"]) as file:
        assert (file.title, file.artist) == ("", "Somebody")


def test_temporary_files_of_a_killed_run_are_removed_after_a_day_and_no_others(tmp_path):
    old, young, other = (
        tmp_path / "album" / name
        for name in (".latentsep-1.tmp", ".latentsep-2.tmp", "vocals.flac")
    )
    old.parent.mkdir()
    for file in (old, young, other):
        file.write_bytes(b"x")
    two_days_ago_s = time.time() - 2 * 24 * 3600
    for file in (old, other):
        os.utime(file, (two_days_ago_s, two_days_ago_s))
    remove_stale(tmp_path)
    assert sorted(file.name for file in old.parent.iterdir()) == [young.name, other.name]


def test_what_looks_like_a_temporary_file_and_is_none_stays(tmp_path):
    (tmp_path / ".latentsep-folder.tmp").mkdir()
    (tmp_path / ".latentsep-link.tmp").symlink_to("nowhere")
    (tmp_path / ".latentsep-notes").write_bytes(b"x")
    before = sorted(tmp_path.iterdir())
    remove_stale(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_stems_of_an_earlier_run_survive_one_that_publishes_nothing(paths):
    with StemFiles(paths, StemFormat(), source()) as files:
        files.write(block())
    before = {stem: path.read_bytes() for stem, path in paths.items()}
    with pytest.raises(AudioEncodeError), StemFiles(paths, StemFormat(), source()):
        pass  # no frames: the first publication fails
    assert {stem: path.read_bytes() for stem, path in paths.items()} == before
