import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from latentsep.pipeline.solo import SoloGate


class Room:
    """Who is inside, and who met whom."""

    def __init__(self):
        self.inside = set()
        self.met = {}
        self.lock = threading.Lock()

    def visit(self, gate, name, *, alone):
        with gate.pass_through(alone=alone):
            with self.lock:
                self.inside.add(name)
                for one in self.inside:
                    self.met.setdefault(one, set()).update(self.inside - {one})
            time.sleep(0.005)
            with self.lock:
                self.inside.discard(name)


def test_who_wants_to_be_alone_meets_nobody_and_all_get_through():
    gate, room = SoloGate(), Room()
    with ThreadPoolExecutor(8) as pool:
        visits = [
            pool.submit(room.visit, gate, number, alone=number % 5 == 0) for number in range(40)
        ]
        for visit in visits:
            visit.result(30)
    assert len(room.met) == 40
    assert all(not room.met[number] for number in range(0, 40, 5))
    assert any(room.met[number] for number in range(40))


def test_the_gate_opens_again_after_an_error():
    gate = SoloGate()
    for alone in (True, False):
        with pytest.raises(KeyError), gate.pass_through(alone=alone):
            raise KeyError
    with gate.pass_through(alone=True):
        pass
