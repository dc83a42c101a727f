import logging

from latentsep.pipeline.rejects import separate_or_reject


def test_a_bug_in_a_job_is_in_the_workers_log_at_its_usual_level(caplog):
    def broken():
        raise ZeroDivisionError("by zero")

    with caplog.at_level(logging.WARNING):
        reject = separate_or_reject("a.wav", broken, lambda: "load")
    assert reject.message.endswith("; the worker's log shows where")
    assert caplog.records[0].exc_info[0] is ZeroDivisionError
