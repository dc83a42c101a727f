"""The demo's songs: generated, in several formats, with their true stems kept for scoring."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentsep.audio.decode import Decoder
from latentsep.audio.encode import AudioWriter, StemFormat
from latentsep.audio.quantise import quantise
from latentsep.audio.resample import resample
from latentsep.audio.waveform import Waveform
from latentsep.evaluation.songs import generated_songs
from latentsep.quality.reference import sdr_db
from latentsep.training.song_folder import ReferenceSong

SONG_S = 30.0


@dataclass(frozen=True)
class DemoFormat:
    """How one of the demo's songs is stored."""

    stem_format: StemFormat
    sample_rate_hz: int
    channels: int


FORMATS = (
    DemoFormat(StemFormat("wav", 16), 44_100, 2),
    DemoFormat(StemFormat("flac", 24), 48_000, 2),
    DemoFormat(StemFormat("mp3", None), 44_100, 2),
    DemoFormat(StemFormat("ogg", None), 22_050, 1),
)


@dataclass(frozen=True)
class DemoSong:
    """A stored song and its true vocals at the stored rate and channels."""

    path: Path
    vocals: Waveform
    mixture: Waveform


def write_songs(folder: Path) -> list[DemoSong]:
    """Generate one song for each of ``FORMATS`` and write its mixture.

    Raises:
        AudioEncodeError: the folder cannot be written.
    """
    songs = generated_songs(len(FORMATS), SONG_S)
    return [_write(folder, song, fmt) for song, fmt in zip(songs, FORMATS, strict=True)]


def score_stems(
    song: DemoSong, vocals_file: Path, decoder: Decoder
) -> tuple[float | None, float | None]:
    """Utterance SDR in dB of the mixture as an estimate of the vocals, and of the stem.

    Lossy songs come back with a codec's loss, which counts as distortion too.
    """
    estimate, _ = decoder.read(vocals_file)
    frames = min(estimate.shape[1], song.vocals.shape[1])
    truth = song.vocals[:, :frames]
    return sdr_db(truth, song.mixture[:, :frames]), sdr_db(truth, estimate[:, :frames])


def _write(folder: Path, song: ReferenceSong, fmt: DemoFormat) -> DemoSong:
    name = f"{song.name}-{fmt.sample_rate_hz}{fmt.stem_format.extension}"
    vocals, mixture = (_convert(w, song.sample_rate_hz, fmt) for w in (song.vocals, song.mixture))
    path = folder / name
    tags = {"title": song.name, "artist": "latentsep"}
    with AudioWriter(path, fmt.stem_format, fmt.sample_rate_hz, fmt.channels, tags) as writer:
        if fmt.stem_format.bit_depth is None:
            writer.write(mixture)
        else:
            writer.write_integers(quantise(mixture, fmt.stem_format.bit_depth)[0])
    return DemoSong(path, vocals, mixture)


def _convert(waveform: Waveform, rate_hz: int, fmt: DemoFormat) -> Waveform:
    if fmt.channels == 1:
        waveform = waveform.mean(axis=0, keepdims=True, dtype=np.float32)
    return resample(waveform, rate_hz, fmt.sample_rate_hz)
