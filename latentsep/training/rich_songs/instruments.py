"""General MIDI programs and drum kits by what they are used for, and their sound."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from latentsep.audio.waveform import Waveform
from latentsep.training.rich_songs.midi import Part, midi_file
from latentsep.training.rich_songs.tools import run_tool, soundfont

SAMPLE_RATE_HZ = 44_100
"""Rich songs are made at this rate."""

BASSES = (32, 33, 34, 35, 36, 37, 38, 39, 43, 58)
"""Acoustic, electric and synthetic basses, contrabass, tuba."""

CHORDS = (
    *range(8),  # pianos, harpsichord, clavinet
    *(8, 9, 10, 11, 12, 13, 14, 15),  # bells, mallets, dulcimer
    *range(16, 24),  # organs, accordion, harmonica
    *range(24, 31),  # guitars
    *(44, 45, 46, 48, 49, 50, 51, 55),  # strings, harp, hit
    *(61, 62, 63),  # brass sections
    *(80, 81, 84, 87, 88, 89, 90, 92, 93, 94, 95, 96, 98, 99, 100, 101, 103),  # synthesisers
    *(104, 105, 106, 107, 108),  # sitar, banjo, shamisen, koto, kalimba
)
LEADS = (
    *(0, 4, 5, 11, 12, 18, 21, 22),  # keys, vibraphone, organ, accordion, harmonica
    *range(24, 32),  # guitars up to harmonics
    *(40, 41, 42, 48, 104, 105, 106, 107, 110),  # bowed strings, sitar, koto, fiddle
    *range(56, 62),  # trumpet to brass section
    *range(64, 80),  # saxophones, reeds, flutes, whistle, ocarina
    *(80, 81, 82, 83, 84, 86, 87, 98),  # lead synthesisers
    *(109, 111, 114),  # bagpipe, shanai, steel drums
)
CHOIRS = (52, 53)
"""Recorded choir and voices: these belong to the vocals, and other voice-like programs nowhere."""

KITS = (0, 8, 16, 24, 25, 32, 40, 48)
"""Standard, room, power, electronic, TR-808, jazz, brush, orchestra."""

SUSTAINED = frozenset({*range(16, 24), *range(40, 44), 48, 49, 50, 51, *range(56, 104), 109, 110})
"""Programs whose notes sound as long as they are held."""

GUITARS = frozenset(range(24, 32))


def play(part: Part, n_samples: int) -> Waveform:
    """Sound of a part at ``SAMPLE_RATE_HZ``, dry, ``[channel=2, sample]``.

    Raises:
        ConfigError: fluidsynth or the soundfont is missing, or fluidsynth fails.
    """
    with TemporaryDirectory(prefix="latentsep-song-") as folder:
        score, sound = Path(folder) / "part.mid", Path(folder) / "part.raw"
        score.write_bytes(midi_file(part))
        options = ["-q", "-n", "-i", "-g", "0.5", "-R", "0", "-C", "0", "-r", str(SAMPLE_RATE_HZ)]
        options += ["-o", "synth.cpu-cores=1", "-o", "synth.dynamic-sample-loading=1"]
        options += ["-T", "raw", "-O", "float", "-F", str(sound)]
        run_tool("fluidsynth", [*options, str(soundfont()), str(score)])
        rendered = np.fromfile(sound, "<f4").reshape(-1, 2).T
    stem = np.zeros((2, n_samples), np.float32)
    count = min(n_samples, rendered.shape[1])
    stem[:, :count] = rendered[:, :count]
    return stem
