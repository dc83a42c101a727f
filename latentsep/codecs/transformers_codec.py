"""Encoder and decoder of a codec of the ``transformers`` library, without its quantiser."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from latentsep.errors import ModelError


class TransformersCodec(nn.Module):
    """Builds the two networks with random weights; ``load_pretrained`` fills published ones in.

    The latents are the encoder's output as it is, so the quantiser between the two is never built.
    Nothing is fetched: a model folder holds the weights of its codec too.

    Args:
        family: ``Encodec`` or ``Dac``, what the library's classes are called after.
        architecture: values of the library's configuration; all that the two networks depend on.

    Raises:
        ModelError: the library is not installed.
    """

    def __init__(self, family: str, architecture: Mapping[str, Any]) -> None:
        super().__init__()
        self.family = family
        self.architecture = dict(architecture)
        model = _build(family, self.architecture)
        self.sample_rate_hz: int = model.config.sampling_rate
        self.bandwidth_hz = self.sample_rate_hz / 2
        self.hop_samples: int = model.config.hop_length
        self.hidden_channels: int = model.config.hidden_size
        self.encoder: nn.Module = model.encoder
        self.decoder: nn.Module = model.decoder
        fold_weight_norm(self)
        self.eval().requires_grad_(False)


def changed_architecture(
    published: Mapping[str, Any], changes: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A published architecture with some of its values changed.

    Raises:
        ValueError: a change of something that it does not have, or to something that is no size.
    """
    unknown = sorted(set(changes or {}) - set(published))
    if unknown:
        raise ValueError(
            f"architecture has no {', '.join(unknown)}; it has {', '.join(sorted(published))}"
        )
    changed = {**published, **(changes or {})}
    wrong = {n: value for n, value in changed.items() if not _is_size(value, published[n])}
    if wrong:
        raise ValueError(f"whole numbers of at least 1, or lists of them, are wanted, got {wrong}")
    return changed


def _is_size(value: object, published: object) -> bool:
    if isinstance(published, list):
        return isinstance(value, list) and bool(value) and all(_is_size(v, 1) for v in value)
    return isinstance(value, int) and value >= 1


def library_class(name: str) -> Any:  # noqa: ANN401 - the library is imported here, not above
    """A class of ``transformers``, which is imported by now only.

    Raises:
        ModelError: the library is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise ModelError(
            f"this codec needs the library transformers ({error}): pip install 'latentsep[codecs]'"
        ) from error
    return getattr(transformers, name)


def fold_weight_norm(module: nn.Module) -> None:
    """Replace each direction and length of a weight by the weight itself, which is all we need."""
    for part in module.modules():
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight")


_WITHOUT_QUANTISER: dict[str, dict[str, Any]] = {
    "Encodec": {"target_bandwidths": (0.0,)},
    "Dac": {"n_codebooks": 0},
}


def _build(family: str, architecture: Mapping[str, Any]) -> Any:  # noqa: ANN401 - see library_class
    config = library_class(f"{family}Config")(**architecture, **_WITHOUT_QUANTISER[family])
    return library_class(f"{family}Model")(config)
