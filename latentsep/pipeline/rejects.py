"""The track boundary: whatever goes wrong with one track becomes a record, and the next goes on.

This is the only place that catches everything.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from latentsep.errors import (
    AudioDecodeError,
    AudioEncodeError,
    ConfigError,
    SourceChangedError,
    StoreError,
    TrackError,
    WorkerCrashedError,
    WorkerLostError,
)

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_STAGES: tuple[tuple[type[TrackError], str], ...] = (
    (AudioDecodeError, "load"),
    (SourceChangedError, "load"),
    (AudioEncodeError, "store"),
    (WorkerCrashedError, "worker"),
    (WorkerLostError, "worker"),
)


@dataclass(frozen=True)
class Reject:
    """Why a track could not be separated; ``retryable``: a later run may succeed by itself."""

    source: str
    stage: str
    error_class: str
    message: str
    retryable: bool = False


def separate_or_reject(
    source: str, work: Callable[[], Result], stage: Callable[[], str] | None = None
) -> Result | Reject:
    """Run the work of one track; an exception becomes a ``Reject``.

    A ``TrackError`` is expected and its text is made for the user. Anything else is a bug or the
    machine's fault: it is logged with its trace, and the other tracks go on all the same.

    Args:
        source: what messages call the track.
        work: does the track.
        stage: inside a job, tells where the track is: load, separate or store. There no track may
            end the others, while alone a ``ConfigError`` is wrong for all and is raised.
    """
    try:
        return work()
    except TrackError as error:
        return reject_of(source, error)
    except (StoreError, ConfigError) as error:
        if stage is None:
            raise
        retryable = isinstance(error, StoreError) and error.retryable
        message = _named(source, str(error))
        return Reject(source, stage(), type(error).__name__, message, retryable)
    except Exception as error:
        level, shows = (
            (logging.DEBUG, "-v") if stage is None else (logging.WARNING, "the worker's log")
        )
        logger.log(level, "event=track_failed source=%s", source, exc_info=True)
        message = f"{source}: unexpected {type(error).__name__}: {error}; {shows} shows where"
        where = "separate" if stage is None else stage()
        # Whether it is the track's fault is not known, so a later run tries again.
        return Reject(source, where, type(error).__name__, message, retryable=True)


def reject_of(source: str, error: TrackError) -> Reject:
    """The record of an expected error."""
    stage = next((name for kind, name in _STAGES if isinstance(error, kind)), "separate")
    message = _named(source, str(error))
    return Reject(source, stage, type(error).__name__, message, error.retryable)


def _named(source: str, message: str) -> str:
    """The decoder names the file, the others do not know it."""
    return message if message.startswith(source) else f"{source}: {message}"
