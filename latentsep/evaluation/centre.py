"""The other classical baseline: what stands in the middle of the stereo image is the voice.

A mask by the similarity of the two channels, after C. Avendano, "Frequency-domain source
identification and manipulation in stereo mixes", WASPAA 2003, here the share of the middle in
middle and side; below a high-pass everything is accompaniment. Bass and drums stand in the middle
too, which is what it cannot know.
"""

import numpy as np
from scipy import signal

from latentsep.audio.waveform import Waveform

WINDOW_SAMPLES = 4096
OVERLAP_SAMPLES = 3072
HIGH_PASS_HZ = 120.0
_TINY = 1e-12


def separate_centre(mixture: Waveform, sample_rate_hz: int) -> Waveform:
    """Estimate the vocals of a track by their place in the stereo image.

    Other than two channels have no image: everything above the high-pass is then vocals.

    Args:
        mixture: ``[channel, sample]`` float32.
        sample_rate_hz: sample rate.

    Returns:
        Vocals, ``[channel, sample]`` float32.
    """
    samples = mixture.shape[1]
    padded = np.pad(mixture, ((0, 0), (0, max(0, WINDOW_SAMPLES - samples))))
    spectra = signal.stft(padded, nperseg=WINDOW_SAMPLES, noverlap=OVERLAP_SAMPLES)[2]
    frequencies_hz = np.linspace(0, sample_rate_hz / 2, spectra.shape[1])
    spectra[:, frequencies_hz < HIGH_PASS_HZ] = 0
    if len(mixture) == 2:
        middle, side = np.abs(spectra[0] + spectra[1]), np.abs(spectra[0] - spectra[1])
        spectra *= middle / (middle + side + _TINY)
    vocals = signal.istft(spectra, nperseg=WINDOW_SAMPLES, noverlap=OVERLAP_SAMPLES)[1]
    return np.asarray(vocals[:, :samples], np.float32)
