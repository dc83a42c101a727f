"""How a run gets from the start to the clean latents: what the user asks for over the model's own.

It needs the model's settings only, so that a run that cannot be is refused before anything starts.
"""

from dataclasses import dataclass

from latentsep.diffusion.objectives import Objective
from latentsep.diffusion.samplers import SAMPLERS
from latentsep.diffusion.schedule import Schedule
from latentsep.errors import ConfigError
from latentsep.models.config import ModelConfig, SamplingConfig
from latentsep.models.model import build_objective, check_sampler
from latentsep.separation.options import SeparationOptions


@dataclass(frozen=True)
class RunSampling:
    """The sampling of one run.

    Attributes:
        config: sampler, its options and steps.
        objective: the model's.
        draws: independent samples of each track.
        warm_start: time to start at, from a draft of the clean latents; None for the process's own
            start.
    """

    config: SamplingConfig
    objective: Objective
    draws: int
    warm_start: float | None

    @property
    def schedule(self) -> Schedule:
        """Levels from where the sampler starts."""
        first_t = 1.0 if self.warm_start is None else self.warm_start
        return self.objective.schedule(self.config.steps, first_t)

    @property
    def passes(self) -> int:
        """How often what one frame knows of its neighbours is passed on: at each step once."""
        return self.config.steps + (self.warm_start is not None)

    def nfe(self, draft_nfe: int) -> int:
        """Calls of the network per chunk, ``draft_nfe`` of them for each draft."""
        drafts = 0 if self.warm_start is None else draft_nfe
        return self.draws * (SAMPLERS[self.config.sampler].nfe(self.config.steps) + drafts)


def choose_sampling(model: ModelConfig, options: SeparationOptions) -> RunSampling:
    """What the user asks for, and the model's own for what is left out.

    Another sampler than the model's own has its own options, not the model's.

    Raises:
        ConfigError: the model cannot be sampled so; says what it can do.
    """
    own = model.sampling
    sampler = options.sampler or own.sampler
    check_sampler(sampler, model.objective)
    chosen = options.sampler_options
    if chosen is None and sampler == own.sampler:
        chosen = own.options
    sampling = RunSampling(
        SamplingConfig(sampler=sampler, options=chosen, steps=options.steps or own.steps),
        build_objective(model.objective),
        options.draws,
        options.warm_start,
    )
    _check_steps(sampling, model)
    _check_warm_start(sampling, model)
    _check_draws(sampling)
    return sampling


def _check_steps(sampling: RunSampling, model: ModelConfig) -> None:
    steps, most = sampling.config.steps, sampling.objective.max_steps
    if steps > most:
        raise ConfigError(f"model {model.name!r} can do 1..{most} steps, got {steps}")


def _check_warm_start(sampling: RunSampling, model: ModelConfig) -> None:
    if sampling.warm_start is not None and sampling.objective.process != "diffusion":
        raise ConfigError(
            f"warm_start={sampling.warm_start:g} is for models that start at noise; model "
            f"{model.name!r} with objective {model.objective.name!r} starts at the mixture: "
            "leave it out"
        )


def _check_draws(sampling: RunSampling) -> None:
    starts_at_noise = sampling.objective.process == "diffusion"
    if sampling.draws == 1 or starts_at_noise or any(level.spread for level in sampling.schedule):
        return
    raise ConfigError(
        f"draws={sampling.draws} would all be equal: {sampling.config.steps} step(s) of this model "
        "draw no noise; take --draws 1, or more --steps"
    )
