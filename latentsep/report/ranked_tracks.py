"""The ranked tracks with what their rows say and how they sound."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from latentsep.catalogue.ledger_parts import RESULTS, read_part
from latentsep.errors import LedgerError
from latentsep.report.counted import CountedResults
from latentsep.report.document import Excerpt, RankedTrack, Ranking
from latentsep.report.excerpts import ExcerptReader, TrackSound
from latentsep.report.measures import MEASURES
from latentsep.report.ranking import Candidate, by_part, chosen_ranker
from latentsep.storage import Store, StoreSettings

_MEASURED = tuple(dict.fromkeys(("duration_s", *(measure.column for measure in MEASURES))))
_PLACES = ("attempt", "uri", "vocals_stem_uri", "accompaniment_stem_uri")

Row = dict[str, Any]


class RankedTracks:
    """Looks up the rows of ranked tracks, and their sound once.

    Args:
        store: the output.
        settings: for sources that lie elsewhere.
    """

    def __init__(self, store: Store, settings: StoreSettings) -> None:
        self._store = store
        self._excerpts = ExcerptReader(store, settings)

    def ranking(
        self, results: CountedResults, longest_s: float | None, problems: list[str]
    ) -> Ranking | None:
        """The ranking as it is now; None where nothing is ranked.

        Args:
            results: that were counted.
            longest_s: for reading excerpts; None to take only those that were read before.
            problems: takes one line for each thing that is missing.
        """
        ranker = chosen_ranker(results.by_reference, results.by_bleed)
        if ranker is None:
            return None
        placed = ranker.placed()
        rows = self._rows([candidate for _, candidate in placed], problems)
        tracks = [
            (_track(place, rows[candidate.track_id]), _sound(rows[candidate.track_id]))
            for place, candidate in placed
            if candidate.track_id in rows
        ]
        excerpts = self._sounds([sound for _, sound in tracks], longest_s, problems)
        return Ranking(
            ranker.measure,
            tuple(
                replace(track, excerpt=excerpt)
                for (track, _), excerpt in zip(tracks, excerpts, strict=True)
            ),
        )

    def _rows(self, candidates: Sequence[Candidate], problems: list[str]) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for key, ids in by_part(candidates).items():
            try:
                part = read_part(self._store, RESULTS, key, ["track_id", *_PLACES, *_MEASURED])
            except LedgerError as error:
                problems.append(f"tracks cannot be shown: {error}")
                continue
            wanted = pc.is_in(part.column("track_id"), value_set=pa.array(ids, pa.string()))
            rows |= {row["track_id"]: row for row in part.filter(wanted).to_pylist()}
        return rows

    def _sounds(
        self, sounds: Sequence[TrackSound], longest_s: float | None, problems: list[str]
    ) -> list[Excerpt | None]:
        if longest_s is None:
            return self._excerpts.known(sounds)
        excerpts = self._excerpts.read(sounds, longest_s)
        if left := excerpts.count(None):
            problems.append(
                f"{left} of {len(sounds)} tracks have no excerpts, since reading them took longer "
                f"than {longest_s:.0f} s; `latentsep report` takes more time"
            )
        return excerpts


def _track(place: str, row: Row) -> RankedTrack:
    values = {name: float(row[name]) for name in _MEASURED if row[name] is not None}
    return RankedTrack(
        place=place,
        track_id=row["track_id"],
        duration_s=values.get("duration_s", 0.0),
        values={name: value for name, value in values.items() if math.isfinite(value)},
    )


def _sound(row: Row) -> TrackSound:
    return TrackSound(
        track_id=row["track_id"],
        attempt=row["attempt"],
        mixture=row["uri"],
        vocals=row["vocals_stem_uri"],
        accompaniment=row["accompaniment_stem_uri"],
    )
