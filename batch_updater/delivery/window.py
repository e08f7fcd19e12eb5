"""
The time window: when a run has to stop, whatever is left.

--max-duration is real time, asleep or awake; --stop-at is the wall clock's, so that
a clock that is set counts as it stands. Both are asked for before each start: a
machine that slept past the end starts nothing when it wakes. The watch is for those
who wait, and looks once a second, because a timer stands still in a sleep.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from batch_updater.delivery.clock import REAL, Clocks, Jumps
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.errors import TimeWindowOver, UsageError

_LOOK = 1.0  # seconds between two looks, at the most


@dataclass(frozen=True, slots=True)
class End:
    """
    One end of the window.

    Args:
        left: seconds until then; less than nothing when it is over.
        limit: the flag and its value, for people.
        over: how they say that this is over.
    """

    left: float
    limit: str
    over: str = "is over"


First = Callable[[], End | None]
"""Tells the end of the window that comes first; None when it has no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """
    When to stop; pure, but for the clocks it is given.

    Args:
        max_duration: seconds of real time from now, or None.
        stop_at: a moment in UTC, or None.
        named: `max_duration` as people say it.
    """

    max_duration: float | None = None
    stop_at: datetime | None = None
    named: str = ""

    @property
    def ends(self) -> bool:
        """Whether it ever does."""
        return self.max_duration is not None or self.stop_at is not None

    def opened(self, clocks: Clocks = REAL) -> First:
        """Return what tells the end that comes first; the window begins now."""
        began = clocks.passed()

        def first() -> End | None:
            ends = self._ends(clocks.wall(), clocks.passed() - began)
            return min(ends, key=lambda end: end.left, default=None)

        return first

    def _ends(self, wall: float, passed: float) -> list[End]:
        ends = []
        if self.max_duration is not None:
            limit = f"--max-duration {self.named}"
            ends.append(End(self.max_duration - passed, limit))
        if self.stop_at is not None:
            limit = f"--stop-at {tell_moment(self.stop_at)}"
            ends.append(End(self.stop_at.timestamp() - wall, limit, "has come"))
        return ends


def refuse_past(stop_at: datetime | None, now: datetime | None = None) -> None:
    """Raise UsageError when the moment has passed: nothing could be sent."""
    if stop_at is not None and stop_at <= (now or datetime.now(UTC)):
        raise UsageError(
            f"--stop-at {tell_moment(stop_at)} has passed; nothing was sent",
            hint="Give a moment to come, or a time of day such as 06:00: the next "
            "time that the clock shows it.",
        )


def tell_moment(moment: datetime) -> str:
    """Return a moment as this machine's clock shows it: `2026-11-25 06:00:00 +0800`."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %z}"


@asynccontextmanager
async def kept_within(
    window: Window, gate: Gate, notices: Notices, clocks: Clocks = REAL
) -> AsyncIterator[First]:
    """
    Close the gate at the end of the window; the block is the run.

    A wall clock that is set meanwhile is noted, window or not.

    Yields:
        What tells the end that comes first, and how much is left.
    """
    first = window.opened(clocks)

    def over() -> TimeWindowOver | None:
        end = first()
        if end is None or end.left > 0:
            return None
        return TimeWindowOver(f"{end.limit} {end.over}")

    with gate.asking(over) if window.ends else nullcontext():
        watch = asyncio.create_task(_watch(first, gate, Jumps(clocks), notices))
        try:
            yield first
        finally:
            watch.cancel()
            await asyncio.wait([watch])


async def _watch(first: First, gate: Gate, jumps: Jumps, notices: Notices) -> None:
    while not gate.closed:
        end = first()
        await asyncio.sleep(min(_LOOK, max(end.left, 0.0)) if end else _LOOK)
        if jump := jumps.look():
            note_jump(jump, notices)


def note_jump(jump: float, notices: Notices) -> None:
    """Note that the wall clock was set, by so many seconds."""
    way = "forward" if jump > 0 else "back"
    notices.record(
        "clock",
        f"this machine's clock was set {way} by {abs(jump):.1f} s; the stamps of this "
        "session go on as they began",
        jump_s=round(jump, 3),
    )
