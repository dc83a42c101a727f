import pytest
import torch
from torch import nn

from latentsep.codecs.sliding import SlidingGroupNorm, per_sample, sliding_mean


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_mean_around_a_click_worked_by_hand():
    values = torch.zeros(1, 1, 10)
    values[0, 0, 4:6] = 9.0
    # Frames of two samples: 0 0 9 0 0, under the triangle 1 2 1; at the ends 2 1 is all there is.
    means = sliding_mean(values, samples_per_frame=2, radius_frames=1)
    torch.testing.assert_close(means, torch.tensor([[[0, 9 / 4, 9 / 2, 9 / 4, 0]]]))


@pytest.mark.parametrize("samples", [30, 31, 32])
def test_a_constant_is_its_own_mean_also_at_the_ends_and_in_a_last_frame_that_is_short(samples):
    means = sliding_mean(torch.full((2, 1, samples), 3.0), samples_per_frame=4, radius_frames=5)
    assert means.shape == (2, 1, 8)
    torch.testing.assert_close(means, torch.full_like(means, 3.0))


def test_values_run_straight_from_frame_to_frame():
    samples = per_sample(torch.tensor([[[0.0, 4.0]]]), 4)
    torch.testing.assert_close(samples[0, 0], torch.tensor([0, 0, 0.5, 1.5, 2.5, 3.5, 4, 4]))


def test_on_what_is_steady_it_normalises_as_over_the_whole_window():
    trained = nn.GroupNorm(1, 3)
    with torch.no_grad():
        trained.weight.copy_(_noise(0, 3))
        trained.bias.copy_(_noise(1, 3))
    steady = _noise(2, 1, 3, 8).repeat(1, 1, 20) + 5.0
    sliding = SlidingGroupNorm(trained, samples_per_frame=8, radius_frames=3)
    torch.testing.assert_close(sliding(steady), trained(steady), rtol=1e-4, atol=1e-4)


def test_a_loud_passage_changes_a_quiet_one_only_nearby():
    sliding = SlidingGroupNorm(nn.GroupNorm(1, 3), samples_per_frame=4, radius_frames=3)
    quiet = _noise(0, 1, 3, 80)
    beside = torch.cat([quiet, 100 * _noise(1, 1, 3, 80)], dim=2)
    torch.testing.assert_close(sliding(beside)[:, :, :64], sliding(quiet)[:, :, :64])


def test_silence_is_not_divided_by_nothing():
    sliding = SlidingGroupNorm(nn.GroupNorm(1, 3), samples_per_frame=4, radius_frames=3)
    assert not sliding(torch.zeros(1, 3, 16)).any()
