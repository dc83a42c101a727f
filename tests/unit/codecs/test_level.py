import torch

from latentsep.codecs.level import local_power


def test_a_single_frame_is_spread_by_a_triangle():
    latents = torch.zeros(1, 2, 7)
    latents[0, :, 3] = torch.tensor([3.0, 1.0])  # mean square 5
    expected = 5 * torch.tensor([0, 1, 2, 3, 2, 1, 0]) / 9
    torch.testing.assert_close(local_power(latents, 2)[0, 0], expected)


def test_radius_0_is_the_frames_own_power():
    latents = torch.randn((3, 4, 9), generator=torch.Generator().manual_seed(0))
    power = local_power(latents, 0)
    torch.testing.assert_close(power, latents.square().mean(dim=1, keepdim=True))
