"""
The clocks of this machine, and what a run makes of them.

Three, because none tells all: the wall clock can be set; real time (CLOCK_BOOTTIME)
goes on while the machine sleeps, and cannot be set; the loop's clock stands still
meanwhile, so a request that was on its way has not waited for a night.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

_JUMP = 2.0  # seconds; less than that is a clock being trimmed

# Where it does not exist (macOS), the monotonic clock of the system does the same.
_REAL_TIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def loop_time() -> float:
    """Return the running loop's time in seconds, as its timers go by it."""
    return asyncio.get_running_loop().time()


def _wall() -> float:
    return time.time_ns() / 1e9


def _passed() -> float:
    return time.clock_gettime(_REAL_TIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """
    Functions that return seconds; tests give others.

    Args:
        wall: since the epoch, as the clock on the wall is set.
        passed: of real time, since some moment.
        awake: of the time this machine was awake, since some moment.
    """

    wall: Callable[[], float] = _wall
    passed: Callable[[], float] = _passed
    awake: Callable[[], float] = time.monotonic


REAL = Clocks()


@dataclass(frozen=True, slots=True)
class Moment:
    """
    One moment, on the clocks that matter later.

    Args:
        stamp: seconds since the epoch.
        awake: seconds on the clock that measures how long something takes.
    """

    stamp: float
    awake: float


class Clock:
    """
    Stamps that never go backwards and stay true through a sleep.

    They go by the wall clock as it was when this was made, and by the real time that
    has passed since: somebody who sets the clock cannot bend a rate or a duration.
    """

    def __init__(self, clocks: Clocks = REAL) -> None:
        self._clocks = clocks
        self._origin = clocks.wall() - clocks.passed()

    def now(self) -> Moment:
        """Return this moment."""
        return Moment(self._origin + self._clocks.passed(), self._clocks.awake())

    def since(self, moment: Moment) -> float:
        """Return the seconds since a moment in which the machine was awake."""
        return self._clocks.awake() - moment.awake


class Jumps:
    """Tells when somebody has set the wall clock, once for each time."""

    def __init__(self, clocks: Clocks = REAL) -> None:
        self._clocks = clocks
        self._offset = self._measure()

    def look(self) -> float | None:
        """Return the seconds by which the wall clock has jumped, or None."""
        jump = self._measure() - self._offset
        if abs(jump) <= _JUMP:
            return None
        self._offset += jump
        return jump

    def _measure(self) -> float:
        return self._clocks.wall() - self._clocks.passed()
