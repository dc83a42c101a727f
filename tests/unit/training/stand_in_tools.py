"""Stands in for fluidsynth and espeak-ng, by the name it is called: a chord, and babble."""

import array
import math
import random
import sys
import wave
from pathlib import Path


def chord(file, duration_s=8):
    period = [0.1 * sum(math.sin(2 * math.pi * k * i / 441) for k in (2, 5)) for i in range(441)]
    stereo = array.array("f", [value for value in period for _ in range(2)])
    Path(file).write_bytes((stereo * (100 * duration_s)).tobytes())


def syllable(noise, rate_hz=22_050):
    """0.06 s of hiss, 0.16 s of a buzzing vowel, 0.06 s of silence."""
    hiss = [0.05 * noise.gauss(0, 1) for _ in range(int(0.06 * rate_hz))]
    vowel = [
        0.25 * sum(math.sin(2 * math.pi * 150 * k * i / rate_hz) / k for k in range(1, 20))
        for i in range(int(0.16 * rate_hz))
    ]
    return [*hiss, *vowel, *[0.0] * int(0.06 * rate_hz)]


def babble(file, n_syllables=9):
    samples = [0.0] * 2_000 + syllable(random.Random(0)) * n_syllables
    pcm = array.array("h", [int(max(-1, min(1, v)) * 32_767) for v in samples])
    with wave.open(file, "wb") as recording:
        recording.setparams((1, 2, 22_050, len(pcm), "NONE", ""))
        recording.writeframes(pcm.tobytes())


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if Path(sys.argv[0]).name == "fluidsynth":
        chord(arguments[arguments.index("-F") + 1])
    else:
        babble(arguments[arguments.index("-w") + 1])
