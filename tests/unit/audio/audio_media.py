"""Media made for the audio tests: known samples in every container that we can write."""

import av
import numpy as np
import soundfile

SNDFILE_FORMATS = [
    ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("W64", "PCM_24"),
    ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_24"),
    ("FLAC", "PCM_S8"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"),
]  # fmt: skip
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def noise(channels, frames, seed=0, peak=0.9):
    """``[channel, sample]`` float32."""
    draws = np.random.default_rng(seed).uniform(-peak, peak, (channels, frames))
    return draws.astype(np.float32)


def tone(channels, frames, rate_hz, click_at=None):
    """``[channel, sample]`` float32: one swelling tone per channel, or else one click in all."""
    time_s = np.arange(frames) / rate_hz
    swell = 0.3 * (1 + 0.5 * np.sin(2 * np.pi * 2 * time_s))
    waves = [swell * np.sin(2 * np.pi * 220 * (1 + c) * time_s) for c in range(channels)]
    waveform = np.stack(waves)
    if click_at is not None:
        waveform[:] = 0
        waveform[:, click_at : click_at + 4] = 0.8
    return waveform.astype(np.float32)


def write_sndfile(path, waveform, rate_hz, container="WAV", subtype="PCM_16", **settings):
    soundfile.write(path, waveform.T, rate_hz, format=container, subtype=subtype, **settings)
    return path


def write_av(path, waveform, rate_hz, codec, container=None, options=None):
    """Encode with FFmpeg; integers where the encoder takes them."""
    layout = LAYOUTS[waveform.shape[0]]
    with av.open(str(path), "w", format=container, options=options or {}) as file:
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        if codec not in ("alac", "flac"):
            stream.bit_rate = 192_000
        stream.codec_context.open()
        name = stream.codec_context.format.name
        samples = _in_format(waveform, name)
        step = stream.codec_context.frame_size or 1024
        for start in range(0, waveform.shape[1], step):
            part = samples[:, start : start + step]
            if not name.endswith("p"):
                part = part.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(part), format=name, layout=layout
            )
            frame.sample_rate, frame.pts = rate_hz, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _in_format(waveform, name):
    if name.startswith("s16"):
        return np.clip(np.rint(waveform * 2.0**15), -(2**15), 2**15 - 1).astype(np.int16)
    if name.startswith("s32"):
        steps = np.clip(np.rint(waveform.astype(np.float64) * 2**23), -(2**23), 2**23 - 1)
        return steps.astype(np.int32) << 8
    return waveform.astype(np.float32)


def shift_against(reference, decoded, reach=1500):
    """Samples by which ``decoded`` lies late, from the peak of the cross-correlation."""
    length = min(reference.shape[1], decoded.shape[1])
    a, b = reference[0, :length].astype(float), decoded[0, :length].astype(float)
    size = 2 * length
    spectrum = np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size))
    correlation = np.fft.irfft(spectrum)
    lags = np.r_[0 : reach + 1, -reach:0]
    return int(lags[np.argmax(correlation[lags])])
