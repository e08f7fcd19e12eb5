"""How many calls are let through: sliding windows by arrival; pure."""

from collections import deque
from dataclasses import dataclass, replace

from batch_updater.emulator.settings import CallLimit, QuotaRules

WINDOW = 1.0


class Window:
    """At most `limit` calls in any half-open window [t, t + `seconds`)."""

    __slots__ = ("_calls", "_count_refused", "_seconds", "limit")

    def __init__(
        self, limit: int, seconds: float = WINDOW, *, count_refused: bool = False
    ) -> None:
        self.limit, self._seconds = limit, seconds
        self._count_refused = count_refused
        self._calls: deque[float] = deque()

    def admit(self, at: float) -> bool:
        """Count a call that arrived at `at` seconds; say whether it may pass."""
        while self._calls and self._calls[0] + self._seconds <= at:
            self._calls.popleft()
        free = len(self._calls) < self.limit
        if free or self._count_refused:
            self._calls.append(at)
        return free

    @property
    def left(self) -> int:
        """How many more calls the last one found room for."""
        return max(0, self.limit - len(self._calls))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the gateway said to one call: its limit, whether it passes, what is left."""

    limit: CallLimit
    admitted: bool
    left: int

    @property
    def message(self) -> str:
        """The text of APIGW.0308 (frs-api.md 3.2)."""
        calls, window = self.limit.calls, self.limit.window
        return (
            "The throttling threshold has been reached: "
            f"policy user over ratelimit,limit:{calls},time:{window}"
        )

    def headers(self) -> dict[str, str]:
        """Return the documented headers; -used tells what is left (page 0005)."""
        return {
            "X-ratelimit": str(self.limit.calls),
            "X-ratelimit-used": str(self.left),
            "X-ratelimit-window": self.limit.unit,
        }


class GatewayQuota:
    """A window for each user and API."""

    def __init__(self, limit: CallLimit, *, count_refused: bool = False) -> None:
        self._limit, self._count_refused = limit, count_refused
        self._windows: dict[tuple[str, str], Window] = {}

    def admit(self, user: str, operation: str, at: float) -> Allowance:
        """Count a call that arrived at `at` seconds."""
        window = self._window((user, operation))
        admitted = window.admit(at)
        return Allowance(self._limit, admitted, window.left)

    def reset(self) -> None:
        """Forget the calls counted so far."""
        self._windows.clear()

    def _window(self, key: tuple[str, str]) -> Window:
        if key not in self._windows:
            calls, seconds = self._limit.calls, self._limit.seconds
            refused = self._count_refused
            self._windows[key] = Window(calls, seconds, count_refused=refused)
        return self._windows[key]


class Quota:
    """The windows of FRS itself: one for all calls, or one for each operation, project."""

    def __init__(self, rules: QuotaRules) -> None:
        self.rules = rules
        self._windows: dict[tuple[str, str], Window] = {}

    def admit(self, operation: str, at: float, project_id: str = "") -> bool:
        """Say whether a call of `operation` that arrived at `at` may pass."""
        rules = self.rules
        if rules.qps is None:
            return True
        key = (
            operation if rules.per_operation else "",
            project_id if rules.per_project else "",
        )
        return self._window(key, rules.qps + rules.burst).admit(at)

    def change(self, qps: int | None) -> None:
        """Let another number of calls a second pass; those counted so far count on."""
        self.rules = replace(self.rules, qps=qps)
        for window in self._windows.values():
            window.limit = (qps or 0) + self.rules.burst

    def reset(self) -> None:
        """Forget the calls counted so far."""
        self._windows.clear()

    def _window(self, key: tuple[str, str], limit: int) -> Window:
        if key not in self._windows:
            self._windows[key] = Window(limit, count_refused=self.rules.count_refused)
        return self._windows[key]
