"""Whole rich songs over stand-ins of the programs; tests/integration has the programs."""

import sys
from pathlib import Path

import numpy as np
import pytest

from latentsep.errors import ConfigError
from latentsep.training.rich_songs import generate_song, require_tools, tools
from latentsep.training.rich_songs.song import VOCALS_DB

STAND_IN = Path(__file__).with_name("stand_in_tools.py")
RATE_HZ = 44_100
DURATION_S = 4.0
SEEDS = (0, 4, 8, 10, 27)
"""Between them: harmonies, doubles, a duet, calls, both kinds of choir, whisper, speech."""


def _install_stand_ins(folder):
    """Executables that run the stand-in by the names of the programs."""
    for program in tools.PROGRAMS:
        (folder / program).write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
        (folder / program).chmod(0o755)
    return folder


def _use(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    font = folder / "font.sf2"
    font.touch()
    monkeypatch.setattr(tools, "SOUNDFONTS", (font,))


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """A PATH with nothing but stand-ins, and a soundfont of no bytes."""
    _use(_install_stand_ins(tmp_path), monkeypatch)
    return tmp_path


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Songs of ``DURATION_S`` by their seeds."""
    folder = _install_stand_ins(tmp_path_factory.mktemp("bin"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        _use(folder, monkeypatch)
        return {seed: _song(seed) for seed in SEEDS}


def _song(seed, duration_s=DURATION_S, sample_rate_hz=RATE_HZ):
    return generate_song(np.random.default_rng(seed), duration_s, sample_rate_hz)


def test_any_song_has_two_finite_stems_of_its_length(songs):
    for song in songs.values():
        for stem in (song.vocals, song.accompaniment):
            assert stem.shape == (2, round(DURATION_S * RATE_HZ))
            assert stem.dtype == np.float32
            assert np.isfinite(stem).all()
        assert np.any(song.accompaniment)
        assert np.max(np.abs(song.mixture)) < 1


@pytest.mark.usefixtures("stand_ins")
def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_song(songs):
    again = _song(8)
    assert again.vocals.tobytes() == songs[8].vocals.tobytes()
    assert again.accompaniment.tobytes() == songs[8].accompaniment.tobytes()
    assert not np.array_equal(songs[8].mixture, songs[10].mixture)


@pytest.mark.parametrize("duration_s", [0.02, 0.5])
@pytest.mark.usefixtures("stand_ins")
def test_a_song_may_be_too_short_for_a_note(duration_s):
    song = _song(3, duration_s)
    assert song.mixture.shape == (2, round(duration_s * RATE_HZ))
    assert np.isfinite(song.mixture).all()


@pytest.mark.usefixtures("stand_ins")
def test_a_song_has_the_rate_that_is_asked_for():
    song = _song(5, 2.0, 16_000)
    assert song.vocals.shape == song.accompaniment.shape == (2, 2 * 16_000)
    assert np.max(np.abs(song.mixture)) <= 1


def test_vocals_stand_out_of_the_accompaniment_or_drown_but_not_altogether(songs):
    ratios_db = []
    for song in songs.values():
        vocals, accompaniment = (
            float(np.mean(np.square(stem, dtype=np.float64)))
            for stem in (song.vocals, song.accompaniment)
        )
        # A singer may rest throughout an excerpt as short as this.
        if vocals > 0:
            ratios_db.append(10 * np.log10(vocals / accompaniment))
    assert len(ratios_db) >= 3
    # Rests lower the mean over the whole stem.
    assert VOCALS_DB[0] - 12 < np.median(ratios_db) < VOCALS_DB[1] + 6


@pytest.mark.parametrize("program", tools.PROGRAMS)
def test_a_missing_program_is_named_with_the_command_that_installs_it(stand_ins, program):
    (stand_ins / program).unlink()
    with pytest.raises(ConfigError, match=program) as refusal:
        _song(0)
    assert tools.INSTALL_COMMAND in str(refusal.value)


@pytest.mark.usefixtures("stand_ins")
def test_a_missing_soundfont_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tools, "SOUNDFONTS", (tmp_path / "FluidR3_GM.sf2",))
    with pytest.raises(ConfigError, match=r"FluidR3_GM\.sf2"):
        require_tools()
    with pytest.raises(ConfigError, match=r"FluidR3_GM\.sf2"):
        tools.soundfont()


def test_what_a_failing_program_said_is_told(tmp_path, monkeypatch):
    program = tmp_path / "fluidsynth"
    program.write_text("#!/bin/sh\necho no such voice >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ConfigError, match="status 3: no such voice"):
        tools.run_tool("fluidsynth", [])


def test_a_program_that_hangs_is_ended(tmp_path, monkeypatch):
    program = tmp_path / "fluidsynth"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(tools, "RUN_LIMIT_S", 0.2)
    with pytest.raises(ConfigError, match=r"fluidsynth was not done after 0\.2 s"):
        tools.run_tool("fluidsynth", [])


def test_a_program_that_is_not_there_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="espeak-ng, which is not installed"):
        tools.run_tool("espeak-ng", [])
