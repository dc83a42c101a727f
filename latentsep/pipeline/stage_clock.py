"""Where the time of one track goes, and which stage it is in."""

import time

STAGES = ("fetch_s", "decode_s", "separate_s", "measure_s", "encode_s", "upload_s")


class StageClock:
    """Adds up wall seconds by stage; the stages of one track follow each other in one thread.

    Attributes:
        current: the stage that was entered last; its errors are the stage's.
    """

    def __init__(self) -> None:
        self._began_s = self._entered_s = time.perf_counter()
        self._spent_s = dict.fromkeys(STAGES, 0.0)
        self.current = STAGES[0]

    def enter(self, stage: str) -> None:
        """From here on the time counts for another of ``STAGES``."""
        now_s = time.perf_counter()
        self._spent_s[self.current] += now_s - self._entered_s
        self._entered_s, self.current = now_s, stage

    def seconds(self) -> dict[str, float]:
        """The time columns of a result row."""
        self.enter(self.current)
        return {**self._spent_s, "wall_s": self._entered_s - self._began_s}
