"""Every error this package raises on purpose.

LatentsepError
├── ConfigError               bad setting, model or folder; nothing was started; exit code 2
│   └── ModelError            a model folder that cannot be loaded, or a model nobody knows
├── TrackError                one track is unusable; the others go on
│   ├── AudioDecodeError      the bytes are not audio we can read
│   │   ├── DecoderCrashedError    the decoder child died on this track
│   │   └── DecoderTimeoutError    the decoder child made no progress in time
│   ├── NonFiniteAudioError   NaN or infinity
│   │   └── NonFiniteSourceError   in the source; also an AudioDecodeError
│   └── AudioEncodeError      a stem cannot be written: full disk, no permission, impossible format
"""


class LatentsepError(Exception):
    """Base of all errors raised on purpose; its text is made for the user."""


class ConfigError(LatentsepError):
    """A setting is wrong; nothing was started."""


class ModelError(ConfigError):
    """A model is unknown, or its folder is damaged or of another format."""


class TrackError(LatentsepError):
    """One track cannot be separated; the others go on."""


class AudioDecodeError(TrackError):
    """The bytes are not audio that can be read."""


class DecoderCrashedError(AudioDecodeError):
    """The decoder child died while it read this track."""


class DecoderTimeoutError(AudioDecodeError):
    """The decoder child made no progress within its limit."""


class NonFiniteAudioError(TrackError):
    """NaN or infinity in audio."""


class NonFiniteSourceError(NonFiniteAudioError, AudioDecodeError):
    """NaN or infinity in the source."""


class AudioEncodeError(TrackError):
    """A stem cannot be written."""
