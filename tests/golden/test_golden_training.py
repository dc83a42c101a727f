import json

import pytest
from training_curve import EXPECTED_FILE, SteppedClock, trained_curve

from latentsep.models.folder import CARD_FILE, load_model
from latentsep.training import loop


@pytest.mark.timeout(600)
def test_a_training_from_songs_to_model_learns_what_it_did(tmp_path, monkeypatch):
    """Songs, mixing, loss, optimiser, average and validation at once; rounding may differ."""
    monkeypatch.setattr(loop, "time", SteppedClock())
    lines = trained_curve(tmp_path)
    expected = [json.loads(line) for line in EXPECTED_FILE.read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == [0, 20, 40, 50, 60]
    for line, wanted in zip(lines, expected, strict=True):
        assert line == pytest.approx(wanted, rel=0.02, abs=0.02)
    assert lines[-1]["validation_loss"] < lines[0]["validation_loss"]
    assert (tmp_path / "model/curve.png").read_bytes().startswith(b"\x89PNG")
    assert "(curve.png)" in (tmp_path / "model" / CARD_FILE).read_text("utf-8")
    assert load_model(tmp_path / "model").config.name == "tiny"
