import json
import os
import signal

import pytest
import soundfile
from tiny_models import tiny_model

from latentsep.cli import separate as separate_module
from latentsep.cli.options import model_label
from latentsep.models.folder import save_model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "nobody"], "unknown model 'nobody'"),
        (["--sampler", "nosuch"], "unknown sampler 'nosuch'; known: bridge, ddim"),
        (["--sampler", "ddim"], "'ddim' cannot sample objective 'bridge', a bridge; allowed are"),
        (["--warm-start", "0.5"], "objective 'bridge' starts at the mixture: leave it out"),
        (["--steps", "65"], "model 'tiny' can do 1..64 steps, got 65"),
        (["--segment", "400"], "300 s are allowed"),
        (["--draws", "2"], "take --draws 1, or more --steps"),
        (["--segment", "0.1"], "this model needs at least"),
        (["-d", "banana"], "device 'banana' cannot be used"),
        (["-d", "cuda:99"], "device 'cuda:99' cannot be used"),
        (["--mp3", "--int24"], "mp3 has no bit depth, got 24; take --flac or --wav with it"),
        (["--flac", "--float32"], "bit_depth of flac is 32, allowed are (16, 24)"),
        (["--filename", "{nope}/{stem}"], "--filename '{nope}/{stem}': allowed fields are {track}"),
        (["--filename", "{track}.{ext}"], "{stem} is missing"),
        (["--filename", "../{stem}.{ext}"], "leads out of"),
        (["-o", "song.wav"], "output folder song.wav cannot be written: it is a file"),
        (["empty"], "empty: no audio file found there"),
        (["gs://bucket/a"], "gs://bucket/a: of object stores only s3:// is supported"),
        (["s3://bucket/a"], "s3://bucket/a: a catalogue is one manifest or one s3:// prefix"),
        (["--workers", "2"], "--workers: only a catalogue has this option"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    run, model_folder, song, monkeypatch, arguments, message
):
    monkeypatch.chdir(song.parent)
    (song.parent / "empty").mkdir()
    code, told, errors = run("separate", "song.wav", "-n", model_folder, *arguments)
    assert (code, told) == (2, "")
    assert errors.startswith("Error: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert list(song.parent.rglob("*.flac")) == []


def test_a_catalogue_refuses_the_options_of_files(run, tmp_path):
    (tmp_path / "m.csv").write_text("track_id,uri\na,/a.wav\n")
    for option in (["--skip-existing"], ["--overwrite"], ["--filename", "{stem}"]):
        code, _, errors = run("separate", tmp_path / "m.csv", "-o", tmp_path / "out", *option)
        assert code == 2
        assert f"{option[0]}: a catalogue does not have this option" in errors
    assert not (tmp_path / "out").exists()


def test_stems_land_below_out_by_model_and_track(run, model_folder, song, tmp_path):
    code, told, errors = run("separate", song, "-n", model_folder, "-o", tmp_path / "out")
    assert (code, errors) == (0, "")
    track, summary = told.splitlines()
    assert track.startswith(f"{song} -> {tmp_path}/out/tiny/song  0:00 in ")
    assert summary.startswith("1 separated, 0 failed, 0 skipped, ")
    for stem in ("vocals", "accompaniment"):
        info = soundfile.info(tmp_path / f"out/tiny/song/{stem}.flac")
        assert (info.frames, info.samplerate, info.channels) == (4_000, 8_000, 2)


def test_the_json_summary_holds_results_and_rejects(run, model_folder, song, tmp_path):
    code, told, errors = run(
        "separate", song, "gone.wav", "-n", model_folder, "-o", tmp_path, "--output", "json"
    )
    assert (code, errors) == (1, "")
    summary = json.loads(told)
    assert summary["model"] == str(model_folder)
    (track,) = summary["tracks"]
    assert (track["source"], track["frames"], track["bit_depth"]) == (str(song), 4_000, 16)
    assert track["duration_s"] == 0.5
    assert summary["rejects"] == [
        {
            "source": "gone.wav",
            "stage": "load",
            "error_class": "AudioDecodeError",
            "message": "gone.wav: no such file",
            "retryable": False,
        }
    ]
    assert summary["peak_rss_bytes"] > 0


@pytest.mark.parametrize(("draws", "seconds"), [(1, None), (2, 1)])
def test_the_json_summary_tells_the_spread_of_the_draws_by_second(
    run, model_folder, song, tmp_path, draws, seconds
):
    dials = ["--steps", "2", "--draws", str(draws), "--output", "json"]
    code, told, _ = run("separate", song, "-n", model_folder, "-o", tmp_path, *dials)
    (track,) = json.loads(told)["tracks"]
    spread_db, by_second_db = track["draw_spread_db"], track["draw_spread_by_second_db"]
    assert code == 0
    if seconds is None:
        assert (spread_db, by_second_db) == (None, None)
    else:
        assert by_second_db == [pytest.approx(spread_db)] * seconds


def test_existing_stems_are_skipped_or_replaced_on_request_only(run, model_folder, song, tmp_path):
    arguments = ["separate", song, "-n", model_folder, "-o", tmp_path / "out"]
    assert "1 separated, 0 failed, 0 skipped" in run(*arguments)[1]
    code, told, errors = run(*arguments)
    assert (code, told) == (2, "")
    assert "1 of 1 tracks have stems already" in errors
    assert "1 separated, 0 failed, 0 skipped" in run(*arguments, "--overwrite")[1]
    assert "0 separated, 0 failed, 1 skipped" in run(*arguments, "--skip-existing")[1]
    (tmp_path / "out/tiny/song/vocals.flac").unlink()
    assert "1 separated, 0 failed, 0 skipped" in run(*arguments, "--skip-existing")[1]


def test_a_name_too_long_for_a_stem_fails_its_own_track_only(run, model_folder, song, tmp_path):
    long = song.with_name("a" * 251 + ".wav")
    long.write_bytes(song.read_bytes())
    code, told, errors = run(
        "separate", long, song, "-n", model_folder, "-o", tmp_path / "out", "--skip-existing",
        "--filename", "{track}-{stem}.{ext}",
    )  # fmt: skip
    assert code == 1
    assert "1 separated, 1 failed" in told
    assert errors.count("\n") == 1
    assert "File name too long" in errors


def test_an_unexpected_failure_names_its_track(run, model_folder, song, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr("latentsep.separation.separator.Separator.run", fail)
    code, _, errors = run("separate", song, "-n", model_folder, "-o", tmp_path / "out")
    assert code == 1
    assert errors == f"Error: {song}: unexpected RuntimeError: boom; -v shows where\n"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_model_loads_is_an_interruption(
    run, model_folder, song, tmp_path, monkeypatch, request, sent
):
    def interrupted(*_):
        os.kill(os.getpid(), sent)

    monkeypatch.setattr(separate_module, "_separator", interrupted)
    # A test run in the background inherits an ignored SIGINT.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, ignored))
    before = signal.getsignal(signal.SIGTERM)
    code, _, errors = run("separate", song, "-n", model_folder, "-o", tmp_path / "out")
    assert code == 75
    assert errors == ("Interrupted; run the same command with --skip-existing to go on.\n")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_model_folder_is_named_by_its_last_part_however_it_is_given(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.chdir(folder)
    names = {model_label(text) for text in (".", "../mine", "../mine/", str(folder))}
    assert names == {"mine"}
    assert model_label("default") == "default"


@pytest.mark.parametrize(
    "dials",
    [
        ["--no-refine"],
        ["--blend"],
        ["--refine", "--segment", "2"],
        ["--overlap", "0.7"],
        ["--steps", "2", "--draws", "2", "--seed", "3", "-d", "cpu", "--threads", "1"],
    ],
)
def test_the_dials_change_the_vocals_and_keep_the_sum(run, model_folder, song, tmp_path, dials):
    stems = []
    for name, arguments in {"plain": [], "dialled": dials}.items():
        out = tmp_path / name
        assert run("separate", song, "-n", model_folder, "-o", out, *arguments)[0] == 0
        paths = [out / f"tiny/song/{stem}.flac" for stem in ("vocals", "accompaniment")]
        stems.append([soundfile.read(path, dtype="int16")[0].astype(int) for path in paths])
    (vocals, rest), (dialled_vocals, dialled_rest) = stems
    assert (vocals + rest == dialled_vocals + dialled_rest).all()
    # A grid of chunks moves a local model's vocals by rounding only, which may not show.
    if {"--no-refine", "--blend"} & set(dials) or "--draws" in dials:
        assert (vocals != dialled_vocals).any()


def test_a_diffusion_model_takes_samplers_and_warm_starts(run, song, tmp_path):
    diffusion = {"objective": {"name": "v"}, "sampling": {"sampler": "ddim", "steps": 4}}
    save_model(tmp_path / "tiny", tiny_model(**diffusion), "# tiny\n")
    vocals = []
    for name, dials in {
        "own": [],
        "ddim": ["--sampler", "ddim"],
        "dpmpp_2m": ["--sampler", "dpmpp_2m"],
        "warm": ["--warm-start", "0.4"],
    }.items():
        out = tmp_path / name
        assert run("separate", song, "-n", tmp_path / "tiny", "-o", out, *dials)[::2] == (0, "")
        vocals.append(soundfile.read(out / "tiny/song/vocals.flac", dtype="int16")[0])
    own, same, *others = vocals
    assert (own == same).all()
    assert all((own != other).any() for other in others)
