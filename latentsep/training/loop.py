"""The training loop: wall-clock schedule, average of weights, checkpoints, exact resume."""

import json
import logging
import math
import pickle
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from latentsep.errors import ConfigError
from latentsep.training.ahead import BatchAhead
from latentsep.training.config import ScheduleConfig
from latentsep.training.curve import VALIDATION_LOSS, Curve, Line
from latentsep.training.curve_picture import draw_curve
from latentsep.training.ema import Ema
from latentsep.training.optimizers import make_optimizers
from latentsep.training.precision import has_bfloat16
from latentsep.training.task import Task
from latentsep.training.validation import VALIDATION_SEED, Excerpts, validate

logger = logging.getLogger(__name__)

LOG_EVERY_STEPS = 50
CHECKPOINT_FILE = "checkpoint.pt"
CURVE_FILE = "curve.jsonl"
PICTURE_FILE = "curve.png"


@dataclass
class Progress:
    """How far a training is; saved with every checkpoint."""

    step: int = 0
    elapsed_s: float = 0.0
    skipped_steps: int = 0


class Trainer:
    """Trains one task; ``run`` returns when the wall time of the schedule is used up.

    A run that is cut off goes on from its last checkpoint with the same random draws. Steps whose
    loss or gradient is not finite are skipped and counted. Validating takes no time of the schedule
    and changes nothing of what is trained.
    """

    def __init__(
        self, config: ScheduleConfig, task: Task, folder: Path, excerpts: Excerpts | None = None
    ) -> None:
        self.config = config
        self.task = task
        self.folder = folder
        self.excerpts = excerpts
        self.curve = Curve(folder / CURVE_FILE)
        self.progress = Progress()
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.optimizers = make_optimizers(task.module, config)
        self._bf16 = config.bf16 and has_bfloat16(self._device)
        if config.bf16 and not self._bf16:
            logger.info("bf16=off reason: this CPU would emulate bfloat16")
        self.ema = Ema(task.module, config.ema_decay)
        self._ahead: BatchAhead | None = None

    def run(self) -> None:
        """Train until the schedule ends; start anew, or with a checkpoint."""
        self._begin()
        self.validate()
        saved_at_s = self.progress.elapsed_s
        losses: list[float] = []
        while self.progress.elapsed_s < self.config.duration_s:
            before_s = self.progress.elapsed_s
            began = time.perf_counter()
            losses.append(self.step())
            self.progress.elapsed_s += time.perf_counter() - began
            if self.progress.step % LOG_EVERY_STEPS == 0:
                self._log(losses)
                losses = []
            if self._is_time_to_validate(before_s):
                self.validate()
            if self.progress.elapsed_s - saved_at_s > self.config.checkpoint_every_s:
                self._keep()
                saved_at_s = self.progress.elapsed_s
        self.validate()
        self._keep()
        self.close()

    def step(self) -> float:
        """One optimiser step; returns its loss."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self._learning_rate()
        self._ahead = self._ahead or BatchAhead(self.task, self.rng)
        batch = self._ahead.take()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            loss = self.task.loss(batch, self.generator)
        self.task.module.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.task.module.parameters(), 1.0)
        if torch.isfinite(loss) and torch.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
            self.ema.update(self.task.module, self.progress.step)
        else:
            self.progress.skipped_steps += 1
        self.progress.step += 1
        return float(loss.detach())

    def validate(self) -> None:
        """Look at the excerpts with the averaged weights, unless that was done at this step."""
        if self.excerpts is None or self.curve.has_validation(self.progress.step):
            return
        began = time.perf_counter()
        with self.ema.in_place_of(self.task.module):
            self.task.settle(np.random.default_rng(VALIDATION_SEED))
            scores = validate(self.task, self.excerpts, self.config.batch_items, self._bf16)
        name = "si_sdr_improvement" if self.task.separates else "si_sdr"
        self._tell(
            {
                VALIDATION_LOSS: round(scores.loss, 5),
                f"{name}_mean_db": round(float(np.mean(scores.si_sdr_db)), 3),
                f"{name}_median_db": round(float(np.median(scores.si_sdr_db)), 3),
                "validation_s": round(time.perf_counter() - began, 1),
            }
        )

    def save(self) -> None:
        """Write the checkpoint under a temporary name, then put it in place."""
        state = {
            "progress": vars(self.progress),
            "statistics": self.task.statistics,
            "module": self.task.module.state_dict(),
            "ema": self.ema.state(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "generator": self.generator.get_state(),
            "rng": self._ahead.state if self._ahead else json.dumps(self.rng.bit_generator.state),
            "identity": self.task.identity,
        }
        temporary = self.folder / f"{CHECKPOINT_FILE}.part"
        torch.save(state, temporary)
        temporary.replace(self.folder / CHECKPOINT_FILE)

    def restore(self) -> None:
        """Continue where the checkpoint stands.

        Raises:
            ConfigError: the checkpoint is of another task.
        """
        file = self.folder / CHECKPOINT_FILE
        try:
            state = torch.load(file, map_location=self._device, weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            raise ConfigError(f"{file} cannot be read: {error}; remove it to start anew") from error
        if state["identity"] != self.task.identity:
            raise ConfigError(
                f"{self.folder / CHECKPOINT_FILE} belongs to another model or codec than "
                "the one to train; take another run folder, or remove the checkpoint"
            )
        self.progress = Progress(**state["progress"])
        for name, tensor in self.task.statistics.items():
            tensor.copy_(state["statistics"][name])
        self.task.module.load_state_dict(state["module"])
        self.ema.restore(state["ema"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.generator.set_state(state["generator"].cpu())
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.curve.cut(self.progress.step)
        logger.info("resumed step=%d elapsed_s=%.0f", self.progress.step, self.progress.elapsed_s)

    def close(self) -> None:
        """Give back the batch that was drawn ahead; ``rng`` stands where the next one begins."""
        if self._ahead:
            self._ahead.close()
            self.rng.bit_generator.state = json.loads(self._ahead.state)
            self._ahead = None

    def use_average(self) -> None:
        """Put the averaged weights into the task's module; the end of a training."""
        self.ema.copy_to(self.task.module)
        self.task.module.eval()

    @property
    def _device(self) -> torch.device:
        return next(self.task.module.parameters()).device

    def _learning_rate(self) -> float:
        warmup = min(1.0, (self.progress.step + 1) / self.config.warmup_steps)
        share = min(1.0, self.progress.elapsed_s / self.config.duration_s)
        return (
            self.config.learning_rate
            * warmup
            * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        )

    def _begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / CHECKPOINT_FILE).exists():
            self.restore()
        else:
            self.curve.cut(-1)  # of a run that did not get as far as a checkpoint
            self.task.prepare(self.rng)
        self.task.module.train()

    def _keep(self) -> None:
        self.save()
        draw_curve(self.curve, self.folder / PICTURE_FILE)

    def _is_time_to_validate(self, before_s: float) -> bool:
        """Whether the last step went beyond a multiple of the interval."""
        if self.config.validation is None:
            return False
        every_s = self.config.validation.every_s
        return self.progress.elapsed_s // every_s > before_s // every_s

    def _log(self, losses: list[float]) -> None:
        self._tell(
            {
                "loss": round(float(np.mean(losses)), 5),
                "learning_rate": self._learning_rate(),
                "skipped_steps": self.progress.skipped_steps,
            }
        )

    def _tell(self, values: Line) -> None:
        line: Line = {
            "step": self.progress.step,
            "elapsed_s": round(self.progress.elapsed_s, 1),
            **values,
        }
        self.curve.append(line)
        logger.info(" ".join(f"{key}={value}" for key, value in line.items()))
