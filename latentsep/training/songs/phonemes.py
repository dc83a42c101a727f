"""Speech sounds as targets of a formant synthesiser, and syllables made of them."""

from dataclasses import dataclass

import numpy as np

NOISE_CLASSES = ("s", "sh", "f", "h", "burst_low", "burst_mid", "burst_high")
"""Spectral shapes of mouth noise, in the order of ``NOISE_SHAPES``."""

NOISE_SHAPES: tuple[tuple[float, float, float], ...] = (
    (7600.0, 0.45, 0.01),
    (3900.0, 0.55, 0.03),
    (6500.0, 1.6, 0.10),
    (1600.0, 1.2, 0.08),
    (900.0, 1.2, 0.15),
    (2200.0, 0.7, 0.10),
    (4800.0, 0.9, 0.08),
)
"""Per class: centre in Hz, width in octaves, floor relative to the peak."""


@dataclass(frozen=True)
class Phoneme:
    """Targets of one sound; levels are relative to an open vowel.

    Attributes:
        formants_hz: first four resonances of an average male tract.
        voicing: level of the glottal source.
        noise: level of the mouth noise.
        noise_class: index into ``NOISE_CLASSES``.
        nasal: depth of the nasal zero and damping, 0..1.
        seconds: shortest and longest usual duration of a consonant.
    """

    formants_hz: tuple[float, float, float, float]
    voicing: float = 1.0
    noise: float = 0.0
    noise_class: int = 3
    nasal: float = 0.0
    seconds: tuple[float, float] = (0.04, 0.1)


VOWELS: tuple[Phoneme, ...] = tuple(
    Phoneme(f)
    for f in (
        (730.0, 1090.0, 2440.0, 3400.0),
        (660.0, 1720.0, 2410.0, 3450.0),
        (530.0, 1840.0, 2480.0, 3500.0),
        (400.0, 2050.0, 2600.0, 3550.0),
        (280.0, 2290.0, 3000.0, 3650.0),
        (390.0, 1990.0, 2550.0, 3500.0),
        (640.0, 1190.0, 2390.0, 3400.0),
        (500.0, 1450.0, 2450.0, 3400.0),
        (570.0, 860.0, 2410.0, 3350.0),
        (450.0, 800.0, 2350.0, 3300.0),
        (440.0, 1020.0, 2240.0, 3300.0),
        (310.0, 870.0, 2240.0, 3300.0),
        (490.0, 1350.0, 1700.0, 3200.0),
        (290.0, 1800.0, 2150.0, 3300.0),
        (400.0, 1500.0, 2200.0, 3300.0),
    )
)
"""a ae eh e i ih uh schwa aw o u-short u er y oe."""

DIPHTHONGS: tuple[tuple[int, int], ...] = (
    (0, 4),
    (0, 11),
    (8, 4),
    (2, 4),
    (9, 11),
    (7, 12),
    (1, 7),
)
"""Index pairs into ``VOWELS``."""

_LOCI = {
    "labial": (320.0, 900.0, 2250.0, 3300.0),
    "dental": (320.0, 1650.0, 2600.0, 3500.0),
    "velar": (300.0, 1950.0, 2350.0, 3400.0),
    "palatal": (280.0, 2050.0, 2700.0, 3500.0),
}

FRICATIVES: tuple[Phoneme, ...] = (
    Phoneme(_LOCI["dental"], 0.0, 0.55, 0, 0.0, (0.07, 0.17)),
    Phoneme(_LOCI["palatal"], 0.0, 0.5, 1, 0.0, (0.07, 0.17)),
    Phoneme(_LOCI["labial"], 0.0, 0.16, 2, 0.0, (0.06, 0.13)),
    Phoneme(_LOCI["dental"], 0.0, 0.14, 2, 0.0, (0.05, 0.11)),
    Phoneme((520.0, 1500.0, 2500.0, 3400.0), 0.05, 0.3, 3, 0.0, (0.05, 0.12)),
    Phoneme(_LOCI["dental"], 0.45, 0.3, 0, 0.0, (0.05, 0.11)),
    Phoneme(_LOCI["labial"], 0.5, 0.08, 2, 0.0, (0.04, 0.09)),
    Phoneme(_LOCI["dental"], 0.55, 0.06, 2, 0.0, (0.03, 0.08)),
    Phoneme(_LOCI["palatal"], 0.4, 0.3, 1, 0.0, (0.05, 0.1)),
)
"""s sh f th h z v dh zh."""

