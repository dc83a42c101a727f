"""Tensors of a module on disk: float16 safetensors with a digest."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from latentsep.errors import ModelError


def write_tensors(file: Path, module: nn.Module) -> str:
    """Write a module's tensors as float16, which halves them at no measured loss; their sha256.

    Raises:
        ModelError: a value is not finite as float16; nothing is written.
    """
    tensors = {
        name: tensor.detach().half().contiguous() for name, tensor in module.state_dict().items()
    }
    lost = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if lost:
        raise ModelError(f"{_some('not finite as float16', lost)}: nothing was written to {file}")
    data = save(tensors)
    file.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def fill_tensors(module: nn.Module, file: Path, sha256: str, described_in: str) -> None:
    """Fill a module with exactly the tensors of a file.

    Raises:
        ModelError: unreadable, another digest, missing or surplus tensors, or other shapes.
    """
    try:
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if digest != sha256:
            raise ModelError(
                f"{file} has sha256 {digest}, {described_in} says {sha256}; "
                "the file is damaged or of another model: fetch the folder again"
            )
        tensors = load(data)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from error
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    surplus = sorted(tensors.keys() - wanted.keys())
    reshaped = sorted(
        name for name in wanted.keys() & tensors.keys() if wanted[name].shape != tensors[name].shape
    )
    if missing or surplus or reshaped:
        raise ModelError(
            f"{file} does not fit {described_in}: {_some('missing', missing)}, "
            f"{_some('surplus', surplus)}, {_some('of another shape', reshaped)}; "
            "the two files are not of one model and one version"
        )
    module.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})


def _some(what: str, names: list[str]) -> str:
    """How many tensors there are, and the first few."""
    listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} tensors {what}" + (f" ({listed})" if names else "")
