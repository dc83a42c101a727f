"""Outputs of a catalogue job, made without one: rows, stems, status, lease."""

import hashlib
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import soundfile

from latentsep.catalogue.lease import Holder
from latentsep.catalogue.ledger import Ledger
from latentsep.catalogue.run_identity import open_run
from latentsep.catalogue.schema import REJECT, RESULT, STEM_NAMES
from latentsep.catalogue.track_ids import stem_key

RATE_HZ = 8_000
FRAMES = 400
IDENTITY = {"model": "tiny", "model_sha256": "ab" * 32, "steps": 1}
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_OF_TYPE = {
    pa.string(): "text",
    pa.float64(): 1.0,
    pa.int64(): 1,
    pa.int32(): 1,
    pa.bool_(): False,
    pa.timestamp("us", tz="UTC"): EPOCH,
    pa.list_(pa.float32()): [1.0],
}


def result_row(track_id, **changes):
    """A row of the results, with stand-ins for whatever is not given."""
    own = {"track_id": track_id, "uri": f"file:///music/{track_id}.wav", "attempt": "1"}
    return {**{field.name: _OF_TYPE[field.type] for field in RESULT}, **own, **changes}


def reject_row(track_id, **changes):
    """A row of the rejects."""
    own = {
        "track_id": track_id, "uri": f"file:///music/{track_id}.wav", "attempt": "1",
        "stage": "load", "error_class": "AudioDecodeError", "message": f"{track_id} is no audio",
    }  # fmt: skip
    return {**{field.name: _OF_TYPE[field.type] for field in REJECT}, **own, **changes}


def table_of(rows, schema, further=()):
    """Rows as a table of the ledger, with further columns of the manifest."""
    fields = [*schema, *(pa.field(name, kind) for name, kind in further)]
    return pa.Table.from_pylist(list(rows), schema=pa.schema(fields))


class TinyOutput:
    """An output that tests put together."""

    def __init__(self, store, *, begun=True):
        self.store = store
        self.ledger = Ledger(store, "tiny")
        if begun:
            open_run(store, IDENTITY, {"code_version": "0"})

    def commit(self, results=(), rejects=(), further=()):
        """Commit rows as they are."""
        self.ledger.load()
        return self.ledger.commit(
            table_of(results, RESULT, further), table_of(rejects, REJECT, further)
        )

    def finish(self, *track_ids, **changes):
        """Commit tracks with real stems of 50 ms."""
        self.commit([
            result_row(track_id, **self.stems(track_id), **changes) for track_id in track_ids
        ])  # fmt: skip

    def stems(self, track_id, attempt="1", frames=FRAMES):
        """Write the stems of one attempt; the columns that describe them."""
        row = {
            "attempt": attempt, "stem_codec": "flac", "stem_sample_rate_hz": RATE_HZ,
            "stem_frames": frames,
        }  # fmt: skip
        for number, stem in enumerate(STEM_NAMES):
            data = flac(f"{track_id}{attempt}{number}", frames)
            key = stem_key(track_id, attempt, stem, "flac")
            self.store.write(key, data)
            row[f"{stem}_stem_uri"] = self.store.uri_of(key)
            row[f"{stem}_stem_bytes"] = len(data)
            row[f"{stem}_stem_sha256"] = hashlib.sha256(data).hexdigest()
        return row

    def listed(self, prefix="stems/"):
        """What lies below a prefix."""
        return [info.key for info in self.store.list(prefix)]

    def tell(self, state, *, job="tiny", ago=timedelta(0), **changes):
        """Write ``status.json`` as a job does that began so long ago."""
        now = datetime.now(UTC)
        document = {
            "state": state, "reason": None, "run_id": "0", "job": job,
            "started_at": (now - ago).isoformat(), "updated_at": now.isoformat(),
            "manifest": "s3://bucket/manifest.parquet", "tracks": 10, "audio_s": None,
            "planned": 10, "finished_before": 0, "finished": 0, "rejected": 0, "audio_done_s": 0.0,
            "realtime_factor": None, "eta_s": None, "workers": 1, "device": "cpu",
        }  # fmt: skip
        self.store.write("status.json", json.dumps({**document, **changes}).encode())


def flac(seed_text, frames=FRAMES):
    """Stereo noise that depends on the text."""
    seed = int.from_bytes(hashlib.sha256(seed_text.encode()).digest()[:4], "big")
    noise = np.random.default_rng(seed).standard_normal((frames, 2)) * 0.1
    file = io.BytesIO()
    soundfile.write(file, noise, RATE_HZ, format="FLAC")
    return file.getvalue()


def ended_holder():
    """A process of this machine that is over."""
    program = (
        "import dataclasses, json; from latentsep.catalogue.lease import Holder;"
        "print(json.dumps(dataclasses.asdict(Holder.of_this_process())))"
    )
    command = [sys.executable, "-c", program]
    told = subprocess.run(command, capture_output=True, check=True, text=True)
    return Holder(**json.loads(told.stdout))
