import json
import math

import pytest
from tiny_models import tiny_model

from latentsep.errors import ConfigError, ModelError
from latentsep.evaluation.card_scores import COLUMNS, complete_card, with_section
from latentsep.models.folder import CARD_FILE, read_model_file, save_model

CARD = "# tiny\n\nSmall.\n\n## Quality\n\nNot measured yet.\n\n## Failure modes\n\n- many\n"


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "tiny", tiny_model(), CARD)
    return tmp_path / "tiny"


def _medians(value, **changes):
    median = {"median": value, "low": value - 1, "high": value + 1, "songs": 2, "undefined": 0}
    return {name: {**median, **changes} for name in COLUMNS.values()}


def _row(system, value, factor=None, **changes):
    medians = _medians(value, **changes)
    return {"system": system, "medians": medians, "realtime_factor": factor}


def _write(file, folder, songs=("one", "two"), **changes):
    digest = read_model_file(folder).weights.sha256
    document = {
        "version": "1.0",
        "options": {"excerpt_s": 30, "bsseval": "fast"},
        "threads": 2,
        "models": [
            {"system": f"tiny steps={n}", "sha256": digest, "steps": n, "options": {}}
            for n in (16, 2)
        ],
        "songs": [{"song": song, "system": "mixture"} for song in songs],
        "medians": [
            _row("mixture", -2.0),
            _row("tiny steps=16", 3.0, 10.0),
            _row("tiny steps=2", 4.0, 55.55),
        ],
        **changes,
    }
    file.write_text(json.dumps(document), "utf-8")
    return file


def _rows(text):
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_a_card_gets_its_scores_in_the_place_of_the_section_that_it_has(folder, tmp_path):
    scores = _write(tmp_path / "scores.json", folder)
    card = complete_card(str(folder), [scores], "on a laptop, today")
    assert card == folder / CARD_FILE
    text = card.read_text("utf-8")
    assert text.startswith("# tiny\n\nSmall.\n\n## Quality\n\nMedians of 2 songs: one, two, ")
    assert text.endswith("on a laptop, today\n\n## Failure modes\n\n- many\n")
    assert "Not measured" not in text
    head, line, mixture, *_ = _rows(text)
    assert head == f"|  | {' | '.join(COLUMNS)} |"
    assert line.count("---") == len(COLUMNS) + 1
    assert mixture == "| mixture |" + " -2.00 [-3.00, -1.00] |" * len(COLUMNS)
    assert "excerpts of 30 s" in text


def test_the_models_own_rows_come_again_by_steps_with_their_speed(folder, tmp_path):
    scores = _write(tmp_path / "scores.json", folder)
    text = complete_card(str(folder), [scores], "").read_text("utf-8")
    *_, few, many = _rows(text)
    assert few.startswith("| 2 | tiny steps=2 | 4.00 [3.00, 5.00] |")
    assert few.endswith(("| 55.5x |", "| 55.6x |"))
    assert many.startswith("| 16 | tiny steps=16 | 3.00")
    assert "2 threads" in text


def test_completing_a_card_twice_is_completing_it_once(folder, tmp_path):
    scores = _write(tmp_path / "scores.json", folder)
    first = complete_card(str(folder), [scores], "note").read_text("utf-8")
    assert complete_card(str(folder), [scores], "note").read_text("utf-8") == first


def test_several_files_come_one_after_another(folder, tmp_path):
    scores = [
        _write(tmp_path / f"{name}.json", folder, songs=(name,)) for name in ("real", "generated")
    ]
    text = complete_card(str(folder), scores, "").read_text("utf-8")
    assert text.index("1 songs: real") < text.index("1 songs: generated")


def test_many_songs_are_counted_and_not_named(folder, tmp_path):
    songs = [f"song {number}" for number in range(50)]
    scores = _write(tmp_path / "scores.json", folder, songs=songs)
    text = complete_card(str(folder), [scores], "").read_text("utf-8")
    assert "Medians of 50 songs, with" in text
    assert "song 7" not in text


def test_what_is_undefined_is_said(folder, tmp_path):
    none = _row("nothing", 0.0, median=None, low=None, high=None, songs=0, undefined=2)
    fewer = _row("tiny steps=2", 1.0, low=None, high=None, songs=1, undefined=1)
    digest = read_model_file(folder).weights.sha256
    models = [{"system": "tiny steps=2", "sha256": digest, "steps": 2, "options": {}}]
    scores = _write(tmp_path / "s.json", folder, medians=[none, fewer], models=models)
    text = complete_card(str(folder), [scores], "").read_text("utf-8")
    assert "| nothing |" + " - |" * len(COLUMNS) in text
    assert "| tiny steps=2 |" + " 1.00 of 1 |" * len(COLUMNS) in text


def test_a_card_without_the_section_gets_it_at_its_end():
    assert with_section("# a\n\n## Data\n\n- b\n", "Quality", "c") == (
        "# a\n\n## Data\n\n- b\n\n## Quality\n\nc\n"
    )


def test_scores_of_other_weights_are_refused_and_the_card_stays(folder, tmp_path):
    models = [{"system": "mixture", "sha256": "0" * 64, "steps": 1, "options": {}}]
    scores = _write(tmp_path / "scores.json", folder, models=models)
    with pytest.raises(ConfigError, match=r"scores\.json has no scores of these weights"):
        complete_card(str(folder), [scores], "")
    assert (folder / CARD_FILE).read_text("utf-8") == CARD


@pytest.mark.parametrize("missing", ["models", "medians", "options"])
def test_a_document_of_another_shape_is_refused_by_place(folder, tmp_path, missing):
    scores = _write(tmp_path / "scores.json", folder, **{missing: "none"})
    with pytest.raises(ConfigError, match=rf"scores\.json .*this version: {missing}: "):
        complete_card(str(folder), [scores], "")


def test_a_document_that_lacks_a_row_or_a_metric_is_refused(folder, tmp_path):
    scores = _write(tmp_path / "scores.json", folder, medians=[_row("mixture", 0.0)])
    with pytest.raises(ConfigError, match="no medians of 'tiny steps=16', 'tiny steps=2'"):
        complete_card(str(folder), [scores], "")
    bare = [{"system": "mixture", "medians": {}, "realtime_factor": None}]
    scores = _write(tmp_path / "scores.json", folder, medians=bare)
    with pytest.raises(ConfigError, match="vocals_sdr_db"):
        complete_card(str(folder), [scores], "")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"songs": []}', f"{math.pi}"])
def test_a_file_that_is_no_document_is_refused_by_name(folder, tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ConfigError, match=r"other\.json"):
        complete_card(str(folder), [tmp_path / "other.json"], "")


def test_a_model_without_a_card_and_a_model_that_is_none_are_refused(folder, tmp_path):
    scores = _write(tmp_path / "scores.json", folder)
    (folder / CARD_FILE).unlink()
    with pytest.raises(ConfigError, match=f"{CARD_FILE} cannot be completed"):
        complete_card(str(folder), [scores], "")
    with pytest.raises(ModelError, match="unknown model"):
        complete_card("nosuch", [scores], "")
