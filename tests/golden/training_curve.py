"""A whole training of sixty steps on generated songs, by a clock that ticks once a step.

Make the stored curve anew only after a change that is meant to change what is learned, and say in
the commit why it changed::

    PYTHONPATH=tests python tests/golden/training_curve.py
"""

import json
import tempfile
from pathlib import Path

import yaml

from latentsep.training import loop
from latentsep.training.run import read_train_config, train

EXPECTED_FILE = Path(__file__).parent / "training_curve.jsonl"
CONFIG_FILE = Path(__file__).parents[2] / "configs/train/tiny.yaml"
SMALLER = {
    "data": {"generated_songs": {"plain": 2}, "generated_song_s": 12.0},
    "validation": {
        "generated_songs": {"plain": 1}, "generated_song_s": 12.0, "excerpts": 2, "every_s": 20,
    },
    "optimizer": "adamw",  # muon computes in bfloat16, which differs between processors
    "duration_s": 60,
    "batch_items": 2,
    "crop_frames": 64,
    "warmup_steps": 10,
    "scale_examples": 8,
    "threads": 1,
    "bf16": False,
    "device": "cpu",
}  # fmt: skip


class SteppedClock:
    """A second passes from each look to the next, so that a step takes one on every machine."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        self.now_s += 1.0
        return self.now_s


def trained_curve(folder: Path) -> list[dict[str, float]]:
    """Lines of the training in ``folder/run``, whose model goes to ``folder/model``.

    ``loop.time`` has to be a ``SteppedClock``.
    """
    settings = {**yaml.safe_load(CONFIG_FILE.read_text("utf-8")), **SMALLER}
    settings["model"]["network"]["options"] = {"widths": [24, 32, 48], "blocks": 1}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    config = read_train_config(folder / "tiny.yaml")
    train(config, folder, folder / "run", folder / "model")
    text = (folder / "run" / loop.CURVE_FILE).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


if __name__ == "__main__":
    loop.time = SteppedClock()
    with tempfile.TemporaryDirectory() as name:
        lines = trained_curve(Path(name))
    EXPECTED_FILE.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