SONORANTS: tuple[Phoneme, ...] = (
    Phoneme((270.0, 1000.0, 2200.0, 3200.0), 0.55, 0.0, 3, 1.0, (0.05, 0.12)),
    Phoneme((280.0, 1500.0, 2500.0, 3300.0), 0.55, 0.0, 3, 0.9, (0.05, 0.11)),
    Phoneme((290.0, 2000.0, 2600.0, 3400.0), 0.5, 0.0, 3, 0.8, (0.06, 0.12)),
    Phoneme((350.0, 1100.0, 2700.0, 3500.0), 0.7, 0.0, 3, 0.25, (0.04, 0.1)),
    Phoneme((380.0, 1250.0, 1650.0, 3100.0), 0.7, 0.0, 3, 0.0, (0.04, 0.1)),
    Phoneme((300.0, 750.0, 2200.0, 3200.0), 0.65, 0.0, 3, 0.0, (0.04, 0.1)),
    Phoneme((280.0, 2200.0, 2950.0, 3600.0), 0.65, 0.0, 3, 0.0, (0.04, 0.1)),
)
"""m n ng l r w y."""

_CLOSURE_S = (0.03, 0.08)


@dataclass(frozen=True)
class Span:
    """A stretch of time with one target."""

    start_s: float
    end_s: float
    phoneme: Phoneme


def _plosive(rng: np.random.Generator, start_s: float, voiced: bool) -> list[Span]:
    place = str(rng.choice(["labial", "dental", "velar"]))
    noise_class = {"labial": 4, "dental": 6, "velar": 5}[place]
    locus = _LOCI[place]
    closure_s = rng.uniform(*_CLOSURE_S)
    burst_s = rng.uniform(0.006, 0.016)
    closed = Phoneme(locus, 0.12 if voiced else 0.0)
    burst = Phoneme(locus, 0.1, float(rng.uniform(0.25, 0.9)), noise_class)
    opened = start_s + closure_s
    spans = [Span(start_s, opened, closed), Span(opened, opened + burst_s, burst)]
    if not voiced:
        breath = Phoneme(
            locus, 0.05, float(rng.uniform(0.1, 0.4)), int(rng.choice([3, noise_class]))
        )
        end_s = opened + burst_s + rng.uniform(0.015, 0.07)
        spans.append(Span(opened + burst_s, end_s, breath))
    return spans


def consonant(rng: np.random.Generator, start_s: float) -> list[Span]:
    """Draw one consonant that begins at ``start_s``."""
    kind = rng.random()
    if kind < 0.36:
        return _plosive(rng, start_s, voiced=bool(rng.random() < 0.45))
    bank = FRICATIVES if kind < 0.66 else SONORANTS
    phoneme = bank[int(rng.integers(len(bank)))]
    return [Span(start_s, start_s + rng.uniform(*phoneme.seconds), phoneme)]


def shifted(spans: list[Span], offset_s: float) -> list[Span]:
    """The same spans at a later time."""
    return [Span(s.start_s + offset_s, s.end_s + offset_s, s.phoneme) for s in spans]


def vowel(rng: np.random.Generator, start_s: float, end_s: float) -> list[Span]:
    """Draw a vowel, now and then a diphthong whose glide sits late."""
    if rng.random() < 0.3 and end_s - start_s > 0.12:
        first, second = DIPHTHONGS[int(rng.integers(len(DIPHTHONGS)))]
        turn_s = start_s + (end_s - start_s) * rng.uniform(0.45, 0.85)
        return [Span(start_s, turn_s, VOWELS[first]), Span(turn_s, end_s, VOWELS[second])]
    return [Span(start_s, end_s, VOWELS[int(rng.integers(len(VOWELS)))])]


def syllable(
    rng: np.random.Generator, start_s: float, duration_s: float, clarity: float
) -> list[Span]:
    """Draw a syllable whose vowel starts on the beat and whose onset comes just before.

    Args:
        rng: source of all randomness.
        start_s: time of the vowel's start.
        duration_s: time until the next syllable's vowel.
        clarity: 0..1, how often consonants appear.
    """
    spans: list[Span] = []
    if rng.random() < clarity:
        onset = consonant(rng, 0.0)
        if rng.random() < 0.2:
            onset += consonant(rng, onset[-1].end_s)
        length_s = onset[-1].end_s
        if length_s < 0.6 * duration_s + 0.03:
            spans = shifted(onset, start_s - length_s)
    coda: list[Span] = []
    end_s = start_s + duration_s * rng.uniform(0.8, 1.0)
    if rng.random() < 0.6 * clarity:
        coda = consonant(rng, 0.0)
        fits = coda[-1].end_s <= 0.4 * duration_s
        coda = shifted(coda, end_s - coda[-1].end_s) if fits else []
    vowel_end_s = coda[0].start_s if coda else end_s
    return spans + vowel(rng, start_s, vowel_end_s) + coda
