"""Makes the stored model and what it must answer, anew.

Run it only after a change that is meant to change stems, and say in the commit why they changed::

    PYTHONPATH=tests python tests/golden/make_golden.py
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tiny_models import RATE_HZ, tiny_model

from latentsep.models.folder import load_model, save_model
from latentsep.models.model import Model
from latentsep.separation.options import SeparationOptions
from latentsep.separation.separator import Separator

FOLDER = Path(__file__).parent
MODEL_FOLDER = FOLDER / "tiny"
EXPECTED_FILE = FOLDER / "expected.safetensors"
SEPARATIONS = {
    "mask": SeparationOptions(),
    "off": SeparationOptions(refinement="off"),
    "two_steps": SeparationOptions(steps=2, draws=2, seed=7, batch_chunks=3),
}
CARD = "# tiny\n\nRandom weights, for tests.\n"


def golden_mixture() -> np.ndarray:
    """Half a second of noise that fades in, ``[2, sample]`` float32."""
    noise = np.random.default_rng(20).standard_normal((2, 4_000))
    return (0.3 * noise * np.linspace(0, 1, 4_000)).astype(np.float32)


def separated(model: Model, name: str) -> torch.Tensor:
    """Vocals of the mixture under one of ``SEPARATIONS``."""
    separator = Separator(model, SEPARATIONS[name])
    return torch.from_numpy(separator.separate(golden_mixture(), RATE_HZ, "golden").vocals)


def trajectory(model: Model) -> torch.Tensor:
    """The states of a sampler with 3 steps, ``[step, 1, latent_channel, frame]``, last the end."""
    generator = torch.Generator().manual_seed(21)
    mixture, *noise = torch.randn((4, 1, 48, 32), generator=generator).unbind(0)
    states = []

    def denoise(state: torch.Tensor, level) -> torch.Tensor:
        states.append(state)
        return model.denoise(state, model.condition(mixture), level)

    sampler = model.build_sampler(model.config.sampling)
    start = model.objective.start(mixture, lambda: noise[-1])
    end = sampler(denoise, start, model.objective.schedule(3), lambda step: noise[step])
    return torch.stack([*states, end])


def answers(model: Model) -> dict[str, torch.Tensor]:
    """All that is stored, by name."""
    return {name: separated(model, name) for name in SEPARATIONS} | {
        "trajectory": trajectory(model)
    }


def main() -> None:
    """Write the model folder and the expected answers."""
    torch.set_num_threads(1)
    save_model(MODEL_FOLDER, tiny_model(seed=19), CARD)
    save_file(answers(load_model(MODEL_FOLDER)), EXPECTED_FILE)


if __name__ == "__main__":
    main()
