"""How far a decoder child may go before it is stopped."""

import json
from dataclasses import asdict, dataclass

from latentsep.errors import AudioDecodeError, ConfigError

MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 192_000
MAX_CHANNELS = 64


@dataclass(frozen=True)
class DecodeLimits:
    """Bounds on one decoder child and on the audio it accepts.

    Attributes:
        block_frames: samples per channel in one block; bounds the memory of both sides.
        no_progress_timeout_s: longest wait for the child's next bytes.
        total_timeout_s: longest sum of all waits for one source; the reader's time is not counted.
        memory_bytes: address space of the child (RLIMIT_AS).
        min_sample_rate_hz: lowest rate accepted.
        max_sample_rate_hz: highest rate accepted.
        max_channels: highest channel count accepted.
    """

    block_frames: int = 65_536
    no_progress_timeout_s: float = 60.0
    total_timeout_s: float | None = None
    memory_bytes: int = 2 * 1024**3
    min_sample_rate_hz: int = MIN_SAMPLE_RATE_HZ
    max_sample_rate_hz: int = MAX_SAMPLE_RATE_HZ
    max_channels: int = MAX_CHANNELS

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and value <= 0:
                raise ConfigError(f"DecodeLimits.{name} must be above 0, got {value}")

    def check_format(self, sample_rate_hz: int, channels: int) -> None:
        """Refuse a sample rate or channel count that no real recording has.

        Raises:
            AudioDecodeError: one of them lies outside the limits.
        """
        low_hz, high_hz = self.min_sample_rate_hz, self.max_sample_rate_hz
        if not low_hz <= sample_rate_hz <= high_hz:
            raise AudioDecodeError(
                f"sample rate is {sample_rate_hz} Hz, allowed are {low_hz} to {high_hz} Hz; "
                "the header is damaged or the file needs resampling first"
            )
        if not 1 <= channels <= self.max_channels:
            raise AudioDecodeError(
                f"header declares {channels} channels, allowed are 1 to {self.max_channels}"
            )

    def to_json(self) -> str:
        """One JSON object with a key per attribute."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "DecodeLimits":
        """Inverse of ``to_json``."""
        return cls(**json.loads(text))
