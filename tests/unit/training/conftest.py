import pytest

from latentsep.audio.decode import DecodeLimits, Decoder


@pytest.fixture(scope="session")
def decoder():
    with Decoder(DecodeLimits(no_progress_timeout_s=20)) as decoder:
        yield decoder
