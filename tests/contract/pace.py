"""How often the service is asked: starts spaced evenly, and counted."""

import threading
import time
from collections.abc import Callable


class Pace:
    """
    One clock for everything that is sent, whichever client sends it.

    Args:
        rate: requests a second, or None for no limit.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock, self.sleep = clock, sleep
        self.starts: list[float] = []
        self._gap = 0.0 if rate is None else 1 / rate
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next request may start."""
        with self._lock:
            now = self.clock()
            start = max(now, self._next)
            self._next = start + self._gap
        self.sleep(start - now)
        self.note()

    def note(self) -> None:
        """Count a request that starts now."""
        self.starts.append(self.clock())

    def hold(self, seconds: float) -> None:
        """Let nothing start for so long."""
        with self._lock:
            self._next = max(self._next, self.clock() + seconds)

    @property
    def busiest(self) -> int:
        """The most requests that started within one second."""
        starts = sorted(self.starts)
        found, first = 0, 0
        for last, start in enumerate(starts):
            while starts[first] <= start - 1:
                first += 1
            found = max(found, last - first + 1)
        return found
