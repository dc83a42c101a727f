import pytest
import torch

from latentsep.separation.downmix import LAYOUTS, downmix

HALF = 0.5**0.5


def _only(channel, channels):
    mixture = torch.zeros(channels, 3)
    mixture[channel] = 1.0
    return downmix(mixture)[:, 0].tolist()


def test_stereo_is_left_as_it_is():
    stereo = torch.arange(6.0).reshape(2, 3)
    assert downmix(stereo) is stereo


def test_mono_goes_to_both_sides_untouched():
    mono = torch.arange(4.0)[None]
    assert torch.equal(downmix(mono), mono.expand(2, -1))


@pytest.mark.parametrize(
    ("channel", "gains"),
    [
        (0, [1, 0]),
        (1, [0, 1]),
        (2, [HALF, HALF]),
        (3, [0, 0]),
        (4, [HALF, 0]),
        (5, [0, HALF]),
    ],
    ids=["left", "right", "centre", "low frequencies", "surround left", "surround right"],
)
def test_each_channel_of_5_1_goes_where_bs_775_says(channel, gains):
    assert _only(channel, 6) == pytest.approx(gains)


def test_the_sides_of_7_1_are_symmetric():
    for left, right in ((0, 1), (4, 5), (6, 7)):
        assert _only(left, 8) == _only(right, 8)[::-1]


@pytest.mark.parametrize("channels", sorted(LAYOUTS))
def test_a_layout_has_a_gain_for_each_of_its_channels(channels):
    assert len(LAYOUTS[channels]) == channels
    assert downmix(torch.zeros(channels, 5)).shape == (2, 5)


@pytest.mark.parametrize("channels", [7, 9, 16])
def test_an_unusual_layout_goes_to_both_sides_as_its_mean(channels):
    assert downmix(torch.ones(channels, 2)).tolist() == [pytest.approx([1, 1])] * 2
    assert _only(channels - 1, channels) == pytest.approx([1 / channels] * 2)
