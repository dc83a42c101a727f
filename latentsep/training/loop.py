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
from torch import Tensor

from latentsep.errors import ConfigError
from latentsep.models.model import Model
from latentsep.training.config import TrainConfig
from latentsep.training.ema import Ema
from latentsep.training.mixing import Mixer

logger = logging.getLogger(__name__)

LOG_EVERY_STEPS = 50
CHECKPOINT_FILE = "checkpoint.pt"
CURVE_FILE = "curve.jsonl"


@dataclass
class Progress:
    """How far a training is; saved with every checkpoint."""

    step: int = 0
    elapsed_s: float = 0.0
    skipped_steps: int = 0


class Trainer:
    """Trains one model; ``run`` returns when the wall time of the schedule is used up.

    A run that is cut off goes on from its last checkpoint with the same random draws. Steps whose
    loss or gradient is not finite are skipped and counted.
    """

    def __init__(self, config: TrainConfig, model: Model, mixer: Mixer, folder: Path) -> None:
        self.config = config
        self.model = model
        self.mixer = mixer
        self.folder = folder
        self.progress = Progress()
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.optimizer = torch.optim.AdamW(
            model.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.ema = Ema(model.network, config.ema_decay)

    def run(self) -> None:
        """Train until the schedule ends; start with the latents' scale, or with a checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / CHECKPOINT_FILE).exists():
            self.restore()
        else:
            set_latent_scale(self.model, self.mixer, self.config, self.rng)
        self.model.train()
        saved_at_s = self.progress.elapsed_s
        losses: list[float] = []
        while self.progress.elapsed_s < self.config.duration_s:
            began = time.perf_counter()
            losses.append(self.step())
            self.progress.elapsed_s += time.perf_counter() - began
            if self.progress.step % LOG_EVERY_STEPS == 0:
                self._log(losses)
                losses = []
            if self.progress.elapsed_s - saved_at_s > self.config.checkpoint_every_s:
                self.save()
                saved_at_s = self.progress.elapsed_s
        self.save()

    def step(self) -> float:
        """One optimiser step; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        vocals, mixture = self._batch()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bf16):
            loss = self.model.objective.loss(self.model.network, vocals, mixture, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.network.parameters(), 1.0)
        if torch.isfinite(loss) and torch.isfinite(norm):
            self.optimizer.step()
            self.ema.update(self.model.network, self.progress.step)
        else:
            self.progress.skipped_steps += 1
        self.progress.step += 1
        return float(loss.detach())

    def save(self) -> None:
        """Write the checkpoint under a temporary name, then put it in place."""
        state = {
            "progress": vars(self.progress),
            "scale": self.model.latent_space.scale,
            "network": self.model.network.state_dict(),
            "ema": self.ema.state(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "config": self.config.model_dump_json(),
        }
        temporary = self.folder / f"{CHECKPOINT_FILE}.part"
        torch.save(state, temporary)
        temporary.replace(self.folder / CHECKPOINT_FILE)

    def restore(self) -> None:
        """Continue where the checkpoint stands.

        Raises:
            ConfigError: the checkpoint is of another model.
        """
        file = self.folder / CHECKPOINT_FILE
        try:
            state = torch.load(file, weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
            raise ConfigError(f"{file} cannot be read: {error}; remove it to start anew") from error
        saved = json.loads(state["config"])["model"]
        if saved != self.config.model.model_dump(mode="json"):
            raise ConfigError(
                f"{self.folder / CHECKPOINT_FILE} belongs to another model than the one to train; "
                "take another run folder, or remove the checkpoint"
            )
        self.progress = Progress(**state["progress"])
        self.model.latent_space.scale.copy_(state["scale"])
        self.model.network.load_state_dict(state["network"])
        self.ema.restore(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        logger.info("resumed step=%d elapsed_s=%.0f", self.progress.step, self.progress.elapsed_s)

    def averaged_model(self) -> Model:
        """A copy of the model with the averaged weights."""
        model = Model(self.config.model)
        model.latent_space.load_state_dict(self.model.latent_space.state_dict())
        self.ema.copy_to(model.network)
        return model.eval()

    def _batch(self) -> tuple[Tensor, Tensor]:
        vocals, accompaniment = self.mixer.batch(self.config.batch_items, self.rng)
        return levelled_pair(self.model, torch.from_numpy(vocals), torch.from_numpy(accompaniment))

    def _learning_rate(self) -> float:
        warmup = min(1.0, (self.progress.step + 1) / self.config.warmup_steps)
        share = min(1.0, self.progress.elapsed_s / self.config.duration_s)
        return (
            self.config.learning_rate
            * warmup
            * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        )

    def _log(self, losses: list[float]) -> None:
        line = {
            "step": self.progress.step,
            "elapsed_s": round(self.progress.elapsed_s, 1),
            "loss": round(float(np.mean(losses)), 5),
            "learning_rate": self._learning_rate(),
            "skipped_steps": self.progress.skipped_steps,
        }
        with (self.folder / CURVE_FILE).open("a", encoding="utf-8") as curve:
            curve.write(json.dumps(line) + "\n")
        logger.info(" ".join(f"{key}={value}" for key, value in line.items()))


@torch.no_grad()
def levelled_pair(model: Model, vocals: Tensor, accompaniment: Tensor) -> tuple[Tensor, Tensor]:
    """Stems ``[item, channel, sample]`` -> latents of vocals and mixture, both levelled."""
    space = model.latent_space
    clean = space.encode(vocals)
    mixture = space.encode(vocals + accompaniment)
    level = space.level(mixture)
    return clean / level, mixture / level


@torch.no_grad()
def set_latent_scale(
    model: Model, mixer: Mixer, config: TrainConfig, rng: np.random.Generator
) -> None:
    """Set each latent channel's scale from vocals and mixtures of the training data.

    ``scale = deviation ** -scale_exponent``, then one factor for unit power overall. An exponent
    below 1 leaves loud channels louder, so that the loss still cares most for what is heard.
    """
    vocals, accompaniment = mixer.batch(config.scale_examples, rng)
    encode = model.latent_space.codec.encode
    clean = encode(torch.from_numpy(vocals))
    mixture = encode(torch.from_numpy(vocals + accompaniment))
    power = (clean.square().mean(dim=(0, 2)) + mixture.square().mean(dim=(0, 2))) / 2
    scale = (power + 1e-9).pow(-config.scale_exponent / 2)
    scale = scale / (power * scale.square()).mean().sqrt()
    model.latent_space.scale.copy_(scale[:, None])
