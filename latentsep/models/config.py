"""What ``model.yaml`` says, checked at birth."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)


def explain(error: ValidationError) -> str:
    """What is wrong with settings, in one line: each place, its problem and its value."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}{_shown(e['loc'], e['input'])}"
        for e in error.errors(include_url=False)
    )


def _shown(place: tuple[int | str, ...], value: object) -> str:
    """The value, but none of the storage settings, where a secret may have been put by mistake."""
    return "" if "storage" in place else f", got {value!r:.60}"


class Frozen(BaseModel):
    """Base of all settings: unknown keys are refused, nothing changes after construction."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PartConfig(Frozen):
    """One registered part and the arguments it is built with."""

    name: str = Field(description="key in the part's registry")
    options: dict[str, Any] = Field(default_factory=dict, description="arguments of the part")


class ChunkConfig(Frozen):
    """The fixed shape the network sees; frames are the codec's."""

    frames: PositiveInt = Field(2048, description="frames of one chunk, context included")
    context_frames: NonNegativeInt = Field(
        108, description="frames discarded on either side; at least the network's receptive radius"
    )
    halo_frames: NonNegativeInt | None = Field(
        None,
        description="frames that a window discards beyond the context, as measured by `latentsep "
        "benchmark seams`; null: of a local network a receptive radius for each step after the "
        "first, which is exact, and of any other one context",
    )


class SamplingConfig(Frozen):
    """How the clean latents are reached when the user says nothing."""

    sampler: str = Field("bridge", description="key in latentsep.diffusion.samplers.SAMPLERS")
    options: dict[str, Any] | None = Field(
        None, description="arguments of the sampler; its own by default"
    )
    steps: PositiveInt = Field(1, description="steps along the schedule")


RefinementMode = Literal["off", "mask", "blend"]


class RefinementConfig(Frozen):
    """The soft mask on the mixture's STFT that the decoded vocals guide."""

    mode: RefinementMode = Field(
        "mask",
        description="off: the decoded vocals as they are; blend: bin by bin between these and the "
        "masked mixture, whichever is surer",
    )
    window_samples: Annotated[int, Field(ge=64)] = Field(4096, description="STFT window")
    power: PositiveFloat = Field(
        2.0, description="exponent of the magnitudes in the mask; 2 is Wiener"
    )


class WeightsConfig(Frozen):
    """The tensors' file beside model.yaml."""

    file: str = Field("model.safetensors", pattern=r"^[A-Za-z0-9_.-]+\.safetensors$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ModelConfig(Frozen):
    """Everything about a model that is not a tensor."""

    format: Literal[1] = Field(1, description="version of this layout")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    description: str
    licence: str = Field(description="SPDX identifier of the weights' licence")
    codec: PartConfig
    network: PartConfig
    objective: PartConfig
    level_radius_frames: NonNegativeInt = Field(
        48, description="frames on either side over which the mixture's level is measured"
    )
    chunk: ChunkConfig = ChunkConfig()
    sampling: SamplingConfig = SamplingConfig()
    refinement: RefinementConfig = RefinementConfig()


class ModelFile(Frozen):
    """The whole of ``model.yaml``: the model and its weights' digest."""

    model: ModelConfig
    weights: WeightsConfig
