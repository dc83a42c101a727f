"""What a training file in ``configs/train`` says."""

from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from latentsep.models.config import Frozen, ModelConfig, PartConfig

Generator = Literal["plain", "rich"]


HELD_OUT_SEEDS = 1_000_000
"""Seeds from here on make songs that are validated or scored with; no training has them."""


class GeneratedConfig(Frozen):
    """How many songs a built-in generator makes."""

    generated_songs: dict[Generator, NonNegativeInt] = Field(
        default_factory=dict,
        description="how many by which generator; rich has sampled instruments and speech, and "
        "needs the extra synth",
    )
    generated_song_s: PositiveFloat = Field(40.0, description="length of each")


class DataConfig(GeneratedConfig):
    """Where stems come from and how they are mixed. Paths are relative to the data folder."""

    sources: list[str] = Field(
        default_factory=list, description="title, author, licence of what is listed; for the card"
    )
    songs: list[str] = Field(
        default_factory=list, description="folders with vocals.* and any other stems beside it"
    )
    vocals: list[str] = Field(default_factory=list, description="globs of loose vocal recordings")
    accompaniment: list[str] = Field(default_factory=list, description="globs of loose instruments")
    impulse_responses: list[str] = Field(
        default_factory=list, description="globs for reverberation"
    )
    generated_share: float = Field(0.6, ge=0, le=1, description="of the stems drawn")
    loose_share: float = Field(0.1, ge=0, le=1, description="of the stems drawn")
    remix_share: float = Field(0.6, ge=0, le=1, description="vocals and accompaniment of two songs")
    silent_vocals_share: float = Field(0.05, ge=0, le=1)
    silent_accompaniment_share: float = Field(0.03, ge=0, le=1)
    noise_share: float = Field(0.0, ge=0, le=1, description="mixtures with noise added")
    lossy_share: float = Field(0.0, ge=0, le=1, description="mixtures that went through Ogg Vorbis")
    gain_db: tuple[float, float] = Field(
        (0.0, 0.0), description="mean and deviation of a gain on both stems"
    )
    vocals_gain_db: tuple[float, float] = Field(
        (-2.0, 4.0), description="mean and deviation of vocals over accompaniment in remixes"
    )


class ValidationConfig(GeneratedConfig):
    """Excerpts that are never trained on; the same ones every time."""

    songs: list[str] = Field(
        default_factory=list, description="song folders, as in data; none of what is trained on"
    )
    excerpts: PositiveInt = Field(24, description="at most, spread evenly over all songs")
    excerpt_s: PositiveFloat = 6.0
    every_s: PositiveFloat = Field(600.0, description="wall time of the schedule in between")


class ScheduleConfig(Frozen):
    """How long and how fast; what is trained comes beside it."""

    data: DataConfig
    validation: ValidationConfig | None = None
    duration_s: PositiveFloat = Field(
        description="wall time of the whole schedule, resumes included"
    )
    batch_items: PositiveInt = 8
    crop_frames: PositiveInt = Field(256, description="codec frames per example")
    optimizer: Literal["adamw", "muon"] = Field(
        "muon",
        description="muon: for tensors of three axes and more, kernels of convolutions above "
        "all, with adamw for the rest",
    )
    learning_rate: PositiveFloat = 1e-3
    warmup_steps: PositiveInt = 200
    weight_decay: NonNegativeFloat = 0.01
    ema_decay: float = Field(0.999, ge=0, lt=1)
    bf16: bool = Field(
        True, description="autocast the network, where the device need not emulate bfloat16"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    threads: PositiveInt | None = Field(None, description="CPU threads; free cores by default")
    seed: NonNegativeInt = Field(0, lt=HELD_OUT_SEEDS)
    checkpoint_every_s: PositiveFloat = 300.0
    scale_examples: PositiveInt = Field(256, description="crops that set the scale of channels")
    scale_exponent: float = Field(
        0.6, ge=0, le=1, description="how far channels are evened out: 1 gives unit variance each"
    )


class TrainConfig(ScheduleConfig):
    """One training of a model from nothing to a model folder."""

    model: ModelConfig
    loss: Literal["square", "log_ratio"] = Field(
        "square",
        description="of clean estimates; square: mean square of the scaled latents' error; "
        "log_ratio: logarithm of each example's error over its mixture, as loud as heard",
    )
    start_from: str | None = Field(
        None,
        description="a model folder or bundled name: its weights and scale are where the training "
        "begins; it must be the same model but for its objective and how it is sampled",
    )
    conditioner_from: str | None = Field(
        None,
        description="a model folder or bundled name with the network unet2d: the levels inside it "
        "are where those of a posterior_unet2d's conditioner begin",
    )
    codec_weights: str | None = Field(
        None,
        description="folder of a trained codec, or of a transformers checkpoint, or its hub name",
    )
    codec_revision: str | None = Field(
        None, description="commit, tag or branch on the hub; a commit never changes"
    )

    @model_validator(mode="after")
    def _begins_once(self) -> Self:
        if self.start_from is not None and self.conditioner_from is not None:
            raise ValueError(
                f"start_from {self.start_from!r} and conditioner_from {self.conditioner_from!r} "
                "both say where the conditioner begins; leave one out"
            )
        return self


class CodecTrainConfig(ScheduleConfig):
    """One training of a codec from nothing to a codec folder."""

    codec: PartConfig
    latent_noise: float = Field(
        0.3, ge=0, description="most noise added to the latents in training, by their level"
    )
