from hypothesis import given
from hypothesis import strategies as st

from latentsep.audio.source import SourceInfo

infos = st.builds(
    SourceInfo,
    container=st.text(),
    codec=st.text(),
    sample_rate_hz=st.integers(8_000, 192_000),
    channels=st.integers(1, 64),
    bit_depth=st.none() | st.sampled_from([8, 16, 24, 32]),
    is_float=st.booleans(),
    is_lossless=st.booleans(),
    frames=st.none() | st.integers(0, 2**40),
    duration_s=st.none() | st.floats(0, 1e6),
    tags=st.dictionaries(st.text(), st.text()),
)


@given(infos)
def test_json_gives_the_same_info_back(info):
    assert SourceInfo.from_json(info.to_json()) == info


def test_only_lossless_integers_count_as_integer():
    wav = SourceInfo("wav", "pcm_16", 44_100, 2, 16, is_float=False, is_lossless=True, frames=1)
    mp3 = SourceInfo("mp3", "mp3", 44_100, 2, None, is_float=False, is_lossless=False, frames=1)
    assert wav.is_integer
    assert not mp3.is_integer
