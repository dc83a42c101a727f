"""What a user may ask of a separation."""

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from latentsep.models.config import Frozen, RefinementMode

Precision = Literal["float32", "bfloat16"]


class SeparationOptions(Frozen):
    """Dials of one separation; what is left out comes from the model.

    All but ``device`` decide the bytes of a stem; that only decides how fast they come on one kind
    of hardware.
    """

    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    steps: PositiveInt | None = Field(None, description="sampler steps: speed against quality")
    sampler: str | None = Field(None, description="key in latentsep.diffusion.samplers.SAMPLERS")
    sampler_options: dict[str, Any] | None = Field(None, description="arguments of the sampler")
    warm_start: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="time to start at, from a first estimate instead of noise alone: the smaller, "
        "the nearer to that estimate and the more alike the draws",
    )
    draws: PositiveInt = Field(1, description="independent samples whose mean is the result")
    segment_s: PositiveFloat | None = Field(
        None, allow_inf_nan=False, description="length of a chunk, context included"
    )
    overlap: float | None = Field(
        None, ge=0, lt=0.9, description="share of a chunk that its neighbours see too, at least"
    )
    seed: NonNegativeInt = Field(0, lt=2**64, description="base of all noise")
    refinement: RefinementMode | None = Field(None, description="guided mask on the mixture")
    batch_chunks: PositiveInt | None = Field(None, description="chunks per call of the network")
    precision: Precision = "float32"
    compile: bool = Field(
        False, description="compile the network for its one shape; needs a C++ compiler"
    )
