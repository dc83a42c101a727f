import torch
from hypothesis import given
from hypothesis import strategies as st

from latentsep.codecs.identity import IdentityCodec


@given(
    items=st.integers(1, 3),
    channels=st.integers(1, 3),
    hop=st.integers(1, 9),
    hops=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_same_bits_come_back(items, channels, hop, hops, seed):
    codec = IdentityCodec(channels=channels, hop_samples=hop)
    generator = torch.Generator().manual_seed(seed)
    waveform = torch.randn((items, channels, hop * hops), generator=generator)
    assert torch.equal(codec.decode(codec.encode(waveform)), waveform)


def test_a_hop_is_folded_channel_by_channel():
    codec = IdentityCodec(channels=2, hop_samples=2)
    latents = codec.encode(torch.tensor([[[1.0, 2, 3, 4], [5, 6, 7, 8]]]))
    # Rows are (left 0, left 1, right 0, right 1), columns the two frames.
    assert latents[0].tolist() == [[1, 3], [2, 4], [5, 7], [6, 8]]
