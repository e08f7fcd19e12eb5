"""
Which starts have been granted, and whether there is room for one more.

The ledger is what makes the rate a hard cap: a start is looked up and noted in one
step, so whoever shares a ledger shares the cap. Times are those of CLOCK_MONOTONIC,
which all processes of a machine have in common.

The server counts arrivals, not starts, and a request that was held up on its way
arrives closer to those behind it. How long it was held up is known once it is
answered: at most its round trip less the shortest one. So its place is given away
that much later, as long as the rate can still be used: time that is given away for
caution is counted, and no more of it is given away than a share of all time.
"""

import math
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

MOST_STARTS = 1_000_000  # of one window: 16 MB
_LEAST_KEPT = 1 << 16  # 1 MB: more than an hour of ten a second, should one be told
_MOST_LATE = 0.025  # of the window: as late as what is not answered may be
_BURST = 0.02  # of a window's starts, at least two
_BREATH = 0.005  # seconds: a wake-up for each start would cost more than the start

# Shares of a window. With a headroom of 1 % at least 98.5 % is used in the long run,
# timers that are late by two thousandths included.
_CAUTION = 0.0025
_SAVED_AT_FIRST = 0.02
_MOST_SAVED = 0.1
_MOST_AT_ONCE = 0.15

_USUAL = 0.002  # seconds by which timers are late on an idle machine
_SHORTEST_FOR = 60.0  # seconds: a way that has become longer is no lateness


