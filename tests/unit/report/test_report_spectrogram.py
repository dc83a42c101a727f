import struct
import zlib

import numpy as np
import pytest

from latentsep.report.spectrogram import SHADES, colours, png_of


def shades_of(png):
    """Shades ``[row, column]`` of a PNG as the standard says, top row first."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length :][:4]) == (zlib.crc32(name + data),)
        chunks[name], at = data, at + 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kind == [8, 3, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:]


def lightness_of(rgb):
    """CIE L* of sRGB colours ``[colour, channel]``, 0 to 100."""
    encoded = rgb / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


def test_every_colour_is_lighter_than_the_one_before_by_about_as_much():
    steps = np.diff(lightness_of(colours().astype(float)))
    assert steps.min() > 0
    assert steps.max() < 3 * np.median(steps)


def test_the_lowest_band_is_at_the_bottom_and_louder_is_lighter():
    levels_db = np.array([[-85.0, -47.0], [-120.0, -10.0]], np.float32)
    assert shades_of(png_of(levels_db)).tolist() == [[0, SHADES - 1], [0, SHADES // 2]]


@pytest.mark.parametrize(("value", "shade"), [(np.nan, 0), (-np.inf, 0), (3.0, SHADES - 1)])
def test_what_is_no_level_is_drawn_all_the_same(value, shade):
    assert shades_of(png_of(np.full((1, 1), value, np.float32))).item() == shade


def test_a_spectrogram_takes_a_few_kilobytes():
    noise_db = np.random.default_rng(0).normal(-40, 8, (96, 240)).astype(np.float32)
    assert len(png_of(noise_db)) < 20_000
