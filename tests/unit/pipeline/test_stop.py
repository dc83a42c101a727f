import signal

import pytest

from latentsep.pipeline.stop import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_and_the_old_handler_comes_back(number):
    before = signal.getsignal(number)
    stop = StopRequest()
    with stop.on_signals():
        assert not stop.is_set
        signal.raise_signal(number)
        assert stop.is_set
    assert (stop.reason, stop.by_signal) == (f"got {number.name}", True)
    assert signal.getsignal(number) is before


def test_the_first_reason_stays():
    stop = StopRequest()
    stop.ask("too dear")
    stop.ask("got SIGTERM", by_signal=True)
    assert (stop.reason, stop.by_signal, stop.is_set) == ("too dear", False, True)
