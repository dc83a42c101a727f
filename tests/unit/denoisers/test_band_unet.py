import pytest
import torch
from tiny_models import randomise

from latentsep.denoisers.band_unet import BandUNet

ROWS = 12
SIZES = {
    "widths": [8, 12],
    "blocks": [1, 1],
    "bottom_channels": 12,
    "bottom_dilations": [1],
    "step_channels": 8,
}


def _unet(inputs=3, outputs=2, rows=ROWS, band_bins=2, **changes):
    return BandUNet(inputs, outputs, rows, band_bins, **{**SIZES, **changes})


def _state(unet):
    return {name: tensor.clone() for name, tensor in unet.state_dict().items()}


@pytest.mark.parametrize("band_bins", [1, 2, 3, 4])
def test_rows_come_out_in_their_places_whatever_makes_a_band(band_bins):
    unet = _unet(inputs=1, outputs=1, rows=12 * band_bins, band_bins=band_bins)
    randomise(unet, seed=0)
    torch.nn.init.zeros_(unet.head.weight)
    rows, sigma = unet.bands * band_bins, torch.ones(1)
    with torch.no_grad():
        unet.head.bias.copy_(torch.arange(float(band_bins)))
        output = unet.run(torch.zeros(1, 1, rows, 8), sigma)
    expected = torch.arange(float(band_bins)).repeat(unet.bands)
    assert output.shape == (1, 1, rows, 8)
    torch.testing.assert_close(output[0, 0, :, 0], expected)


@pytest.mark.parametrize("band_bins", [1, 2, 3, 4])
def test_a_band_sees_its_own_rows_in_its_middle(band_bins):
    unet = _unet(inputs=1, rows=12 * band_bins, band_bins=band_bins)
    image = torch.zeros(1, 1, unet.bands * band_bins, 8, requires_grad=True)
    unet.stem(image)[0, :, 3].sum().backward()
    seen = image.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    # As far before its first row as behind its last.
    assert 3 * band_bins - seen.min() == seen.max() - (4 * band_bins - 1) > 0


def test_levels_inside_are_taken_over_and_both_ends_are_kept():
    given, unet = _unet(rows=24, band_bins=4), _unet(inputs=5, outputs=4)
    randomise(given, seed=1)
    randomise(unet, seed=2)
    before = _state(unet)
    unet.begin_inside(given)
    after, taken = _state(unet), _state(given)
    ends = {"stem.weight", "stem.bias", "head.weight", "head.bias"}
    assert all(torch.equal(after[name], before[name]) for name in ends)
    assert all(torch.equal(after[name], taken[name]) for name in after.keys() - ends)


@pytest.mark.parametrize(
    "changes",
    [{"widths": [8, 16]}, {"rows": 16}, {"blocks": [1, 2]}, {"bottom_dilations": [2]}],
)
def test_levels_of_other_sizes_are_refused(changes):
    unet = _unet()
    before = _state(unet)
    with pytest.raises(ValueError, match="must have the same sizes"):
        unet.begin_inside(_unet(**changes))
    assert all(torch.equal(tensor, before[name]) for name, tensor in _state(unet).items())
