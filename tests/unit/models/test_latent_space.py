import pytest
import torch

from latentsep.codecs.identity import IdentityCodec
from latentsep.codecs.mdct import MdctCodec
from latentsep.models.latent_space import LEVEL_FLOOR, LatentSpace


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_scale_is_undone_on_the_way_back():
    codec = MdctCodec(8_000, 32, 32, 32)
    space = LatentSpace(codec, 0)
    space.scale.copy_(_noise(0, 64, 1).abs() + 0.1)
    waveform = _noise(1, 2, 2, 320)
    torch.testing.assert_close(space.encode(waveform), codec.encode(waveform) * space.scale)
    torch.testing.assert_close(space.decode(space.encode(waveform)), waveform, rtol=0, atol=1e-4)


def test_the_level_of_a_click_worked_by_hand():
    space = LatentSpace(IdentityCodec(channels=2, hop_samples=2), level_radius_frames=2)
    latents = torch.zeros(1, 4, 7)
    latents[0, 0, 3] = 6.0
    # Power 36 / 4 channels = 9, under the window (1 2 3 2 1) / 9 around frame 3.
    power = torch.tensor([0.0, 1, 2, 3, 2, 1, 0]) + LEVEL_FLOOR
    torch.testing.assert_close(space.level(latents), power.sqrt()[None, None])


def test_radius_0_is_the_frames_own_level():
    space = LatentSpace(IdentityCodec(channels=2, hop_samples=2), level_radius_frames=0)
    latents = _noise(0, 1, 4, 7)
    expected = (latents.square().mean(dim=1, keepdim=True) + LEVEL_FLOOR).sqrt()
    torch.testing.assert_close(space.level(latents), expected)


@pytest.mark.parametrize("gain", [0.1, 10.0])
def test_what_is_divided_by_its_level_no_longer_depends_on_its_gain(gain):
    space = LatentSpace(MdctCodec(8_000, 32, 20, 10), level_radius_frames=4)
    latents = _noise(0, 1, 30, 40)
    once = latents / space.level(latents)
    again = gain * latents / space.level(gain * latents)
    torch.testing.assert_close(again, once, rtol=1e-3, atol=1e-4)


def test_the_level_of_silence_is_small_and_not_zero():
    space = LatentSpace(MdctCodec(8_000, 32, 20, 10), level_radius_frames=4)
    level = space.level(torch.zeros(1, 30, 9))
    torch.testing.assert_close(level, torch.full((1, 1, 9), LEVEL_FLOOR**0.5))


def test_the_level_of_an_item_does_not_depend_on_its_companions():
    space = LatentSpace(MdctCodec(8_000, 32, 20, 10), level_radius_frames=48)
    latents = _noise(0, 7, 30, 500)
    together = space.level(latents)
    for item in range(7):
        assert torch.equal(space.level(latents[item : item + 1])[0], together[item])


def test_a_frame_beyond_the_radius_does_not_change_the_level():
    space = LatentSpace(MdctCodec(8_000, 32, 20, 10), level_radius_frames=5)
    latents = _noise(0, 1, 30, 40)
    changed = latents.clone()
    changed[:, :, 20] += 1
    moved = (space.level(changed) != space.level(latents))[0, 0].nonzero()[:, 0] - 20
    assert moved.tolist() == list(range(-5, 6))
