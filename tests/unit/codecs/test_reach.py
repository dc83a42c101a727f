import torch

from latentsep.codecs.identity import IdentityCodec
from latentsep.codecs.mdct import MdctCodec
from latentsep.codecs.reach import decoder_spill_db, encoder_spill_db


def _noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_nothing_spills_out_of_a_codec_that_folds():
    codec = IdentityCodec(hop_samples=4)
    generator = torch.Generator().manual_seed(0)
    assert (encoder_spill_db(codec, _noise(0, 1, 2, 40), generator) == -torch.inf).all()
    assert (decoder_spill_db(codec, _noise(1, 1, 8, 10), generator) == -torch.inf).all()


def test_an_overlap_spills_into_the_next_frame_and_no_further():
    codec = MdctCodec(8_000, 4, 4, 4)
    generator = torch.Generator().manual_seed(0)
    spills = (
        encoder_spill_db(codec, _noise(0, 1, 2, 40), generator),
        decoder_spill_db(codec, _noise(1, 1, 8, 11), generator),
    )
    for spill in spills:
        # A frame is as wide as two hops.
        assert -6 < spill[0] < 0
        assert (spill[1:] == -torch.inf).all()
