"""The columns of the ledger, in one place: schemas and docs table are made of them."""

from dataclasses import dataclass

import pyarrow as pa

STEM_NAMES = ("vocals", "accompaniment")
MANIFEST_COLUMNS = ("track_id", "uri", "duration_s")
"""What a manifest's own columns are called; all others are carried through untouched."""
REFERENCE_COLUMNS = ("vocals_uri", "accompaniment_uri")
"""Optional manifest columns: true stems to score against. Carried through as well."""

OUTCOME_COLUMNS = ("result", "reject")
"""Columns that carry a worker's rows to the driver."""

_STRING, _FLOAT, _LONG, _INT = pa.string(), pa.float64(), pa.int64(), pa.int32()
_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column: its type, its unit where it has one, and what it means."""

    name: str
    type: pa.DataType
    unit: str
    description: str
    nullable: bool = False

    @property
    def field(self) -> pa.Field:
        """The Arrow field; unit and description are its metadata."""
        about = {"unit": self.unit, "description": self.description}
        return pa.field(self.name, self.type, self.nullable, metadata=about)


def _column(name: str, kind: pa.DataType, unit: str, description: str) -> Column:
    return Column(name, kind, unit, description)


def _optional(name: str, kind: pa.DataType, unit: str, description: str) -> Column:
    return Column(name, kind, unit, description, nullable=True)


_TRACK = (
    _column("track_id", _STRING, "", "id of the track, as in the manifest"),
    _column("uri", _STRING, "", "where the mixture lies"),
)
_SOURCE = (
    _column("source_container", _STRING, "", "file format of the source: wav, flac, mp3, mov..."),
    _column("source_codec", _STRING, "", "sample coding of the source: pcm_16, vorbis, aac..."),
    _column("source_sample_rate_hz", _INT, "Hz", "sample rate of the source and of its stems"),
    _column("source_channels", _INT, "", "channels of the source and of its stems"),
    _optional("source_bit_depth", _INT, "bit", "of integer PCM; null for float and lossy sources"),
    _column("source_frames", _LONG, "frame", "samples per channel that were decoded"),
    _column("duration_s", _FLOAT, "s", "source_frames / source_sample_rate_hz"),
    _column("source_bytes", _LONG, "B", "size of the source object"),
    _column("source_sha256", _STRING, "", "digest of the source object"),
    _column("source_etag", _STRING, "", "the store's etag of the source when it was read"),
)
_STEMS = (
    *(
        column
        for stem in STEM_NAMES
        for column in (
            _column(f"{stem}_stem_uri", _STRING, "", f"where the {stem} lie"),
            _column(f"{stem}_stem_bytes", _LONG, "B", f"size of the {stem} object"),
            _column(f"{stem}_stem_sha256", _STRING, "", f"digest of the {stem} object"),
        )
    ),
    _column("stem_codec", _STRING, "", "coding of both stems: flac, wav, mp3, ogg, opus"),
    _column("stem_sample_rate_hz", _INT, "Hz", "sample rate of both stems"),
    _optional("stem_bit_depth", _INT, "bit", "of both stems; null for lossy ones"),
    _column("stem_frames", _LONG, "frame", "samples per channel of each stem"),
)
_QUALITY = (
    _column("vocal_activity_ratio", _FLOAT, "0..1", "share of the track in which the vocals sound"),
    _column("silence_ratio", _FLOAT, "0..1", "share of the track in which the mixture is silent"),
    _optional("mixture_loudness_lufs", _FLOAT, "LUFS", "integrated loudness of the mixture"),
    _optional("vocals_loudness_lufs", _FLOAT, "LUFS", "integrated loudness of the vocals"),
    _optional("accompaniment_loudness_lufs", _FLOAT, "LUFS", "the same of the accompaniment"),
    _optional("mixture_peak_db", _FLOAT, "dBFS", "largest sample; null for digital silence"),
    _optional("vocals_peak_db", _FLOAT, "dBFS", "largest sample; null for digital silence"),
    _optional("accompaniment_peak_db", _FLOAT, "dBFS", "largest sample; null for digital silence"),
    _column("mixture_clipped_samples", _LONG, "sample", "beyond full scale in the source, clipped"),
    _column("limited_samples", _LONG, "sample", "vocals samples held back so that the sum fits"),
    _optional("bleed_db", _FLOAT, "dB", "spectral overlap of the stems; lower is cleaner"),
    _optional("bandwidth_hz", _FLOAT, "Hz", "highest frequency the mixture carries"),
    _optional(
        "draw_spread_db",
        _FLOAT,
        "dB",
        "spread of the draws to their mean, as wide as a `temperature` of 1 would have it; null "
        "for one",
    ),
    _optional(
        "draw_spread_by_second_db",
        pa.list_(pa.float32()),
        "dB",
        "the same for each second of the track, low where the model is sure; null where silent",
    ),
)
_SCORES = (
    *(
        _optional(
            f"{stem}_{name}_db", _FLOAT, "dB", f"{text} of the {stem}, if references are given"
        )
        for stem in STEM_NAMES
        for name, text in (("sdr", "utterance SDR"), ("si_sdr", "utterance SI-SDR"))
    ),
    _optional("reference_error", _STRING, "", "why the references could not be used"),
)
_TIMES = (
    _column("fetch_s", _FLOAT, "s", "waiting for the source object and its digest"),
    _column("decode_s", _FLOAT, "s", "waiting for decoded audio, and resampling it"),
    _column("separate_s", _FLOAT, "s", "waiting for the model, the queue included"),
    _column("measure_s", _FLOAT, "s", "the quality columns"),
    _column("encode_s", _FLOAT, "s", "writing the stems' files"),
    _column("upload_s", _FLOAT, "s", "digests of the stems and their upload"),
    _column("wall_s", _FLOAT, "s", "from the start of the track to its last upload"),
)
_MODEL = (
    _column("model_name", _STRING, "", "name of the model"),
    _column("model_sha256", _STRING, "", "digest of the model's weights"),
    _column("model_licence", _STRING, "", "licence of the model's weights"),
    _column("steps", _INT, "", "sampler steps"),
    _column("draws", _INT, "", "samples averaged"),
    _column("nfe", _INT, "", "network calls per chunk, for all steps and draws"),
    _column("seed", _LONG, "", "base of all noise"),
)
_RUN = (
    _column("run_id", _STRING, "", "digest of everything that decides the bytes of a stem"),
    _column("attempt", _STRING, "", "the try that made this row; part of the stems' URIs"),
    _column("host", _STRING, "", "machine that did the work"),
    _column("code_version", _STRING, "", "version of latentsep"),
    _column("committed_at", _TIME, "", "when the driver committed the row"),
)
_PLACE = (
    _column("device", _STRING, "", "cpu, or the name of the GPU"),
    _column("batch_chunks", _INT, "", "chunks per call of the network at the end of the track"),
)
_REASON = (
    _optional("duration_s", _FLOAT, "s", "duration that the manifest declares"),
    _column("stage", _STRING, "", "load, separate, store or worker"),
    _column("error_class", _STRING, "", "kind of the error"),
    _column("message", _STRING, "", "what was wrong, for people"),
    _column("retryable", pa.bool_(), "", "a later run may succeed by itself, and tries"),
    _optional("source_etag", _STRING, "", "the source that failed, where it was reached"),
)

RESULT_COLUMNS = (
    *_TRACK, *_SOURCE, *_STEMS, *_QUALITY, *_SCORES, *_TIMES, *_MODEL, *_PLACE, *_RUN,
)  # fmt: skip
REJECT_COLUMNS = (*_TRACK, *_REASON, *_RUN)
RESULT = pa.schema([column.field for column in RESULT_COLUMNS])
"""One row for each finished track; the manifest's further columns follow."""
REJECT = pa.schema([column.field for column in REJECT_COLUMNS])
"""One row for each failed attempt; the manifest's further columns follow."""


def reserved_names() -> frozenset[str]:
    """Names that a manifest's further columns must not have."""
    own = {*RESULT.names, *REJECT.names, *OUTCOME_COLUMNS}
    return frozenset(own) - frozenset(MANIFEST_COLUMNS)


def columns_table() -> str:
    """Both schemas as Markdown tables, for the docs."""
    return _markdown("Results", RESULT_COLUMNS) + "\n" + _markdown("Rejects", REJECT_COLUMNS)


def _markdown(title: str, columns: tuple[Column, ...]) -> str:
    head = [f"### {title}", "", "| column | type | unit | meaning |", "|---|---|---|---|"]
    rows = [
        f"| `{column.name}` | {column.type}{' or null' if column.nullable else ''} "
        f"| {column.unit} | {column.description} |"
        for column in columns
    ]
    return "\n".join([*head, *rows]) + "\n"
