"""The stems of a song are the same bytes whatever is separated with it, and whenever."""

import pytest
from command_line import STEMS, run_json

pytestmark = pytest.mark.integration
# More than one step, so that noise is drawn.
DRAWN = ("--threads", "1", "--steps", "2", "--seed", "7")
NAMES = ("one.wav", "two.flac", "three.ogg")


@pytest.fixture
def songs(write_song):
    lengths_s = (0.6, 3.0, 1.1)
    return [
        write_song(f"music/{name}", seconds, seed=seed)
        for seed, (name, seconds) in enumerate(zip(NAMES, lengths_s, strict=True))
    ]


def stems_of(folder, track):
    return [(folder / f"tiny/{track}/{stem}.flac").read_bytes() for stem in STEMS]


def test_companions_order_and_repetition_change_no_byte(songs, model, tmp_path):
    runs = {
        "folder": (tmp_path / "music",),
        "again": (tmp_path / "music",),
        "backwards": tuple(reversed(songs)),
        "alone": (songs[1],),
    }
    for out, inputs in runs.items():
        run_json(*inputs, "-o", tmp_path / out, "-n", model, *DRAWN)
    for track in ("one", "two", "three"):
        expected = stems_of(tmp_path / "folder", track)
        assert stems_of(tmp_path / "again", track) == expected
        assert stems_of(tmp_path / "backwards", track) == expected
    assert stems_of(tmp_path / "alone", "two") == stems_of(tmp_path / "folder", "two")


def test_another_seed_draws_other_stems(songs, model, tmp_path):
    run_json(songs[0], "-o", tmp_path / "seven", "-n", model, *DRAWN)
    run_json(songs[0], "-o", tmp_path / "eight", "-n", model, *DRAWN, "--seed", "8")
    assert stems_of(tmp_path / "seven", "one") != stems_of(tmp_path / "eight", "one")
