"""Spectrograms as small PNG files with a colour map whose lightness rises with the level."""

import struct
import zlib

import numpy as np
import numpy.typing as npt

FLOOR_DB, CEILING_DB = -85.0, -10.0
"""The same for all signals, so that their colours can be compared."""
SHADES = 64
"""Fewer than the eye tells apart side by side, and half the bytes of 256."""
_DARKEST, _LIGHTEST = 0.14, 0.97
_FIRST_HUE, _LAST_HUE = np.deg2rad(-85.0), np.deg2rad(100.0)
_MOST_CHROMA = 0.16


def png_of(levels_db: npt.NDArray[np.float32]) -> bytes:
    """Draw a spectrogram, one pixel for each value.

    Args:
        levels_db: ``[band, column]`` in dB, lowest band first; NaN counts as silence.
    """
    share = (levels_db - FLOOR_DB) / (CEILING_DB - FLOOR_DB)
    share = np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0)
    shade = np.round(np.clip(share, 0.0, 1.0) * (SHADES - 1)).astype(np.uint8)
    height, width = shade.shape
    # Each line begins with its filter, 0: none.
    lines = np.concatenate([np.zeros((height, 1), np.uint8), shade[::-1]], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", colours().tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def colours() -> npt.NDArray[np.uint8]:
    """The colour map ``[shade, red green blue]`` in sRGB.

    Even steps of lightness in Oklab (Ottosson 2020) from a dark blue over red to a pale yellow;
    what sRGB has no room for is clipped.
    """
    along = np.linspace(0.0, 1.0, SHADES)
    lightness = _DARKEST + (_LIGHTEST - _DARKEST) * along
    hue = _FIRST_HUE + (_LAST_HUE - _FIRST_HUE) * along
    chroma = _MOST_CHROMA * np.sin(np.pi * (0.12 + 0.8 * along))
    linear = _linear_srgb(lightness, chroma * np.cos(hue), chroma * np.sin(hue))
    inside = np.clip(linear, 0.0, 1.0)
    encoded = np.where(
        inside <= 0.0031308, 12.92 * inside, 1.055 * np.power(inside, 1 / 2.4) - 0.055
    )
    return np.round(encoded * 255).astype(np.uint8)


def _linear_srgb(
    lightness: npt.NDArray[np.float64], a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Linear light of Oklab colours; the matrices are Oklab's own."""
    cones = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ],
        axis=1,
    )
    to_rgb: npt.NDArray[np.float64] = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear: npt.NDArray[np.float64] = cones**3 @ to_rgb.T
    return linear


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
