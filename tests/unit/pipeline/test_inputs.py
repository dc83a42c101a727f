import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentsep.errors import ConfigError
from latentsep.pipeline.inputs import AUDIO_EXTENSIONS, InputFile, expand_inputs, plan_outputs

TEMPLATE = "{model}/{track}/{stem}.{ext}"


@pytest.fixture
def music(tmp_path, monkeypatch):
    """An empty folder to fill; the working folder beside it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


def touch(folder, *names):
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def found(*inputs, out="out"):
    return [str(file.relative) for file in expand_inputs([str(i) for i in inputs], own=[Path(out)])]


def plan(files, out="out", template=TEMPLATE):
    return plan_outputs(files, Path(out), template, "m", "flac")


def track_folders(*inputs, out="out"):
    planned = plan(expand_inputs([str(i) for i in inputs], own=[Path(out)]), out)
    return [str(track.stems["vocals"].parent.relative_to(Path(out, "m"))) for track in planned]


def test_a_folder_gives_its_audio_files_and_those_of_its_folders_sorted(music):
    touch(music, "b.wav", "a/x.FLAC", "a/deep/er/y.mp3", "cover.jpg", "notes.txt", "no_extension")
    assert found(music) == ["a/deep/er/y.mp3", "a/x.FLAC", "b.wav"]


def test_hidden_files_and_folders_are_left_out_of_a_folder(music):
    touch(music, "a.wav", "._a.wav", ".hidden.wav", ".Trash/b.wav")
    assert found(music) == ["a.wav"]


def test_a_hidden_file_named_by_the_user_is_taken(music):
    (hidden,) = touch(music, ".hidden.wav")
    assert found(hidden) == [".hidden.wav"]


def test_a_folder_that_looks_like_a_file_is_searched(music):
    touch(music, "x.wav/inner.wav", "y.wav")
    assert found(music) == ["x.wav/inner.wav", "y.wav"]


def test_a_dangling_link_is_found_so_that_its_failure_can_be_told(music):
    (music / "gone.wav").symlink_to(music / "nowhere.wav")
    assert found(music) == ["gone.wav"]


@pytest.mark.parametrize("place", ["stems", "deep/stems", "../music/stems", "link"])
def test_stems_of_an_earlier_run_inside_the_input_folder_are_left_out(music, place):
    touch(music, "a.wav", "stems/m/a/vocals.flac", "deep/stems/m/a/vocals.flac", "real/v.flac")
    (music / "link").symlink_to("real")
    left = found(music, out=music / place)
    names = {"stems": "stems/m/a/vocals.flac", "deep/stems": "deep/stems/m/a/vocals.flac"}
    names |= {"../music/stems": names["stems"], "link": "real/v.flac"}
    assert "a.wav" in left
    assert names[place] not in left


@pytest.mark.parametrize("out", ["music", "."])
def test_an_output_folder_around_the_input_hides_nothing(music, out):
    touch(music, "a.wav", "deep/b.wav")
    assert found(music, out=out) == ["a.wav", "deep/b.wav"]


def test_patterns_find_files_and_folders(music):
    touch(music, "a.wav", "b.mp3", "deep/c.wav", "deep/d.wav")
    assert found("music/*.wav") == ["a.wav"]
    assert found("music/**/*.wav") == ["a.wav", "deep/c.wav", "deep/d.wav"]
    assert found(f"{music}/d*") == ["deep/c.wav", "deep/d.wav"]


def test_a_pattern_leaves_out_the_stems_around_which_it_matches(music):
    touch(music, "a.wav", "stems/m/a/vocals.wav")
    assert found("music/**/*.wav", out="music/stems") == ["a.wav"]
    assert found("**/*.wav", out="music/stems") == ["music/a.wav"]
    assert found("music/stems/**/*.wav", out="music/stems") == ["m/a/vocals.wav"]


def test_brackets_in_the_name_of_a_real_file_are_no_pattern(music):
    (file,) = touch(music, "song [live].wav")
    assert found(file) == ["song [live].wav"]


def test_each_file_counts_once_however_it_is_named(music):
    (file,) = touch(music, "a.wav")
    touch(music, "deep/b.wav")
    ways = [file, "music/a.wav", "./music/../music/a.wav", "music/*.wav", f"file://{file}"]
    assert found(*ways) == ["a.wav"]
    assert found(file, music) == ["a.wav", "deep/b.wav"]


def test_a_link_to_a_file_is_a_track_of_its_own(music):
    (file,) = touch(music, "a.wav")
    (music / "b.wav").symlink_to(file)
    assert found(music) == ["a.wav", "b.wav"]


def test_a_folder_through_a_link_holds_the_same_files(music):
    touch(music, "a.wav")
    (music.parent / "link").symlink_to(music)
    assert found(music, "link") == ["a.wav"]


@pytest.mark.parametrize(
    "name", ["gone.wav", "gone/a.wav", "a" * 300 + ".wav", "a.wav/b.wav", "-x.wav"]
)
def test_what_is_not_there_is_left_for_the_decoder_to_tell(music, name):
    touch(music, "a.wav")
    assert found(music / name) == [Path(name).name]


def test_an_empty_folder_is_an_error(music):
    touch(music, "notes.txt")
    with pytest.raises(ConfigError, match=r"music: no audio file found there"):
        found(music)


def test_a_pattern_without_a_match_is_an_error(music):
    with pytest.raises(ConfigError, match=r"music/\*\.wav: no audio file found there"):
        found("music/*.wav")


@pytest.mark.parametrize("text", ["gs://bucket/songs/", "ray://x", "http://host/a.wav"])
def test_other_object_stores_are_refused_with_what_is_allowed(text):
    with pytest.raises(ConfigError, match="only s3:// is supported, as one catalogue"):
        found(text)


def test_a_folder_that_cannot_be_listed_is_an_error_not_a_silence(music, monkeypatch):
    touch(music, "a.wav", "closed/b.wav")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(ConfigError, match=r"closed cannot be listed: Permission denied"):
        found(music)


def test_extensions_are_lower_case_with_a_dot():
    assert {e for e in AUDIO_EXTENSIONS if e != e.lower() or e[0] != "."} == set()


def test_a_track_is_named_by_its_base_name(music):
    touch(music, "a.wav", "deep/b.c.mp3")
    assert track_folders(music) == ["a", "b.c"]


def test_equal_base_names_are_told_apart_by_their_folders(music):
    touch(music, "a/01.mp3", "b/01.mp3", "b/02.mp3")
    assert track_folders(music) == ["a/01", "b/01", "02"]


def test_equal_base_names_in_one_folder_are_told_apart_by_their_extensions(music):
    touch(music, "x.wav", "x.flac")
    assert track_folders(music) == ["x.flac", "x.wav"]


def test_equal_paths_below_two_folders_are_told_apart_below_what_they_share(music):
    touch(music, "a/01.mp3", "b/01.mp3")
    expected = ["a/01.mp3", "b/01.mp3"]
    assert track_folders("music/a", "music/../music/b") == expected


def test_names_that_differ_in_case_or_composition_only_do_not_meet(music):
    touch(music, "Song.wav", "song.wav", "e\u0301.wav", "\u00e9.wav")
    folders = track_folders(music)
    assert len({folder.casefold() for folder in folders}) == 4
    assert sum(folder.endswith(" (2)") for folder in folders) == 2


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("..wav", "..wav"),
        ("...wav", "...wav"),
        ("-x.wav", "-x"),
        ("quote'\".wav", "quote'\""),
        ("line\nend.wav", "line\nend"),
        ("{stem}.wav", "{stem}"),
        ("日本語 ñ.wav", "日本語 ñ"),
        ("caf\udce9.wav", "caf\udce9"),
        ("a" * 251 + ".wav", "a" * 251),
        ("back\\slash.wav", "back\\slash"),
    ],
)
def test_odd_names_become_folders_of_the_same_name(music, name, folder):
    (file,) = touch(music, name)
    assert track_folders(file) == [folder]


def test_template_fields_are_filled_in(music):
    touch(music, "deep/a.wav")
    files = expand_inputs([str(music)], own=[Path("out")])
    (track,) = plan(files, template="{dir}-{track}_{stem}.{model}.{ext}")
    assert track.source == music / "deep/a.wav"
    assert {stem: str(path) for stem, path in track.stems.items()} == {
        "vocals": "out/deep-a_vocals.m.flac",
        "accompaniment": "out/deep-a_accompaniment.m.flac",
    }


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{trak}/{stem}.{ext}", r"allowed fields are \{track\}, \{stem\}"),
        ("{track}/{stem", "allowed fields are"),
        ("{track}/{stem}}.{ext}", "allowed fields are"),
        ("{stem.__class__}", "allowed fields are"),
        ("{}/{stem}", "allowed fields are"),
        ("{track}.{ext}", r"\{stem\} is missing, both stems would share one file"),
        ("../{track}/{stem}.{ext}", "leads out of out; give a relative path"),
        ("{track}/../../{stem}", "leads out of out"),
        ("/tmp/{track}/{stem}.{ext}", "leads out of out"),
    ],
)
def test_bad_templates_are_refused(template, message):
    with pytest.raises(ConfigError, match=message):
        plan([InputFile(Path("a.wav"), PurePosixPath("a.wav"))], template=template)


def test_a_template_that_lets_two_tracks_meet_is_refused(music):
    touch(music, "a.wav", "b.wav")
    files = expand_inputs([str(music)], own=[Path("out")])
    with pytest.raises(
        ConfigError, match=r"2 stems need another place, .*a\.wav and .*b\.wav would share out/voc"
    ):
        plan(files, template="{stem}.{ext}")


def test_an_output_that_would_replace_an_input_is_refused(music):
    touch(music, "a.wav", "vocals.flac", "m/a/Vocals.FLAC")
    files = expand_inputs([str(music)], own=[music / "stems"])
    with pytest.raises(ConfigError, match=r"music/m/a/vocals\.flac would replace an input"):
        plan(files, out="music")


@given(
    st.sets(
        st.lists(
            st.text("aAbé .-{}'\n\u0301", min_size=1, max_size=3)
            .map(lambda part: part + "x")
            .filter(lambda part: not part.startswith(".")),
            min_size=1,
            max_size=3,
        ).map("/".join),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.sampled_from([".wav", ".flac", ".x.wav", ".WAV"]), min_size=12, max_size=12),
)
def test_no_two_stems_share_a_path_and_all_lie_below_out(stems, extensions):
    paths = sorted({stem + ext for stem, ext in zip(sorted(stems), extensions, strict=False)})
    files = [InputFile(Path("/music", path), PurePosixPath(path)) for path in paths]
    planned = plan(files, out="/elsewhere")
    assert [track.source for track in planned] == [file.path for file in files]
    places = [path for track in planned for path in track.stems.values()]
    assert len({str(path).casefold() for path in places}) == 2 * len(files)
    for path in places:
        assert Path(os.path.normpath(path)).is_relative_to("/elsewhere/m")
