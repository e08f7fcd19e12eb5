"""
Which starts have been granted, and whether there is room for one more.

The ledger is what makes the rate a hard cap: a start is looked up and noted in one
step, so whoever shares a ledger shares the cap. Times are those of the loop's clock
(CLOCK_MONOTONIC), which all processes of a machine have in common.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_STARTS = 1_000_000  # of one window: 16 MB
_LEAST_KEPT = 1 << 16  # 1 MB: more than an hour of ten a second, should one be told
_MOST_LATE = 0.025  # of the window: what is left is more than 97 % of the rate
_BURST = 0.02  # of a window's starts, at least two


@dataclass(frozen=True, slots=True)
class Window:
    """
    At most `starts` starts in any sliding window of `seconds`.

    A start counts from when it may have arrived: up to `most_late` seconds after it
    was granted, and `least_late` at the least.
    """

    starts: int
    seconds: float
    least_late: float
    most_late: float


def make_window(starts: int, seconds: float, headroom: float) -> Window:
    """
    Return the window for so many starts in so many seconds.

    More than MOST_STARTS would cost too much memory: part of them in part of the time
    hold the same cap.

    Args:
        headroom: by how much of itself it is longer, at the least; requests seen to
            be late make it longer, up to 2.5 %.
    """
    parts = math.ceil(starts / MOST_STARTS)
    starts, seconds = starts // parts, seconds / parts
    least = seconds * headroom
    return Window(starts, seconds, least, max(least, seconds * _MOST_LATE))


def rate_window(rate: float, headroom: float) -> Window:
    """Return the window of a rate in starts a second: of a fraction, a longer one."""
    starts = math.ceil(rate)
    return make_window(starts, starts / rate, headroom)


def burst_of(starts: int) -> int:
    """Return how many of a window's starts may follow one another to catch up."""
    return max(2, math.ceil(starts * _BURST))


@dataclass(frozen=True, slots=True)
class Slot:
    """One start that was granted: when, and the how manieth of its ledger."""

    started: float
    number: int


class Ledger(Protocol):
    """Where starts are noted; another one may share it with other processes."""

    def take(self, now: float, windows: Sequence[Window]) -> Slot | float:
        """
        Note a start and return it, when all windows have room for it.

        Otherwise return for how many seconds there is no use in asking again. No
        other start may come between the look and the note.
        """

    def late(self, slot: Slot, seconds: float) -> None:
        """Take note that a start may have arrived so much later than granted."""

    def pause(self, until: float) -> None:
        """Grant nothing before this moment."""

    def since(self, moment: float) -> int:
        """Return how many of the starts that are remembered came after a moment."""

    def change_cap(self, cap: Window | None) -> None:
        """
        Take note of another rate; how the service slows this run is not in it.

        Args:
            cap: None for no rate at all.

        Raises:
            ValueError: this ledger cannot be without one.
        """


class LocalLedger:
    """The ledger of one process: a ring of the last starts, 16 bytes each."""

    def __init__(self) -> None:
        self._count = 0
        self._size = _LEAST_KEPT
        self._started, self._late = _never(self._size), _never(self._size)
        self._not_before = -math.inf

    def take(self, now: float, windows: Sequence[Window]) -> Slot | float:
        """Note a start, or return the seconds until there is room for it."""
        due = self.due(windows)
        return due - now if due > now else self.note(now)

    def due(self, windows: Sequence[Window]) -> float:
        """Return the moment when all windows have room for a start."""
        return max([self._not_before, *map(self._room_at, windows)])

    def note(self, now: float) -> Slot:
        """Note a start."""
        slot = Slot(now, self._count)
        self._started[self._count % self._size] = now
        self._late[self._count % self._size] = math.inf
        self._count += 1
        return slot

    def late(self, slot: Slot, seconds: float) -> None:
        """Take note that a start may have arrived so much later than granted."""
        if self._count - slot.number <= self._size:
            self._late[slot.number % self._size] = seconds

    def pause(self, until: float) -> None:
        """Grant nothing before this moment."""
        self._not_before = max(self._not_before, until)

    def since(self, moment: float) -> int:
        """Return how many of the starts that are remembered came after a moment."""
        known = range(max(0, self._count - self._size), self._count)
        return len(known) - bisect_right(known, moment, key=self._at)

    def change_cap(self, cap: Window | None) -> None:
        """Do nothing: it comes with the windows."""

    def _at(self, number: int) -> float:
        return self._started[number % self._size]

    def _room_at(self, window: Window) -> float:
        """Return when the oldest start that fills a window leaves it."""
        if window.starts > self._size:
            self._grow(window.starts)
        i = (self._count - window.starts) % self._size
        late = min(max(self._late[i], window.least_late), window.most_late)
        return self._started[i] + window.seconds + late

    def _grow(self, starts: int) -> None:
        size = max(2 * self._size, starts)
        started, late = _never(size), _never(size)
        for number in range(max(0, self._count - self._size), self._count):
            started[number % size] = self._at(number)
            late[number % size] = self._late[number % self._size]
        self._size, self._started, self._late = size, started, late


def _never(size: int) -> "array[float]":
    """Return moments before all others, so that a place never used is free."""
    return array("d", [-math.inf]) * size
