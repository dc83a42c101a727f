import logging
import sys

import numpy as np
import pytest

from latentsep.training import curve_picture
from latentsep.training.curve import Curve
from latentsep.training.curve_picture import draw_curve, smoothed


def _trained(step, loss=0.5):
    return {"step": step, "elapsed_s": step / 10, "loss": loss, "learning_rate": 1e-3}


def _validated(step):
    return {
        "step": step, "elapsed_s": step / 10, "validation_loss": 0.4, "si_sdr_mean_db": 3.0,
    }  # fmt: skip


@pytest.fixture
def curve(tmp_path):
    curve = Curve(tmp_path / "curve.jsonl")
    for step in (50, 100, 150):
        curve.append(_trained(step))
        curve.append(_validated(step))
    return curve


def test_lines_come_back_and_what_is_not_finite_is_null(tmp_path):
    curve = Curve(tmp_path / "curve.jsonl")
    curve.append({"step": 1, "loss": float("nan")})
    curve.append({"step": 2, "loss": float("-inf")})
    assert curve.lines() == [{"step": 1, "loss": None}, {"step": 2, "loss": None}]
    assert "NaN" not in curve.file.read_text("utf-8")


def test_a_curve_is_cut_after_a_step(curve):
    curve.cut(100)
    assert [line["step"] for line in curve.lines()] == [50, 50, 100, 100]


def test_a_last_line_that_was_cut_off_is_forgotten(curve):
    with curve.file.open("a", encoding="utf-8") as file:
        file.write('{"step": 200, "lo')
    assert len(curve.lines()) == 6
    curve.cut(150)
    assert curve.file.read_text("utf-8").endswith("}\n")


def test_only_a_validation_counts_as_one(curve):
    curve.append(_trained(200))
    assert curve.has_validation(150)
    assert not curve.has_validation(200)


def test_a_picture_is_drawn_and_drawn_anew(curve, tmp_path):
    picture = tmp_path / "curve.png"
    draw_curve(curve, picture)
    first = picture.read_bytes()
    assert first.startswith(b"\x89PNG")
    curve.append(_trained(200, loss=0.1))
    draw_curve(curve, picture)
    assert picture.read_bytes() != first
    assert sorted(file.name for file in tmp_path.iterdir()) == ["curve.jsonl", "curve.png"]


@pytest.mark.parametrize(
    "lines",
    [
        [_trained(50)],
        [_trained(50, loss=-3.0), _trained(100, loss=-4.0)],
        [_trained(50, loss=None), _trained(100)],
        [_trained(50), {**_validated(50), "validation_loss": None, "si_sdr_mean_db": None}],
    ],
    ids=["one line", "a loss in dB", "a loss that was not finite", "nothing validated"],
)
def test_every_curve_has_a_picture(tmp_path, lines):
    curve = Curve(tmp_path / "curve.jsonl")
    for line in lines:
        curve.append(line)
    draw_curve(curve, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").exists()


def test_a_training_that_has_said_nothing_has_no_picture(tmp_path):
    draw_curve(Curve(tmp_path / "curve.jsonl"), tmp_path / "curve.png")
    assert not (tmp_path / "curve.png").exists()


def test_without_matplotlib_there_is_one_line_and_no_picture(curve, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    curve_picture._matplotlib.cache_clear()
    try:
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                draw_curve(curve, tmp_path / "curve.png")
    finally:
        curve_picture._matplotlib.cache_clear()
    assert caplog.text.count("latentsep[plots]") == 1
    assert not (tmp_path / "curve.png").exists()


def test_smoothing_keeps_a_constant_and_leaves_out_nan():
    assert smoothed(np.array([1.0, 2.0, 6.0])).tolist() == [1.5, 3.0, 4.0]
    assert smoothed(np.array([1.0, np.nan, 3.0])).tolist() == [1.0, 2.0, 3.0]
    assert np.allclose(smoothed(np.full(500, 0.25)), 0.25)
