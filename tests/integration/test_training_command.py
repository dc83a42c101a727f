"""The way from a training file to a scored model, as a user goes it."""

import json
import time
from pathlib import Path

import pytest
import yaml
from command_line import LONGEST_S, run, start

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3 * LONGEST_S)]

CONFIG_FILE = Path(__file__).parents[2] / "configs/train/tiny.yaml"
SHORTER = {
    "data": {"generated_songs": {"plain": 2}, "generated_song_s": 12.0},
    "validation": {
        "generated_songs": {"plain": 1}, "generated_song_s": 12.0, "excerpts": 2, "every_s": 3,
    },
    "duration_s": 9,
    "batch_items": 2,
    "crop_frames": 32,
    "checkpoint_every_s": 1,
    "threads": 1,
}  # fmt: skip


def _curve(run_folder):
    return [json.loads(line) for line in (run_folder / "curve.jsonl").read_text().splitlines()]


def test_a_training_that_is_killed_goes_on_and_its_model_is_scored_and_described(tmp_path):
    settings = {**yaml.safe_load(CONFIG_FILE.read_text("utf-8")), **SHORTER}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    run_folder, model = tmp_path / "run", tmp_path / "tiny-model"
    command = ("train", tmp_path / "tiny.yaml", "--run", run_folder, "-o", model)

    with start(*command) as killed:
        deadline_s = time.monotonic() + LONGEST_S
        while not (run_folder / "checkpoint.pt").exists():
            assert killed.poll() is None, killed.communicate()
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        killed.kill()
        killed.communicate()
    assert not (model / "model.yaml").exists()

    code, told, errors = run(*command)
    assert (code, told) == (0, f"{model}\n"), errors
    assert "resumed step=" in errors
    lines = _curve(run_folder)
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps)
    validated_at_s = [line["elapsed_s"] for line in lines if "validation_loss" in line]
    assert validated_at_s[0] == 0
    assert validated_at_s[-1] >= 9
    assert len(validated_at_s) == len(set(validated_at_s)) >= 3

    code, told, errors = run(
        *("evaluate", "--generated", "1", "--generated-length", "8", "-n", model),
        *("--output", "json"),
    )
    assert code == 0, errors
    (tmp_path / "scores.json").write_text(told)
    code, _, errors = run("models", "card", model, "--scores", tmp_path / "scores.json")
    assert (code, errors) == (0, "")
    card = (model / "MODEL_CARD.md").read_text("utf-8")
    for part in ("| tiny-model |", "generated-0", "## Recipe", "## Must not be used"):
        assert part in card
