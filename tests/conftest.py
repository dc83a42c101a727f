import pytest
import torch
from hypothesis import settings

pytest.register_assert_rewrite("store_contract")

# A first example that compiles or loads something is slow; that says nothing about the claim.
settings.register_profile("latentsep", deadline=None)
settings.load_profile("latentsep")


@pytest.fixture(autouse=True)
def _one_thread():
    """The tests run on one core, and bits depend on the thread count."""
    torch.set_num_threads(1)
