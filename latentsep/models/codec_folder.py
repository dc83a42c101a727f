"""A trained codec on disk: ``{codec.yaml, codec.safetensors, CODEC_CARD.md}``.

Models are trained in the latents of one; their own folders then hold its tensors too.
"""

from pathlib import Path

from torch import nn

from latentsep.errors import ModelError
from latentsep.models.config import Frozen, PartConfig, WeightsConfig
from latentsep.models.described import read_described, write_described
from latentsep.models.latent_space import LatentSpace
from latentsep.models.tensors import fill_tensors, write_tensors

CODEC_FILE = "codec.yaml"
CARD_FILE = "CODEC_CARD.md"
TENSORS_FILE = "codec.safetensors"


class CodecFile(Frozen):
    """The whole of ``codec.yaml``: the codec and its weights' digest."""

    codec: PartConfig
    weights: WeightsConfig


def save_codec(folder: Path, part: PartConfig, codec: nn.Module, card: str) -> None:
    """Write a codec folder.

    Raises:
        ModelError: a weight is not finite as float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = write_tensors(folder / TENSORS_FILE, codec)
    described = CodecFile(codec=part, weights=WeightsConfig(file=TENSORS_FILE, sha256=digest))
    write_described(folder / CODEC_FILE, described)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def fill_codec(space: LatentSpace, part: PartConfig, folder: Path) -> None:
    """Fill a latent space's codec, built from ``part``, with the weights of a codec folder.

    Raises:
        ModelError: damaged folder, or the folder is of another codec than ``part``.
    """
    path = folder / CODEC_FILE
    described = read_described(path, CodecFile)
    if described.codec != part:
        raise ModelError(
            f"{path} is of codec {described.codec.name!r} with {described.codec.options}, wanted "
            f"is {part.name!r} with {part.options}; take the folder of that codec"
        )
    fill_tensors(
        space.get_submodule("codec"),
        folder / described.weights.file,
        described.weights.sha256,
        CODEC_FILE,
    )
