"""The track boundary: whatever goes wrong with one track becomes a record, and the next goes on.

This is the only place that catches everything.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from latentsep.errors import AudioDecodeError, AudioEncodeError, ConfigError, TrackError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Reject:
    """Why a track could not be separated."""

    source: str
    stage: str
    error_class: str
    message: str


def separate_or_reject(source: str, work: Callable[[], Result]) -> Result | Reject:
    """Run the work of one track; an exception becomes a ``Reject``.

    A ``TrackError`` is expected and its text is made for the user. Anything else is a bug or the
    machine's fault: it is logged with its trace, and the other tracks go on all the same.
    """
    try:
        return work()
    except ConfigError:
        raise  # wrong for every track: not this one's fault
    except TrackError as error:
        return Reject(source, _stage(error), type(error).__name__, _named(source, str(error)))
    except Exception as error:
        logger.debug("source=%s failed", source, exc_info=True)
        message = f"{source}: unexpected {type(error).__name__}: {error}; -v shows where"
        return Reject(source, "separate", type(error).__name__, message)


def _named(source: str, message: str) -> str:
    """The decoder names the file, the others do not know it."""
    return message if message.startswith(source) else f"{source}: {message}"


def _stage(error: TrackError) -> str:
    if isinstance(error, AudioDecodeError):
        return "load"
    if isinstance(error, AudioEncodeError):
        return "store"
    return "separate"
