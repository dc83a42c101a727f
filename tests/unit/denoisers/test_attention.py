import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import randomise

from latentsep.denoisers.attention import HEAD_CHANNELS, SelfAttention, TransformerLayer, rotate


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(first=st.integers(0, 500), second=st.integers(0, 500), shift=st.integers(0, 500))
def test_the_product_of_two_turned_frames_depends_on_their_distance_only(first, second, shift):
    query, key = _noise(0, 2, 1, 1, 1, HEAD_CHANNELS).expand(2, 1, 1, 1_001, HEAD_CHANNELS)
    query, key = rotate(query)[0, 0], rotate(key)[0, 0]
    here, there = query[first] @ key[second], query[first + shift] @ key[second + shift]
    torch.testing.assert_close(here, there, rtol=0, atol=1e-3)


def test_turning_keeps_the_power_of_each_frame():
    x = _noise(1, 2, 3, 40, HEAD_CHANNELS)
    torch.testing.assert_close(rotate(x).square().sum(3), x.square().sum(3))
    assert torch.equal(rotate(x)[:, :, 0], x[:, :, 0])


def test_a_frame_is_told_of_all_others_and_of_where_they_are():
    attention = SelfAttention(12, heads=2)
    randomise(attention, 0)
    x = _noise(2, 1, 12, 30)
    found = attention(x)[:, :, 0] - x[:, :, 0]
    swapped = x.clone()
    swapped[:, :, [10, 29]] = x[:, :, [29, 10]]
    assert (attention(swapped)[:, :, 0] - x[:, :, 0] - found).abs().max() > 1e-4


@pytest.mark.parametrize("layer", [SelfAttention(12, heads=2), TransformerLayer(HEAD_CHANNELS)])
def test_a_fresh_layer_adds_nothing(layer):
    x = _noise(3, 2, next(layer.parameters()).shape[0], 9)
    assert torch.equal(layer(x), x)
