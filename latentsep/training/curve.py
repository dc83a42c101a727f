"""What a training says of itself while it runs: one JSON object a line."""

import json
import math
from pathlib import Path

Line = dict[str, float | None]
VALIDATION_LOSS = "validation_loss"
"""A line that has it is of a validation, any other one of training."""


class Curve:
    """The file ``curve.jsonl`` of a run folder."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def append(self, line: Line) -> None:
        """One line more; what is not finite, which JSON has not, becomes null."""
        finite = {k: v if v is None or math.isfinite(v) else None for k, v in line.items()}
        with self.file.open("a", encoding="utf-8") as curve:
            curve.write(json.dumps(finite) + "\n")

    def lines(self) -> list[Line]:
        """All lines; a last one that was cut off is left out."""
        if not self.file.exists():
            return []
        text = self.file.read_text(encoding="utf-8")
        whole, _, _ = text.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def cut(self, step: int) -> None:
        """Forget what came after a step: a training that goes on from there tells it anew."""
        kept = [line for line in self.lines() if (line["step"] or 0) <= step]
        temporary = self.file.with_suffix(".part")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        temporary.replace(self.file)

    def has_validation(self, step: int) -> bool:
        """Whether the weights of a step were validated already."""
        return any(line["step"] == step and VALIDATION_LOSS in line for line in self.lines())