@dataclass(frozen=True, slots=True)
class Window:
    """
    At most `starts` starts in any sliding window of `seconds`.

    A start counts from when it may have arrived: `least_late` seconds after it was
    granted at the least, and `most_late` when that is not known.
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
            be late make it longer.
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


class Slot(NamedTuple):  # made for each start; a dataclass takes three times as long
    """One start that was granted: when, and its number in the ledger."""

    started: float
    number: int


class Ledger(Protocol):
    """Where starts are noted; another one may share it with other processes."""

    clock: Callable[[], float]
    """Tells the seconds of CLOCK_MONOTONIC."""

    breath: float
    """Seconds between two looks when many starts are due; those are granted at once."""

    def take(self, now: float, windows: Sequence[Window], asked: float) -> Slot | float:
        """
        Note a start and return it, when all windows have room for it.

        Otherwise return for how many seconds there is no use in asking again. No
        other start may come between the look and the note.

        Args:
            asked: since when there was always somebody who wanted to start.
        """

    def due(self, windows: Sequence[Window]) -> float:
        """Return a moment before which there is no use in asking."""

    def begin(self, slot: Slot, now: float) -> Slot:
        """Note that a start that was granted is made only now; return it so."""

    def landed(self, slot: Slot, trip: float) -> None:
        """Take note that a start was answered, so many seconds after it was made."""

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


class ShortestTrip:
    """The shortest round trip of the last minute or two."""

    def __init__(self) -> None:
        self.seconds = math.inf
        self._of_minute = math.inf
        self._until = math.inf

    def note(self, trip: float, now: float) -> None:
        """Take note of a trip that has ended just now."""
        if trip < self._of_minute:
            self._of_minute = trip
            self.seconds = min(self.seconds, trip)
        if now >= self._until or self._until == math.inf:
            self._until = now + _SHORTEST_FOR
            self.seconds, self._of_minute = self._of_minute, trip


class Caution:
    """
    How much later than the headroom asks for places may be given away; pure.

    A share of each window is put by, and what places are given away later is taken
    from it, or owed to it: so rare pauses of a network or a process are waited out
    whole, and what is late all the time costs no more than the share. Time that
    nobody used is put by as well: on a machine that is so busy, much is late.
    """

    def __init__(self) -> None:
        self._saved = _SAVED_AT_FIRST
        self._overslept = 0.0

    def allowed(self, window: Window) -> float:
        """Return the most seconds by which a place may be given away later."""
        # All of a pause or nothing: a part of it would cost, and help nobody.
        return _MOST_AT_ONCE * window.seconds if self._saved > 0.0 else 0.0

    def spend(
        self, window: Window, free: float, waited: float, overslept: float | None
    ) -> None:
        """
        Take note that one place of a window was given away again.

        Args:
            free: for how many seconds it could have been, but for caution.
            waited: for how many of them somebody waited for it.
            overslept: how many of those are nobody's caution; None when as many as
                of the place before: nobody slept in between.
        """
        if overslept is None:
            overslept = self._overslept
        self._overslept = overslept = min(overslept, waited)
        cautious = waited - overslept
        unused = max(0.0, free - cautious - _USUAL)
        saved = self._saved
        saved += (_CAUTION + (unused - cautious) / window.seconds) / window.starts
        self._saved = min(max(saved, -_MOST_SAVED), _MOST_SAVED)


class LocalLedger:
    """The ledger of one process: a ring of the last starts, 16 bytes each."""

    breath = _BREATH

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._count = 0
        self._size = _LEAST_KEPT
        self._started, self._trips = _never(self._size), _never(self._size)
        self._not_before = -math.inf
        self._shortest = ShortestTrip()
        self._caution = Caution()
        self._early = -math.inf
        self._awaited: float | None = None
        self._filled: Window | None = None

    def take(self, now: float, windows: Sequence[Window], asked: float) -> Slot | float:
        """Note a start, or return the seconds until there is room for it."""
        due = self.due(windows)
        if due <= now:
            return self.note(now, asked)
        self._awaited = due
        return due - now

    def due(self, windows: Sequence[Window]) -> float:
        """Return the moment when all windows have room for a start."""
        due, self._filled = self._not_before, None
        for window in windows:
            if window.starts > self._size:
                self._grow(window.starts)
            i = (self._count - window.starts) % self._size
            early = self._started[i] + window.seconds + window.least_late
            free = early + self._extra(self._trips[i], window)
            if free > due:
                due, self._early, self._filled = free, early, window
        return due

    def note(self, now: float, asked: float) -> Slot:
        """Note a start, for which `due` was asked just before."""
        awaited, self._awaited = self._awaited, None
        if self._filled:
            free, waited = now - self._early, max(0.0, now - max(self._early, asked))
            overslept = None if awaited is None else max(0.0, now - awaited)
            self._caution.spend(self._filled, free, waited, overslept)
        count = self._count
        self._started[count % self._size] = now
        self._trips[count % self._size] = -math.inf
        self._count = count + 1
        return Slot(now, count)

    def begin(self, slot: Slot, now: float) -> Slot:
        """Note that a start is made only now."""
        self._started[slot.number % self._size] = now
        return Slot(now, slot.number)

    def landed(self, slot: Slot, trip: float) -> None:
        """Take note that a start was answered."""
        self._shortest.note(trip, slot.started + trip)
        if self._count - slot.number <= self._size:
            self._trips[slot.number % self._size] = trip

    def lateness(self, trip: float) -> float:
        """Return by how many seconds a request may have arrived later than others."""
        return trip - self._shortest.seconds

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

    def _extra(self, trip: float, window: Window) -> float:
        """Return by how much more than the least a request may have been late."""
        late = window.most_late if trip < 0 else self.lateness(trip)
        if late <= window.least_late:
            return 0.0
        return min(late - window.least_late, self._caution.allowed(window))

    def _grow(self, starts: int) -> None:
        size = max(2 * self._size, starts)
        started, trips = _never(size), _never(size)
        for number in range(max(0, self._count - self._size), self._count):
            started[number % size] = self._at(number)
            trips[number % size] = self._trips[number % self._size]
        self._size, self._started, self._trips = size, started, trips


def _never(size: int) -> "array[float]":
    """Return moments before all others, so that a place never used is free."""
    return array("d", [-math.inf]) * size
