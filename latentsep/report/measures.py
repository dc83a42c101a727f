"""Which columns of the results the page shows, over which range, and which way is better."""

from latentsep.report.document import Measure

VOCALS_SI_SDR = Measure(
    "vocals_si_sdr_db", "SI-SDR of the vocals", "dB",
    "Against the true vocals, whatever their level; higher is better.", -10.0, 30.0, "high",
)  # fmt: skip
BLEED = Measure(
    "bleed_db", "Bleed", "dB",
    "Spectral overlap of the two stems; lower is cleaner.", -60.0, 0.0, "low",
)  # fmt: skip
VOCAL_ACTIVITY = Measure(
    "vocal_activity_ratio", "Vocal activity", "",
    "Share of the track in which the vocals sound.", 0.0, 1.0,
)  # fmt: skip

OF_SEPARATION = (
    VOCALS_SI_SDR,
    Measure(
        "accompaniment_si_sdr_db", "SI-SDR of the accompaniment", "dB",
        "Against the true accompaniment, whatever its level; higher is better.",
        -10.0, 30.0, "high",
    ),
    Measure(
        "vocals_sdr_db", "SDR of the vocals", "dB",
        "Against the true vocals; higher is better.", -10.0, 30.0, "high",
    ),
    Measure(
        "accompaniment_sdr_db", "SDR of the accompaniment", "dB",
        "Against the true accompaniment; higher is better.", -10.0, 30.0, "high",
    ),
    BLEED,
    Measure(
        "draw_spread_db", "Spread of the draws", "dB",
        "How far the model's draws lie from their mean; lower where it is sure.",
        -60.0, 10.0, "low",
    ),
    VOCAL_ACTIVITY,
    Measure(
        "vocals_loudness_lufs", "Loudness of the vocals", "LUFS",
        "Integrated loudness of the vocals.", -60.0, 0.0,
    ),
    Measure(
        "accompaniment_loudness_lufs", "Loudness of the accompaniment", "LUFS",
        "Integrated loudness of the accompaniment.", -60.0, 0.0,
    ),
    Measure(
        "limited_samples", "Vocals held back", "samples",
        "Samples of the vocals held back so that the sum fits; fewer are better.",
        0.0, 1000.0, "low",
    ),
)  # fmt: skip
"""What depends on the model and its settings: these are compared between runs."""

_OF_MIXTURE = (
    Measure(
        "silence_ratio", "Silence", "",
        "Share of the track in which the mixture is silent.", 0.0, 1.0,
    ),
    Measure(
        "mixture_loudness_lufs", "Loudness of the mixture", "LUFS",
        "Integrated loudness of the mixture.", -60.0, 0.0,
    ),
    Measure(
        "mixture_peak_db", "Peak of the mixture", "dBFS",
        "Largest sample of the mixture.", -30.0, 0.0,
    ),
    Measure(
        "mixture_clipped_samples", "Clipped samples of the mixture", "samples",
        "Samples beyond full scale in the source; fewer are better.", 0.0, 1000.0, "low",
    ),
    Measure(
        "bandwidth_hz", "Bandwidth", "Hz",
        "Highest frequency that the mixture carries.", 0.0, 24_000.0,
    ),
    Measure("duration_s", "Duration", "s", "Length of the track.", 0.0, 600.0),
)  # fmt: skip

MEASURES = (*OF_SEPARATION, *_OF_MIXTURE)
"""In the order in which they are shown."""

STAGES = ("fetch", "decode", "separate", "measure", "encode", "upload")
"""Whose seconds are in the columns ``<stage>_s``."""
