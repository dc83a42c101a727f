import json

import numpy as np
import pyarrow.csv
import pytest
import soundfile
from tiny_models import noise_waveform

from latentsep.evaluation.scoring import metric_names

REFERENCES = ["mixture", "centre", "REPET-SIM", "ideal mask"]


@pytest.fixture
def reference(tmp_path):
    """A song of two seconds with true stems."""
    for seed, stem in enumerate(("vocals", "drums")):
        folder = tmp_path / "song"
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / f"{stem}.wav", noise_waveform(seed, 16_000).T, 8_000)
    return folder


def test_a_document_holds_the_model_and_the_references(run, model_folder, reference):
    code, told, errors = run("evaluate", reference, "-n", model_folder, "--output", "json")
    assert (code, errors) == (0, "")
    document = json.loads(told)
    systems = [*REFERENCES, "codec alone", model_folder.name]
    assert document["options"] == {"excerpt_s": 30, "bsseval": "fast"}
    assert [row["system"] for row in document["songs"]] == systems
    assert [row["system"] for row in document["medians"]] == systems
    assert all(np.isfinite(row["vocals_sdr_db"]) for row in document["songs"])
    for row in document["medians"]:
        assert list(row["medians"]) == metric_names()
        median = row["medians"]["vocals_bss_sdr_db"]
        assert (median["songs"], median["undefined"], median["low"]) == (1, 0, None)
        # Noise is never silent.
        assert row["medians"]["vocals_in_silence_db"]["undefined"] == 1
        assert row["realtime_factor"] is None or row["realtime_factor"] > 0


def test_the_text_has_a_table_for_each_stem_and_kind_of_score(run, model_folder, reference):
    code, told, errors = run("evaluate", reference.parent, "-n", model_folder)
    assert (code, errors) == (0, "")
    tables = told.split("\n\n")
    assert [table.splitlines()[0] for table in tables] == [
        "Medians of 1 songs [95 % interval]; in dB, but MR-STFT.",
        "vocals, BSSEval v4, 1-s frames of excerpts of 30 s",
        "vocals, whole songs",
        "accompaniment, BSSEval v4, 1-s frames of excerpts of 30 s",
        "accompaniment, whole songs",
        "speed, in one process of 1 threads",
    ]
    rows = [line.split()[0] for line in tables[1].splitlines()[2:]]
    assert rows == ["mixture", "centre", "REPET-SIM", "ideal", "codec", model_folder.name]
    assert tables[2].splitlines()[1].split() == ["SDR", "SI-SDR", "MR-STFT", "in", "silence"]
    assert all(line.endswith("  -") for line in tables[2].splitlines()[2:])


def test_each_variant_has_a_row_and_the_other_options_hold_for_all(run, model_folder, reference):
    code, told, _ = run(
        *("evaluate", reference, "-n", model_folder, "--output", "json", "--no-refine"),
        *("--variant", "", "--variant", "steps=3", "--variant", "steps=3,refinement=mask"),
    )
    assert code == 0
    rows = json.loads(told)["songs"][len(REFERENCES) + 1 :]
    name = model_folder.name
    assert [row["system"] for row in rows] == [
        *(name, f"{name} steps=3", f"{name} steps=3,refinement=mask"),
    ]
    assert len({row["vocals_sdr_db"] for row in rows}) == 3
    _, told, _ = run("evaluate", reference, "-n", model_folder, "--no-refine", "--output", "json")
    assert json.loads(told)["songs"][-1] == rows[0]


def test_scores_of_every_song_go_to_a_table(run, model_folder, reference, tmp_path):
    file = tmp_path / "scores.csv"
    code, _, errors = run("evaluate", reference, "-n", model_folder, "--scores", file)
    assert (code, errors) == (0, "")
    table = pyarrow.csv.read_csv(file)
    assert table["song"].to_pylist() == ["song"] * 6
    assert set(metric_names()) < set(table.column_names)


def test_whole_songs_and_museval_are_asked_for(run, model_folder, reference):
    arguments = ("evaluate", reference, "-n", model_folder, "--output", "json", "--excerpt", "0")
    documents = [json.loads(run(*arguments, "--bsseval", kind)[1]) for kind in ("fast", "museval")]
    assert documents[0]["options"] == {"excerpt_s": None, "bsseval": "fast"}
    fast, museval = (document["songs"][-1] for document in documents)
    for name in metric_names():
        assert fast[name] == pytest.approx(museval[name], abs=1e-3)


def test_a_mixture_that_is_not_the_sum_is_told_of(run, model_folder, reference):
    soundfile.write(reference / "mixture.wav", noise_waveform(5, 16_000).T, 8_000)
    code, told, errors = run("evaluate", reference, "-n", model_folder, "--output", "json")
    assert code == 0
    assert errors.startswith("song: its mixture is not the sum of its stems, they differ by 4.")
    assert json.loads(told)["songs"][0]["mixture_error_db"] == pytest.approx(4.8, abs=0.3)


def test_a_folder_without_songs_is_one_line(run, model_folder, tmp_path):
    code, told, errors = run("evaluate", tmp_path, "-n", model_folder)
    assert (code, told) == (2, "")
    assert errors.startswith(f"Error: {tmp_path}: no song found")


def test_nothing_to_score_is_one_line(run, model_folder):
    code, told, errors = run("evaluate", "-n", model_folder)
    assert (code, told) == (2, "")
    assert "--generated" in errors


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("--variant", "colour=red", "colour"),
        ("--scores", "scores.xlsx", "scores.xlsx"),
        ("--baseline", "nosuch", "nosuch/mask_unet.yaml"),
    ],
)
def test_a_wrong_option_is_one_line_before_any_work(
    run, model_folder, reference, option, value, part
):
    code, told, errors = run("evaluate", reference, "-n", model_folder, option, value)
    assert (code != 0, told) == (True, "")
    assert part in errors
    assert errors.count("\n") == 1


def test_a_stem_that_cannot_be_read_is_one_line(run, model_folder, reference):
    (reference / "bass.wav").write_bytes(b"no audio")
    code, told, errors = run("evaluate", reference, "-n", model_folder)
    assert (code, told) == (1, "")
    assert errors.startswith(f"Error: {reference}/bass.wav: ")
    assert errors.count("\n") == 1
