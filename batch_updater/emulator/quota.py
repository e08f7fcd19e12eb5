"""How many calls a second are let through: a sliding window by arrival; pure."""

from collections import deque

from batch_updater.emulator.settings import QuotaRules

WINDOW = 1.0
SHARED = "all operations"


class Window:
    """At most `limit` calls in any half-open window [t, t + 1 s)."""

    __slots__ = ("_calls", "_count_refused", "_limit")

    def __init__(self, limit: int, *, count_refused: bool = False) -> None:
        self._limit = limit
        self._count_refused = count_refused
        self._calls: deque[float] = deque()

    def admit(self, at: float) -> bool:
        """Count a call that arrived at `at` seconds; say whether it may pass."""
        while self._calls and self._calls[0] + WINDOW <= at:
            self._calls.popleft()
        free = len(self._calls) < self._limit
        if free or self._count_refused:
            self._calls.append(at)
        return free


class Quota:
    """The windows of one emulator: one for all operations, or one for each."""

    def __init__(self, rules: QuotaRules) -> None:
        self.rules = rules
        self._windows: dict[str, Window] = {}

    def admit(self, operation: str, at: float) -> bool:
        """Say whether a call of `operation` that arrived at `at` may pass."""
        if self.rules.qps is None:
            return True
        key = operation if self.rules.per_operation else SHARED
        return self._window(key, self.rules.qps).admit(at)

    def reset(self) -> None:
        """Forget the calls counted so far."""
        self._windows.clear()

    def _window(self, key: str, limit: int) -> Window:
        if key not in self._windows:
            self._windows[key] = Window(limit, count_refused=self.rules.count_refused)
        return self._windows[key]
