"""The record of what was withdrawn from the ledger; it comes before the rows go."""

import pyarrow as pa

from latentsep.catalogue.ledger_parts import PartKind
from latentsep.catalogue.schema import STEM_NAMES, Column

FORGOTTEN = "forgotten"
"""The reason that keeps a track out for ever."""

_STEMS = tuple(
    Column(f"{stem}_stem_uri", pa.string(), "", f"where the {stem} lay", nullable=True)
    for stem in STEM_NAMES
)
WITHDRAWN_COLUMNS = (
    Column("track_id", pa.string(), "", "id of the track"),
    Column("reason", pa.string(), "", "forgotten: for ever; anything else: until it is done anew"),
    Column("uri", pa.string(), "", "where the mixture lay; null without a result", nullable=True),
    *_STEMS,
    Column("run_id", pa.string(), "", "of the row that went; null without one", nullable=True),
    Column("attempt", pa.string(), "", "of the row that went; null without one", nullable=True),
    Column("withdrawn_at", pa.timestamp("us", tz="UTC"), "", "when"),
)
WITHDRAWN = PartKind("withdrawn", pa.schema([column.field for column in WITHDRAWN_COLUMNS]))
