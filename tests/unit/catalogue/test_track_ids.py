import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from latentsep.catalogue.track_ids import (
    MAX_TRACK_ID_BYTES,
    check_track_id,
    fan_out,
    fold_track_id,
    stem_key,
    track_id_of,
)
from latentsep.storage import check_key


@pytest.mark.parametrize(
    "track_id",
    [
        "a",
        "007",
        "Song (live)",
        "Ænima",
        "歌",
        "a.b",
        "x...",
        "-1",
        "e\u0301",
        "x" * MAX_TRACK_ID_BYTES,
    ],
)
def test_usual_names_are_ids(track_id):
    assert check_track_id(track_id) is None


@pytest.mark.parametrize(
    ("track_id", "objection"),
    [
        ("", "empty"), (".", "dot"), ("..", "dot"), (".latentsep-lock", "dot"), (".hidden", "dot"),
        ("a/b", "slash"), ("../x", "dot"), ("/etc", "slash"), ("a\\b", "backslash"),
        ("a\nb", "line end"), ("a\0b", "control"), ("a\u2028b", "line end"), ("\ud800", "control"),
        (" a", "space"), ("a ", "space"), ("a\u00a0", "space"),
        ("x" * (MAX_TRACK_ID_BYTES + 1), "201 bytes"), ("歌" * 67, "201 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_part_of_a_path_is_no_id(track_id, objection):
    assert objection in check_track_id(track_id)


@given(track_id=st.text())
def test_every_id_gives_a_key_of_five_parts_that_stores_take(track_id):
    assume(check_track_id(track_id) is None)
    key = check_key(stem_key(track_id, "0123456789ab", "accompaniment", ".flac"))
    assert key.split("/")[2] == track_id
    assert len(key.split("/")) == 5


def test_stems_of_a_track_lie_by_fan_out_id_and_attempt():
    key = f"stems/{fan_out('song')}/song/7/vocals.flac"
    assert stem_key("song", "7", "vocals", ".flac") == key
    assert stem_key("song", "7", "vocals", "flac") == key


def test_ids_spread_over_256_folders():
    folders = {fan_out(str(number)) for number in range(5_000)}
    assert folders == {f"{number:02x}" for number in range(256)}


def test_an_id_depends_on_the_uri_alone_and_stays_for_ever():
    assert track_id_of("s3://music/a.wav") == "b2bf6d931de77be86a4fc0272ebdf381"
    assert track_id_of("s3://music/b.wav") != track_id_of("s3://music/a.wav")


@given(uri=st.text(st.characters(codec="utf-8")))
def test_an_id_that_was_made_is_a_good_one(uri):
    assert check_track_id(track_id_of(uri)) is None


@given(text=st.text())
def test_case_and_composition_of_letters_fold_away(text):
    assume(all(unicodedata.category(character) != "Cs" for character in text))
    folded = fold_track_id(text)
    assert fold_track_id(unicodedata.normalize("NFD", text)) == folded
    assert fold_track_id(folded) == folded


def test_names_that_a_disk_may_take_for_one_fold_to_one():
    assert fold_track_id("SONG") == fold_track_id("song")
    assert fold_track_id("Cafe\u0301") == fold_track_id("CAFÉ")
    assert fold_track_id("a") != fold_track_id("b")
