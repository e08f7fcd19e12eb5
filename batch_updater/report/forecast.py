"""When the rows that are left will be done; the clock is a parameter."""

from collections.abc import Callable
from math import exp

from batch_updater.report.durations import format_duration
from batch_updater.report.summary import Tally

_SHORTEST = 1e-6  # seconds: what took no longer has no rate yet
_MEMORY = 300.0  # seconds after which a measurement counts for a third
_PAUSE = 30.0  # seconds of silence, beyond which it is a pause and not the pace


class RecentRate:
    """
    Rows a second lately, in which a pause leaves little trace.

    A silence counts as long as four usual ones, or half a minute: a service that
    asks for an hour of patience says nothing about how fast it will be afterwards.
    """

    def __init__(self, started: float) -> None:
        self._last = started
        self._count = 0
        self._rows = self._seconds = self._steps = 0.0

    def take(self, count: int, now: float) -> None:
        """Take how many rows are done by now."""
        if count <= self._count:
            return
        usual = self._seconds / self._steps if self._steps else 0.0
        gap = min(max(now - self._last, 0.0), max(_PAUSE, 4 * usual))
        kept = exp(-gap / _MEMORY)
        self._rows = self._rows * kept + count - self._count
        self._seconds = self._seconds * kept + gap
        self._steps = self._steps * kept + 1
        self._count, self._last = count, now

    @property
    def value(self) -> float | None:
        """The rate; None before anything was done."""
        return self._rows / self._seconds if self._seconds > _SHORTEST else None


class Forecast:
    """
    How long the rows that are left will take.

    They go at the pace of late, retries and all, and never faster than the cap;
    before the first result the cap is all that is known.

    Args:
        rows: how many will be sent; those that break a rule take no time.
        cap: tells the most rows a second, or None; it may change.
        now: seconds on the clock that `take` goes by.
        window: tells the seconds left of the time window; None when it has no end.
    """

    def __init__(
        self,
        rows: int,
        cap: Callable[[], float | None],
        now: float,
        window: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._left, self._rows = rows, rows
        self._cap = cap
        self._window = window
        self._recent = RecentRate(now)

    def take(self, tally: Tally, now: float) -> None:
        """Take where the run stands."""
        self._recent.take(tally.sent, now)
        self._left = max(0, self._rows - tally.sent)

    @property
    def rate(self) -> float | None:
        """Rows a second to reckon with, or None when nothing is known."""
        known = [rate for rate in (self._recent.value, self._cap()) if rate]
        return min(known, default=None)

    def tell(self) -> str:
        """Return the time that is left, and what will be left after that time."""
        if not self._left:
            return "ETA 0 s"
        if not (rate := self.rate):
            return "ETA ?"
        over = rows_over(self._left, rate, self._window())
        rest = f", about {over:,} rows will be left for resume" if over else ""
        return f"ETA {format_duration(self._left / rate)}{rest}"


def rows_over(rows: int, rate: float | None, seconds: float | None) -> int:
    """Return how many rows will be left when the time is over; None is unknown."""
    if rate is None or seconds is None:
        return 0
    return max(0, rows - int(rate * max(seconds, 0.0)))
