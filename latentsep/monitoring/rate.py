"""How fast a total grew of late."""

from collections import deque


class RecentRate:
    """The rate of a total over a span that ends now; from the beginning while that is shorter.

    It is told the total from time to time; the rate then goes back to the last time that lies a
    span ago or longer. Memory is bounded by the span, as times closer than ``step_s`` are one.
    """

    def __init__(self, span_s: float, step_s: float = 1.0) -> None:
        self._span_s = span_s
        self._step_s = step_s
        self._seen: deque[tuple[float, float]] = deque([(0.0, 0.0)])

    def at(self, now_s: float, total: float) -> float | None:
        """The rate per second at a time counted from the beginning; None before there is any.

        Args:
            now_s: never smaller than the time before.
            total: never smaller than the total before.
        """
        if not total or now_s <= 0:
            return None
        while len(self._seen) > 1 and self._seen[1][0] <= now_s - self._span_s:
            self._seen.popleft()
        since_s, before = self._seen[0]
        if now_s - self._seen[-1][0] >= self._step_s:
            self._seen.append((now_s, total))
        return (total - before) / (now_s - since_s) if now_s > since_s else None
