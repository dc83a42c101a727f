import numpy as np

from latentsep.evaluation.report_benchmark import measure_report


def test_a_report_of_a_small_ledger_is_measured():
    cost = measure_report(300, np.random.default_rng(0))
    assert (cost.results, cost.rejects) == (300, 15)
    assert all(seconds > 0 for seconds in (cost.read_s, cost.compared_s, cost.page_s))
    assert 0 < cost.start_bytes <= cost.read_bytes <= cost.compared_bytes
    assert 10_000 < cost.page_bytes < 10_000_000
