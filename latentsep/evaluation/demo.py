"""The demo's catalogue: generated tracks of many formats, three files that are none, a manifest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.csv

from latentsep.audio.encode import AudioWriter, StemFormat
from latentsep.audio.quantise import quantise
from latentsep.audio.resample import resample
from latentsep.audio.waveform import Waveform
from latentsep.evaluation.songs import GeneratedSong, TrueSong

SONG_S = 24.0
LONG_S = 20 * 60.0
MANIFEST = "manifest.csv"
FLAC, WAV, MP3, OGG, OPUS = "flac", "wav", "mp3", "ogg", "opus"
AAC = "m4a"


@dataclass(frozen=True)
class DemoTrack:
    """How one of the demo's tracks is stored; the long one is made of all the others."""

    track_id: str
    codec: str
    sample_rate_hz: int
    channels: int
    bit_depth: int | None = None

    @property
    def has_references(self) -> bool:
        """Whether its true vocals are stored beside it: lossy files are not aligned to them."""
        return self.bit_depth is not None


TRACKS = (
    DemoTrack("wav-16", WAV, 44_100, 2, 16),
    DemoTrack("wav-24-96k", WAV, 96_000, 2, 24),
    DemoTrack("wav-float", WAV, 48_000, 2, 32),
    DemoTrack("wav-mono-22k", WAV, 22_050, 1, 16),
    DemoTrack("flac-16", FLAC, 44_100, 2, 16),
    DemoTrack("flac-24-48k", FLAC, 48_000, 2, 24),
    DemoTrack("flac-mono", FLAC, 32_000, 1, 16),
    DemoTrack("mp3", MP3, 44_100, 2),
    DemoTrack("mp3-mono", MP3, 24_000, 1),
    DemoTrack("ogg-vorbis", OGG, 44_100, 2),
    DemoTrack("ogg-opus", OPUS, 48_000, 2),
    DemoTrack("m4a-aac", AAC, 44_100, 2),
)
LONG_TRACK = DemoTrack("long-20-minutes", FLAC, 44_100, 2, 16)
BAD_IDS = ("bad-truncated", "bad-empty", "bad-text")


def write_catalogue(folder: Path, song_s: float = SONG_S, long_s: float = LONG_S) -> Path:
    """Write the tracks and their manifest, unless the manifest is there already; its path.

    Raises:
        AudioEncodeError: the folder cannot be written.
    """
    manifest = folder / MANIFEST
    if manifest.exists():
        return manifest
    rows = [*_write_tracks(folder, song_s, long_s), *_write_bad(folder)]
    names = ("track_id", "uri", "title", "vocals_uri")
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    # Last, and whole or not at all: its being there means that all tracks are.
    unfinished = manifest.with_suffix(".tmp")
    pyarrow.csv.write_csv(table, unfinished)
    unfinished.replace(manifest)
    return manifest


def _write_tracks(folder: Path, song_s: float, long_s: float) -> Iterator[dict[str, str]]:
    mixtures = []
    songs = (GeneratedSong(number, song_s).load() for number in range(len(TRACKS)))
    for track, song in zip(TRACKS, songs, strict=True):
        mixtures.append(song.mixture)
        yield _write_track(folder, track, song)
    repeats = -(-int(long_s * 44_100) // sum(mixture.shape[1] for mixture in mixtures))
    medley = np.concatenate(mixtures * repeats, axis=1)[:, : int(long_s * 44_100)]
    path = folder / "tracks" / f"{LONG_TRACK.track_id}.flac"
    _write(path, LONG_TRACK, medley)
    yield {"track_id": LONG_TRACK.track_id, "uri": str(path.relative_to(folder)), "title": "Medley"}


def _write_track(folder: Path, track: DemoTrack, song: TrueSong) -> dict[str, str]:
    path = folder / "tracks" / f"{track.track_id}.{track.codec}"
    _write(path, track, _convert(song.mixture, song.sample_rate_hz, track))
    row = {"track_id": track.track_id, "uri": str(path.relative_to(folder)), "title": song.name}
    if track.has_references:
        vocals = folder / "references" / f"{track.track_id}.{track.codec}"
        _write(vocals, track, _convert(song.vocals, song.sample_rate_hz, track))
        row["vocals_uri"] = str(vocals.relative_to(folder))
    return row


def _write_bad(folder: Path) -> Iterator[dict[str, str]]:
    """A recording cut off in the middle, a file of no bytes, a text under a recording's name."""
    whole = (folder / "tracks" / "flac-16.flac").read_bytes()
    contents = {
        "bad-truncated": ("flac", whole[: len(whole) // 2]),
        "bad-empty": ("wav", b""),
        "bad-text": ("mp3", b"This is no audio, whatever its name says.\n" * 20),
    }
    for track_id, (ending, content) in contents.items():
        path = folder / "tracks" / f"{track_id}.{ending}"
        path.write_bytes(content)
        yield {"track_id": track_id, "uri": str(path.relative_to(folder)), "title": track_id}


def _write(path: Path, track: DemoTrack, waveform: Waveform) -> None:
    if track.codec == AAC:
        _write_aac(path, waveform, track.sample_rate_hz)
        return
    fmt = StemFormat(track.codec, track.bit_depth)
    with AudioWriter(path, fmt, track.sample_rate_hz, track.channels) as writer:
        if fmt.is_integer and track.bit_depth is not None:
            writer.write_integers(quantise(waveform, track.bit_depth)[0])
        else:
            writer.write(waveform)


def _write_aac(path: Path, waveform: Waveform, sample_rate_hz: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=sample_rate_hz, layout="stereo")
        stream.bit_rate = 192_000
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(waveform), format="fltp", layout="stereo"
        )
        frame.sample_rate = sample_rate_hz
        resampler = av.AudioResampler(frame_size=1024)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))


def _convert(waveform: Waveform, rate_hz: int, track: DemoTrack) -> Waveform:
    if track.channels == 1:
        waveform = waveform.mean(axis=0, keepdims=True, dtype=np.float32)
    return resample(waveform, rate_hz, track.sample_rate_hz)
