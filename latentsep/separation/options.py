"""What a user may ask of a separation."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from latentsep.models.config import Frozen


class SeparationOptions(Frozen):
    """Dials of one separation; what is left out comes from the model.

    ``steps``, ``draws``, ``segment_s``, ``overlap``, ``seed``, ``refinement``, ``batch_chunks`` and
    ``precision`` decide the bytes of a stem; ``device`` only decides how fast they come on one kind
    of hardware.
    """

    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    steps: PositiveInt | None = Field(None, description="sampler steps: speed against quality")
    draws: PositiveInt = Field(1, description="independent samples whose mean is the result")
    segment_s: PositiveFloat | None = Field(
        None, allow_inf_nan=False, description="length of a chunk, context included"
    )
    overlap: float | None = Field(
        None, ge=0, lt=0.9, description="share of a chunk that its neighbours see too, at least"
    )
    seed: NonNegativeInt = Field(0, lt=2**64, description="base of all noise")
    refinement: Literal["off", "mask"] | None = Field(
        None, description="guided mask on the mixture"
    )
    batch_chunks: PositiveInt | None = Field(None, description="chunks per call of the network")
    precision: Literal["float32", "bfloat16"] = "float32"
