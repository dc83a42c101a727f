"""Published weights for the codecs of ``transformers``, once, before a model is trained on them.

Afterwards the model's own folder holds them, and no worker asks a hub for anything.
"""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from latentsep.codecs.base import Codec
from latentsep.codecs.transformers_codec import TransformersCodec, fold_weight_norm, library_class
from latentsep.errors import ModelError

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_FAILURES = (OSError, ValueError, TypeError, RuntimeError, SafetensorError)
"""What the library raises for what it cannot find, fetch or read."""


def load_pretrained(codec: Codec, source: str | Path, revision: str | None = None) -> None:
    """Fill a codec with the weights of a ``transformers`` checkpoint in safetensors format.

    Args:
        codec: as its options built it; the checkpoint must be of the same architecture.
        source: a folder with ``config.json`` and ``model.safetensors``, or a name on the hub.
        revision: commit, tag or branch on the hub; a commit is the only one that never changes.

    Raises:
        ModelError: not such a codec, no such folder or name, no network, no safetensors, another
            architecture, or tensors missing.
    """
    if not isinstance(codec, TransformersCodec):
        raise ModelError(
            f"{type(codec).__name__} takes no published weights; leave them out, or choose one of "
            "the codecs encodec_24khz, encodec_48khz and dac_44khz"
        )
    options: dict[str, Any] = {"revision": revision, "local_files_only": _is_folder(source)}
    _check_architecture(codec, _fetched(codec, "Config", source, options), source)
    options |= {"use_safetensors": True, "dtype": torch.float32}
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
    model, report = _fetched(codec, "Model", source, options)
    _check_tensors(report, source)
    fold_weight_norm(model)
    codec.encoder.load_state_dict(model.encoder.state_dict())
    codec.decoder.load_state_dict(model.decoder.state_dict())


def _is_folder(source: str | Path) -> bool:
    """Whether the source is a folder; else it must look like a name on the hub."""
    # Without a configuration the library would take its default one.
    if (Path(source) / "config.json").is_file():
        return True
    if Path(source).exists() or isinstance(source, Path) or not _HUB_NAME.fullmatch(source):
        raise ModelError(
            f"{source} is no folder with config.json and model.safetensors; give one, or a name on "
            "the hub such as facebook/encodec_24khz"
        )
    return False


def _fetched(
    codec: TransformersCodec, kind: str, source: str | Path, options: dict[str, Any]
) -> Any:  # noqa: ANN401 - the library is not imported above
    wanted = library_class(codec.family + kind)
    # It comes with transformers, whose configurations raise it.
    from huggingface_hub.errors import StrictDataclassError

    try:
        return wanted.from_pretrained(source, **options)
    except (*_FAILURES, StrictDataclassError) as error:
        reason = " ".join(str(error).split())
        if options["local_files_only"]:
            raise ModelError(
                f"{source} cannot be read: {reason}; a folder with config.json and "
                f"model.safetensors of {codec.family}Model is wanted"
            ) from error
        raise ModelError(
            f"{source} cannot be fetched: {reason}; where there is no network, give a folder with "
            "its config.json and model.safetensors"
        ) from error


def _check_architecture(
    codec: TransformersCodec,
    config: Any,  # noqa: ANN401 - see _fetched
    source: str | Path,
) -> None:
    there = {name: _as_list(getattr(config, name)) for name in codec.architecture}
    different = [name for name, value in codec.architecture.items() if there[name] != value]
    if different:
        listed = ", ".join(f"{n} is {there[n]!r}, not {codec.architecture[n]!r}" for n in different)
        raise ModelError(
            f"{source} does not fit the codec: {listed}; take other weights, or change "
            "codec.options.architecture"
        )


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _check_tensors(report: dict[str, Any], source: str | Path) -> None:
    """Refuse what the library would only warn of and fill with random numbers."""
    lost = sorted(report["missing_keys"]) + sorted(name for name, *_ in report["mismatched_keys"])
    lost = [name for name in lost if not name.startswith("quantizer.")]
    if lost:
        raise ModelError(
            f"{source}: {len(lost)} tensors are missing or of another shape ({lost[0]}, ...); "
            "the checkpoint is damaged or of another model, fetch it again"
        )
