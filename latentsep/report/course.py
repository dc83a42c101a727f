"""Throughput over time, from the times of the commits."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import numpy.typing as npt

from latentsep.catalogue.status import ResultCount
from latentsep.report.document import Course

MOST_BINS = 60
SHORTEST_BIN_S = 1.0


def course_of(
    count: ResultCount, rejects: Mapping[datetime, int], begun_at: datetime | None
) -> Course | None:
    """Commits in even bins, as many as there are commits and at most ``MOST_BINS``.

    Args:
        count: of the results.
        rejects: reject rows by the time of their commit.
        begun_at: when the run began, which is before its first commit; the first commit if None.
    """
    times = sorted(count.by_time.keys() | rejects.keys())
    if not times:
        return None
    begin = min(times[0], begun_at or times[0])
    span_s = (times[-1] - begin).total_seconds()
    bins = max(1, min(MOST_BINS, len(times), int(span_s / SHORTEST_BIN_S)))
    bin_s = max(span_s / bins, SHORTEST_BIN_S)

    def binned(amounts: Mapping[datetime, float]) -> npt.NDArray[np.float64]:
        places = [min(bins - 1, int((time - begin).total_seconds() / bin_s)) for time in amounts]
        sums = np.zeros(bins)
        np.add.at(sums, places, list(amounts.values()))
        return sums

    audio_s = binned({time: done.audio_s for time, done in count.by_time.items()})
    tracks = binned({time: done.tracks for time, done in count.by_time.items()})
    return Course(
        begin=begin,
        bin_s=bin_s,
        audio_s=tuple(audio_s.tolist()),
        tracks=tuple(map(int, tracks)),
        rejects=tuple(map(int, binned(rejects))),
    )


def realtime_factor_of(course: Course | None) -> float | None:
    """Audio-seconds per second over a whole course, its pauses included; None if it has none."""
    if course is None or not sum(course.audio_s):
        return None
    return sum(course.audio_s) / (course.bin_s * len(course.audio_s))
