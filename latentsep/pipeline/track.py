"""One track from its file to its stems."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from latentsep.audio.decode import Decoder
from latentsep.audio.source import SourceInfo
from latentsep.pipeline.inputs import PlannedTrack
from latentsep.pipeline.store import OutputOptions, StemFiles
from latentsep.separation.separator import Separator

OnSeconds = Callable[[float, float | None], None]


@dataclass(frozen=True)
class TrackResult:
    """One separated track."""

    source: str
    stems: dict[str, str]
    info: SourceInfo
    frames: int
    bit_depth: int | None
    mixture_clipped_samples: int
    limited_samples: int
    draw_spread_db: float | None
    draw_spread_by_second_db: list[float | None] | None
    wall_s: float

    @property
    def duration_s(self) -> float:
        """Length of the track."""
        return self.frames / self.info.sample_rate_hz

    @property
    def realtime_factor(self) -> float:
        """Seconds of audio per second of wall time, file to file."""
        return self.duration_s / self.wall_s


class FileSeparator:
    """Separates files one after another with one model and one decoder child."""

    def __init__(self, separator: Separator, decoder: Decoder, output: OutputOptions) -> None:
        self.separator = separator
        self.decoder = decoder
        self.output = output

    def separate(self, track: PlannedTrack, on_seconds: OnSeconds) -> TrackResult:
        """Read one file and write its stems.

        Args:
            track: the file and the final path of each stem.
            on_seconds: told the seconds written so far and the track's length, where it is known.

        Raises:
            TrackError: the file cannot be read, separated or written; no stem is left behind.
        """
        began = time.perf_counter()
        with self.decoder.open(track.source) as reader:
            info = reader.info
            fmt = self.output.format_for(info)
            with StemFiles(track.stems, fmt, info) as files:
                rate_hz, channels = info.sample_rate_hz, info.channels
                # Not the track's place below OUT: that depends on its companions.
                noise_id = track.source.stem
                session = self.separator.session(rate_hz, channels, noise_id)
                for stems in self.separator.run(session, reader):
                    files.write(stems)
                    on_seconds(files.frames / rate_hz, info.duration_s)
        return TrackResult(
            source=str(track.source),
            stems={stem: str(path) for stem, path in track.stems.items()},
            info=info,
            frames=files.frames,
            bit_depth=fmt.bit_depth,
            mixture_clipped_samples=files.counts.mixture_clipped_samples,
            limited_samples=files.counts.limited_samples,
            draw_spread_db=session.draw_spread_db,
            draw_spread_by_second_db=session.draw_spread_by_second_db,
            wall_s=time.perf_counter() - began,
        )
