"""BSSEval version 4 by museval itself: slow, for who wants no other implementation's word."""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from latentsep.errors import ConfigError
from latentsep.quality.bsseval import BssFrames, Signals


class MusevalBssEval:
    """museval's scores, with the interface and the undefined frames of ``BssEval``.

    Args:
        references: true stems ``[source, channel, sample]``.
        frame_samples: length of a frame.
    """

    def __init__(self, references: Signals, frame_samples: int) -> None:
        self._references = np.moveaxis(references.astype(np.float64), 1, 2)
        self._frame_samples = frame_samples

    def __call__(self, estimates: Signals) -> BssFrames:
        """Score estimates of all stems, shaped as the references, in their order."""
        sources, samples, _ = self._references.shape
        shaped = np.moveaxis(estimates.astype(np.float64), 1, 2)
        if any(
            np.any(np.all(stems.sum(axis=2) == 0, axis=1)) for stems in (self._references, shaped)
        ):
            # museval refuses a silent stem.
            frames = max(1, samples // self._frame_samples)
            return BssFrames(*np.full((4, sources, frames), np.nan))
        ratios = _metrics().bss_eval(
            self._references, shaped, window=self._frame_samples, hop=self._frame_samples
        )
        return BssFrames(*ratios[:4])


@cache
def _metrics() -> ModuleType:
    """The module of metrics alone: without ffmpeg the package itself cannot be imported."""
    found = importlib.util.find_spec("museval")
    if found is None or found.origin is None:
        raise ConfigError("museval is not installed: pip install museval")
    place = Path(found.origin).with_name("metrics.py")
    spec = importlib.util.spec_from_file_location("museval_metrics", place)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{place} cannot be loaded; install museval anew")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
