"""Outputs with real stems of a second or so, for tests of what the report reads."""

import numpy as np
import soundfile
from tiny_outputs import TinyOutput, result_row

from latentsep.catalogue.track_ids import stem_key
from latentsep.storage import StoreSettings
from latentsep.storage.local import LocalStore

RATE_HZ = 8_000
SETTINGS = StoreSettings()
NO_SCORES = {
    f"{stem}_{name}_db": None for stem in ("vocals", "accompaniment") for name in ("sdr", "si_sdr")
}
"""Changes to a row of a track without references."""


def new_output(folder, name="out"):
    return TinyOutput(LocalStore(folder / name))


def write_sound(path, sound, rate_hz=RATE_HZ, **format_):
    """``[sample, channel]`` as an audio file; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate_hz, **format_)
    return path


def tone(seconds, hz=440.0, rate_hz=RATE_HZ, level=0.5):
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def sounding_row(output, folder, track_id, seconds=1.0, **changes):
    """A row whose mixture and stems lie on the disk."""
    signals = {"mixture": tone(seconds), "vocals": tone(seconds, 660.0)}
    signals["accompaniment"] = signals["mixture"] - signals["vocals"]
    mixture = write_sound(folder / "music" / f"{track_id}.flac", signals["mixture"])
    row = {"uri": mixture.as_uri(), "duration_s": seconds, **NO_SCORES}
    for stem in ("vocals", "accompaniment"):
        key = stem_key(track_id, "1", stem, "flac")
        write_sound(folder / "out" / key, signals[stem])
        row[f"{stem}_stem_uri"] = output.store.uri_of(key)
    return result_row(track_id, **{**row, **changes})
