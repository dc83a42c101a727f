import json

import numpy as np
import pytest
import soundfile
from tiny_models import noise_waveform


@pytest.fixture
def reference(tmp_path):
    """A song of one second with true stems."""
    for seed, stem in enumerate(("vocals", "drums")):
        folder = tmp_path / "song"
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / f"{stem}.wav", noise_waveform(seed, 8_000).T, 8_000)
    return folder


def test_a_table_holds_the_model_and_the_references(run, model_folder, reference):
    code, told, errors = run("evaluate", reference, "-n", model_folder, "--output", "json")
    assert (code, errors) == (0, "")
    tables = json.loads(told)
    systems = ["mixture", "REPET-SIM", "codec alone", model_folder.name]
    assert [row["system"] for row in tables["songs"]] == systems
    assert [row["system"] for row in tables["medians"]] == systems
    assert all(np.isfinite(row["vocals_sdr_db"]) for row in tables["songs"])


def test_the_text_table_has_a_line_for_each_score_and_median(run, model_folder, reference):
    code, told, errors = run("evaluate", reference.parent, "-n", model_folder)
    assert (code, errors) == (0, "")
    lines = told.splitlines()
    assert [line.split()[0] for line in lines] == 4 * ["song"] + 4 * ["median"]
    assert all("vocals SDR" in line for line in lines)


def test_a_folder_without_songs_is_one_line(run, model_folder, tmp_path):
    code, told, errors = run("evaluate", tmp_path, "-n", model_folder)
    assert (code, told) == (2, "")
    assert errors.startswith(f"Error: {tmp_path}: no song found")


def test_a_stem_that_cannot_be_read_is_one_line(run, model_folder, reference):
    (reference / "bass.wav").write_bytes(b"no audio")
    code, told, errors = run("evaluate", reference, "-n", model_folder)
    assert (code, told) == (1, "")
    assert errors.startswith(f"Error: {reference}/bass.wav: ")
    assert errors.count("\n") == 1
