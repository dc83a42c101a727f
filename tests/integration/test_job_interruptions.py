"""Random interruptions of the job; by hand with a large count, see docs/ledger.md."""

import os

import pytest
from interruptions import SIGNALS, run_chaos

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
COUNT = int(os.environ.get("LATENTSEP_INTERRUPTIONS", "6"))


def test_random_interruptions_lose_nothing_double_nothing_and_change_no_byte(tmp_path, model_8khz):
    chaos = run_chaos(tmp_path, model_8khz, COUNT, seed=1, tracks=24)
    assert sum(chaos.counts[number.name] for number in SIGNALS) >= COUNT
    assert chaos.counts["rounds"] > 0
    assert (chaos.counts["lost"], chaos.counts["differing"]) == (0, 0)
