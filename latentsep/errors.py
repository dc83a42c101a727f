"""Every error this package raises on purpose.

LatentsepError
├── ConfigError               bad setting, model or folder; nothing was started; exit code 2
│   ├── ModelError            a model folder that cannot be loaded, or a model nobody knows
│   ├── ManifestError         a manifest that cannot be read, or with rows that cannot be run
│   └── OtherRunError         the output holds the results of another model or other settings
├── TrackError                one track is unusable; the others go on
│   ├── AudioDecodeError      the bytes are not audio we can read
│   │   ├── DecoderCrashedError    the decoder child died on this track
│   │   └── DecoderTimeoutError    the decoder child made no progress in time
│   ├── NonFiniteAudioError   NaN or infinity
│   │   └── NonFiniteSourceError   in the source; also an AudioDecodeError
│   ├── DeviceMemoryError       the device has too little free memory for any batch; retryable
│   ├── AudioEncodeError      a stem cannot be written: full disk, no permission, impossible format
│   ├── SourceChangedError    the source was replaced while it was separated; retryable
│   ├── WorkerCrashedError    the track was started several times and ended its worker each time
│   └── WorkerLostError       the track's row never came back from the cluster; retryable
├── LeaseHeldError            another job works on this output; exit code 3
├── ClusterError              the cluster gave up; what was committed stands, a rerun goes on
├── LedgerError               a part of the ledger cannot be written or read; exit code 4
└── StoreError                the store said no after all retries; `retryable`: later it may say yes
    ├── InvalidKeyError       the key would leave the store or means two things; nothing was asked
    ├── ObjectMissingError    no such object
    ├── AccessDeniedError     no permission, wrong or no credentials
    ├── ObjectExistsError     create: another writer won; nothing of ours is visible
    ├── ObjectChangedError    replace_if, open: the object is another one now, or gone
    ├── WriteConflictError    create, replace_if: writers collided and nobody won; retryable
    └── CommitStateUnknownError    create, replace_if: the reply was lost; read before any retry
"""

from collections.abc import Sequence


class LatentsepError(Exception):
    """Base of all errors raised on purpose; its text is made for the user."""


class ConfigError(LatentsepError):
    """A setting is wrong; nothing was started."""


class ModelError(ConfigError):
    """A model is unknown, or its folder is damaged or of another format."""


class ManifestError(ConfigError):
    """A manifest cannot be read, or has rows that cannot be run.

    Attributes:
        problems: everything that is wrong with its rows and columns, one line each.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class OtherRunError(ConfigError):
    """The output holds the results of another model or of other settings."""


class LeaseHeldError(LatentsepError):
    """Another job works on this output."""


class ClusterError(LatentsepError):
    """The cluster gave up; what was committed stands, and a rerun goes on."""


class LedgerError(LatentsepError):
    """A part of the ledger cannot be written or read; what was committed before stands."""


class TrackError(LatentsepError):
    """One track cannot be separated; the others go on.

    Attributes:
        retryable: a later run may succeed without anybody changing the track.
    """

    retryable: bool = False


class AudioDecodeError(TrackError):
    """The bytes are not audio that can be read."""


class DecoderCrashedError(AudioDecodeError):
    """The decoder child died while it read this track."""


class DecoderTimeoutError(AudioDecodeError):
    """The decoder child made no progress within its limit."""

    retryable = True


class NonFiniteAudioError(TrackError):
    """NaN or infinity in audio."""


class NonFiniteSourceError(NonFiniteAudioError, AudioDecodeError):
    """NaN or infinity in the source."""


class DeviceMemoryError(TrackError):
    """Not even the smallest batch fits into the device's free memory."""

    retryable = True


class AudioEncodeError(TrackError):
    """A stem cannot be written; retryable where the disk was full."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class SourceChangedError(TrackError):
    """The source was replaced while it was separated."""

    retryable = True


class WorkerCrashedError(TrackError):
    """The track was started several times and ended its worker each time."""


class WorkerLostError(TrackError):
    """The track's row never came back from the cluster."""

    retryable = True


class StoreError(LatentsepError):
    """A store said no, after all retries where these made sense.

    Attributes:
        retryable: the same request may succeed later without anybody changing anything here:
            throttling, a server's fault, a broken connection, a full disk.
    """

    retryable: bool = False

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable


class InvalidKeyError(StoreError):
    """The key would leave the store, or different stores would read it differently."""


class ObjectMissingError(StoreError):
    """There is no object of this key."""


class AccessDeniedError(StoreError):
    """No permission, wrong credentials, or none at all."""


class ObjectExistsError(StoreError):
    """The object to create exists: another writer won, and nothing of ours is visible."""


class ObjectChangedError(StoreError):
    """The object is not the one that was read before; it was replaced or deleted."""


class WriteConflictError(StoreError):
    """Conditional writes collided and this one was not carried out; trying again is safe."""

    retryable = True


class CommitStateUnknownError(StoreError):
    """The reply to a conditional write was lost: it may have been carried out or not.

    Read the object before anything else: if it holds what was to be written, the write won.
    """
