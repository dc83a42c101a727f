"""Reports as the page gets them, made without an output."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import soundfile

from latentsep.catalogue.failed import Example, RejectGroup
from latentsep.catalogue.status import DoneCount, Rate
from latentsep.report.document import (
    Comparison,
    Course,
    Difference,
    Distribution,
    Excerpt,
    Measure,
    RankedTrack,
    Ranking,
    Report,
    StemView,
)

BLEED = Measure("bleed_db", "Bleed", "dB", "Overlap of the stems.", -60.0, 0.0, "low")
ACTIVITY = Measure("vocal_activity_ratio", "Singing", "", "Share with singing.", 0.0, 1.0)
MEASURES = (BLEED, ACTIVITY)
BEGIN = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
RATE_HZ = 8_000


def report(**changes):
    """A finished run with something in every part."""
    made = Report(
        out="/music/out",
        made_at=BEGIN,
        state="done",
        state_reason=None,
        run_id="0123abcd",
        identity={"model": "tiny", "steps": 1},
        about={"code_version": "0"},
        model="tiny",
        model_licence="Apache-2.0",
        manifest="/music/manifest.parquet",
        tracks_wanted=20,
        audio_wanted_s=4000.0,
        finished=DoneCount(17, 3400.0, 123_456_789),
        rejected=3,
        retryable=1,
        forgotten=0,
        rate=None,
        course=Course(BEGIN, 60.0, (600.0, 0.0, 2800.0), (3, 0, 14), (0, 1, 2)),
        stage_s={"decode": 10.0, "separate": 70.0, "encode": 20.0},
        distributions=tuple(distribution(measure) for measure in MEASURES),
        rejects=(
            RejectGroup("load", "AudioDecodeError", False, 2, (example("a"), example("b"))),
            RejectGroup("store", "StoreError", True, 1, (example("c"),)),
        ),
        ranking=Ranking(BLEED, tuple(ranked(p, f"{p} {n}") for p in PLACES for n in range(2))),
        comparison=Comparison(
            "/music/before",
            identity_changes=(("steps", "2", "1"),),
            common_tracks=16,
            only_here=1,
            only_there=2,
            differences=(Difference(BLEED, 16, -20.0, -22.5, 9, 3),),
            before_realtime_factor=10.0,
            after_realtime_factor=18.9,
        ),
    )
    return replace(made, **changes)


PLACES = ("best", "median", "worst")


def running_report(**changes):
    """The same while a job works on it."""
    return report(state="running", rate=Rate(600.0, 9, 1800.0, 185.0), **changes)


def empty_report(**changes):
    """Of an output that was only begun."""
    nothing = {
        "state": "not started", "run_id": None, "identity": {}, "about": {}, "model": None,
        "model_licence": None, "manifest": None, "tracks_wanted": None, "audio_wanted_s": None,
        "finished": DoneCount(), "rejected": 0, "retryable": 0, "course": None, "stage_s": {},
        "distributions": (), "rejects": (), "ranking": None, "comparison": None,
    }  # fmt: skip
    return report(**{**nothing, **changes})


def distribution(measure):
    """Eight tracks; one has no value."""
    fifth = (measure.high - measure.low) / 5
    quantiles = tuple(measure.low + fifth * share for share in (0.5, 1.5, 2.5, 3.5, 4.5))
    return Distribution(measure, (1, 2, 3, 1, 0), 7, 1, quantiles)


def example(track_id):
    """One reject."""
    return Example(track_id, f"file:///music/{track_id}.wav", f"{track_id} is no audio")


def ranked(place, track_id, **changes):
    """A track to listen to."""
    values = {"bleed_db": -22.5, "vocal_activity_ratio": 0.31}
    stems = tuple(stem(name) for name in ("mixture", "vocals", "accompaniment"))
    made = RankedTrack(place, track_id, 200.0, values, Excerpt(62.0, 0.5, stems))
    return replace(made, **changes)


def stem(name, seconds=0.5):
    """A tone, and a spectrogram that rises."""
    levels_db = np.linspace(-80.0, 0.0, 32 * 40, dtype=np.float32).reshape(32, 40)
    return StemView(name, levels_db, tone_ogg(seconds), "audio/ogg")


@cache
def tone_ogg(seconds):
    """A tone as Ogg Vorbis; made once, since each stream gets a number by chance."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.sin(2 * np.pi * 440 * time_s), RATE_HZ, format="OGG")
    return file.getvalue()
