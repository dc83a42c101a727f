"""Random throats and habits of singers."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Singer:
    """One voice.

    Attributes:
        low_midi: lowest comfortable pitch.
        high_midi: highest comfortable pitch.
        formant_scale: tract shortness; 1 is an average man.
        vowel_colour: factors on the first four formants, an accent.
        bandwidth: factor on all formant bandwidths.
        high_formants_hz: fixed resonances above the fourth.
        high_damping: bandwidth over frequency of those.
        open_quotient: share of the cycle with open glottis.
        speed_quotient: opening time over closing time.
        tilt_corner_hz: corner above which the source falls off further.
        tilt_order: steepness of that fall, 1 is 6 dB per octave.
        ring: strength of the singer's formant.
        ring_hz: place of the singer's formant.
        breath: level of aspiration noise beside the voiced source.
        noise_level: factor on consonant noises.
        noise_scale: factor on the frequencies of consonant noises.
        nasal_zero_hz: antiresonance of nasal sounds.
        portamento_s: usual length of a glide.
        vibrato_hz: usual vibrato rate.
        vibrato_cents: usual vibrato depth, zero to peak.
        vibrato_delay_s: time before it sets in.
        drift_cents: slow pitch wandering.
        jitter_cents: quick pitch roughness.
        shimmer: quick level roughness.
        phase_noise: irregularity of single pulses, in cycles.
        scoop_semitones: how far notes are approached from below.
        growl: depth of subharmonic roughness.
        clarity: how often consonants are sounded.
        effort_db: spectral slope per octave added between soft and loud notes.
    """

    low_midi: float
    high_midi: float
    formant_scale: float
    vowel_colour: tuple[float, ...]
    bandwidth: float
    high_formants_hz: tuple[float, ...]
    high_damping: float
    open_quotient: float
    speed_quotient: float
    tilt_corner_hz: float
    tilt_order: float
    ring: float
    ring_hz: float
    breath: float
    noise_level: float
    noise_scale: float
    nasal_zero_hz: float
    portamento_s: float
    vibrato_hz: float
    vibrato_cents: float
    vibrato_delay_s: float
    drift_cents: float
    jitter_cents: float
    shimmer: float
    phase_noise: float
    scoop_semitones: float
    growl: float
    clarity: float
    effort_db: float


REGISTERS: tuple[tuple[float, float, float], ...] = (
    (40.0, 57.0, 0.88),
    (45.0, 64.0, 0.98),
    (48.0, 69.0, 1.04),
    (53.0, 72.0, 1.1),
    (57.0, 77.0, 1.15),
    (60.0, 82.0, 1.2),
)
"""Lowest pitch, highest pitch, formant scale; bass to soprano."""


def random_singer(rng: np.random.Generator) -> Singer:
    """Draw a singer."""
    low, high, scale = REGISTERS[int(rng.choice(6, p=[0.08, 0.22, 0.22, 0.16, 0.2, 0.12]))]
    scale = float(np.clip(scale * rng.uniform(0.92, 1.08), 0.8, 1.25))
    span = float(rng.uniform(9, 16))
    airy = rng.random() < 0.15
    low = float(rng.uniform(low, high - 9))
    return Singer(
        low_midi=low,
        high_midi=min(high, low + span),
        formant_scale=scale,
        vowel_colour=tuple(float(f) for f in rng.uniform(0.9, 1.1, 4)),
        bandwidth=float(rng.uniform(0.8, 1.9)),
        high_formants_hz=_high_formants(rng, scale),
        high_damping=float(rng.uniform(0.06, 0.16)),
        open_quotient=float(rng.uniform(0.4, 0.8)),
        speed_quotient=float(rng.uniform(1.4, 3.5)),
        tilt_corner_hz=_log_uniform(rng, 1500, 12000),
        tilt_order=float(rng.uniform(0.0, 0.9)),
        ring=float(rng.choice([0.0, rng.uniform(0.3, 2.0)])),
        ring_hz=float(rng.uniform(2600, 3400)),
        breath=_log_uniform(rng, 0.15, 0.5) if airy else _log_uniform(rng, 0.003, 0.12),
        noise_level=_log_uniform(rng, 1.0, 8.0),
        noise_scale=float(rng.uniform(0.85, 1.25)),
        nasal_zero_hz=float(rng.uniform(700, 1500)),
        portamento_s=float(rng.uniform(0.03, 0.14)),
        vibrato_hz=float(rng.uniform(4.5, 7.0)),
        vibrato_cents=float(rng.choice([rng.uniform(2, 20), rng.uniform(20, 120)], p=[0.35, 0.65])),
        vibrato_delay_s=float(rng.uniform(0.1, 0.5)),
        drift_cents=float(rng.uniform(3, 22)),
        jitter_cents=float(rng.uniform(2, 18)),
        shimmer=float(rng.uniform(0.01, 0.15)),
        phase_noise=_log_uniform(rng, 0.0004, 0.015),
        scoop_semitones=float(rng.choice([0.3, 1.0, 2.0, 3.0], p=[0.4, 0.3, 0.2, 0.1])),
        growl=float(rng.choice([0.0, rng.uniform(0.1, 0.7)], p=[0.75, 0.25])),
        clarity=float(rng.uniform(0.75, 1.0)),
        effort_db=float(rng.uniform(1.0, 5.0)),
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _high_formants(rng: np.random.Generator, scale: float) -> tuple[float, ...]:
    frequency_hz = 4300.0 * scale
    result = []
    while frequency_hz < 26_000:
        result.append(float(frequency_hz * rng.uniform(0.96, 1.04)))
        frequency_hz += 1000.0 * scale * rng.uniform(0.85, 1.15)
    return tuple(result)
