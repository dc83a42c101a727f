import os
import sys

import pytest
import torch
from hypothesis import settings

pytest.register_assert_rewrite("store_contract")

# A first example that compiles or loads something is slow; that says nothing about the claim.
# CI runs the same examples every time; at home each run looks for new ones.
settings.register_profile("latentsep", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("latentsep")


@pytest.fixture(autouse=True)
def _one_thread():
    """The tests run on one core, and bits depend on the thread count."""
    torch.set_num_threads(1)


def pytest_runtest_logreport(report):
    """What failed is told at once: a run that is cut off has no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        sys.__stderr__.write(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext[-5000:]}\n")
