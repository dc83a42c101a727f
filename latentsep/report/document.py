"""What the page shows, before anything is drawn: plain values, one class for each part.

``read`` makes it of an output, ``page`` makes HTML of it; neither knows the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from latentsep.catalogue.failed import RejectGroup
from latentsep.catalogue.status import DoneCount, Rate


@dataclass(frozen=True)
class Measure:
    """A column of the results whose distribution is shown.

    Attributes:
        column: its name in the ledger.
        title: for people, without the unit.
        unit: for people; empty for a ratio.
        meaning: one sentence, with which direction is better where there is one.
        low, high: ends of the histogram; what lies outside counts in the first or last bin.
        better: ``high``, ``low``, or ``none`` where neither is.
    """

    column: str
    title: str
    unit: str
    meaning: str
    low: float
    high: float
    better: str = "none"


@dataclass(frozen=True)
class Distribution:
    """How a measure is distributed over the tracks.

    Attributes:
        measure: which.
        counts: tracks by bin, the bins evenly spaced from ``measure.low`` to ``measure.high``.
        tracks: that have a value.
        undefined: that have none.
        quantiles: ``(0.05, 0.25, 0.5, 0.75, 0.95)`` from the bins, so exact to one bin's width;
            None without a value.
    """

    measure: Measure
    counts: tuple[int, ...]
    tracks: int
    undefined: int
    quantiles: tuple[float, float, float, float, float] | None


@dataclass(frozen=True)
class Course:
    """Throughput over time, in even bins from the begin of the run to its last commit.

    Attributes:
        begin: of the first bin: when the run was begun, or the first commit if that is not known.
        bin_s: length of one.
        audio_s: duration of the tracks committed in each bin.
        tracks: committed in each bin.
        rejects: reject rows committed in each bin.
    """

    begin: datetime
    bin_s: float
    audio_s: tuple[float, ...]
    tracks: tuple[int, ...]
    rejects: tuple[int, ...]


@dataclass(frozen=True)
class StemView:
    """One signal of a track's excerpt.

    Attributes:
        name: ``mixture``, ``vocals`` or ``accompaniment``.
        levels_db: spectrogram ``[band, column]``, lowest band first, at most 0; bands are evenly
            spaced on a logarithmic scale from ``document.LOWEST_HZ`` to ``document.HIGHEST_HZ``.
        audio: bytes of a small file that browsers play; empty if there was no room.
        media_type: of it, such as ``audio/ogg``.
    """

    name: str
    levels_db: npt.NDArray[np.float32]
    audio: bytes
    media_type: str


@dataclass(frozen=True)
class Excerpt:
    """A few seconds of a track, its loudest vocals.

    Attributes:
        start_s, length_s: where it lies in the track.
        stems: what could be read, mixture first.
        problems: one line for each signal that could not be had.
    """

    start_s: float
    length_s: float
    stems: tuple[StemView, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class RankedTrack:
    """One of the best, median or worst tracks.

    Attributes:
        place: ``best``, ``median`` or ``worst``.
        track_id: as in the manifest; anything may stand in it.
        duration_s: of the track.
        values: by column, what is defined of the measures.
        excerpt: None where none was asked for.
    """

    place: str
    track_id: str
    duration_s: float
    values: Mapping[str, float]
    excerpt: Excerpt | None = None


@dataclass(frozen=True)
class Ranking:
    """The tracks to listen to, and by what they were ranked.

    Attributes:
        measure: SI-SDR where references were given, else ``bleed_db``.
        tracks: best first, then median, then worst; a track comes once.
    """

    measure: Measure
    tracks: tuple[RankedTrack, ...]


@dataclass(frozen=True)
class Difference:
    """One line of a comparison: a measure's medians over the tracks that both runs finished.

    Attributes:
        measure: which.
        tracks: with a value in both.
        before, after: medians; after is this run's.
        better, worse: tracks whose value moved by more than a hundredth of the measure's range; of
            a measure without a direction, up counts as better.
    """

    measure: Measure
    tracks: int
    before: float
    after: float
    better: int
    worse: int


@dataclass(frozen=True)
class Comparison:
    """This run against another one.

    Attributes:
        against: the other output.
        identity_changes: ``(name, before, after)`` of what was set otherwise.
        common_tracks: finished in both; only_here, only_there: in one.
        differences: by measure.
        before_realtime_factor, after_realtime_factor: of each run's whole course, where known.
        problem: why there is no comparison; everything else is empty then.
    """

    against: str
    identity_changes: tuple[tuple[str, str, str], ...] = ()
    common_tracks: int = 0
    only_here: int = 0
    only_there: int = 0
    differences: tuple[Difference, ...] = ()
    before_realtime_factor: float | None = None
    after_realtime_factor: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Report:
    """Everything on the page. What could not be had is None or empty, and ``problems`` says why.

    Attributes:
        out: the output, a folder or URI.
        made_at: by the clock of this machine.
        state: of ``JobState``: running, done, interrupted, stale...
        state_reason: one line, for people; None if there is nothing to say.
        run_id, identity, about: of ``run.json``.
        model, model_licence: of the results or the identity.
        manifest: as the job was given it.
        tracks_wanted, audio_wanted_s: of the manifest, where known.
        finished: what is done.
        rejected, retryable, forgotten: tracks.
        rate: while a job runs.
        course: None before the first commit.
        stage_s: seconds of all tracks by stage (fetch, decode, separate, measure, encode, upload).
        distributions: of every measure that has a value in some track, the most telling first.
        rejects: by reason, with examples.
        ranking: None where nothing is ranked.
        comparison: None where none was asked for.
        problems: one line for each thing that is missing or damaged.
    """

    out: str
    made_at: datetime
    state: str
    state_reason: str | None
    run_id: str | None
    identity: Mapping[str, object]
    about: Mapping[str, object]
    model: str | None
    model_licence: str | None
    manifest: str | None
    tracks_wanted: int | None
    audio_wanted_s: float | None
    finished: DoneCount
    rejected: int
    retryable: int
    forgotten: int
    rate: Rate | None
    course: Course | None
    stage_s: Mapping[str, float]
    distributions: tuple[Distribution, ...]
    rejects: tuple[RejectGroup, ...]
    ranking: Ranking | None
    comparison: Comparison | None
    problems: tuple[str, ...] = ()


LOWEST_HZ = 60.0
HIGHEST_HZ = 16_000.0
