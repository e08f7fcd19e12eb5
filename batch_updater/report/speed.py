"""How fast a run went, in bounded memory: latencies, the busiest second, sessions."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.int64]

_SECOND = 1_000_000  # microseconds, which all times here are in


class Quantiles:
    """Latency quantiles in bounded memory, each within 1 % of the true one."""

    _STEP = math.log(1.02)
    _FLOOR = 1.0

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    def add(self, latencies: Whole) -> None:
        """Take latencies."""
        logarithms = np.log(np.maximum(latencies, self._FLOOR) / _SECOND)
        buckets = np.floor(logarithms / self._STEP).astype(np.int64)
        found, counts = np.unique(buckets, return_counts=True)
        for bucket, count in zip(found.tolist(), counts.tolist(), strict=True):
            self._buckets[bucket] += count

    def at(self, share: float) -> float | None:
        """Return the latency in seconds that this share of all is at or under."""
        wanted, seen = share * self._buckets.total(), 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return math.exp((bucket + 0.5) * self._STEP)
        return None


class BusiestSecond:
    """
    The most starts in any sliding second [t, t + 1 s), in bounded memory.

    Starts may come in any order as long as none is more than a hundred thousand
    places late. Those of one microsecond are kept as one, with their number: a second
    has no more than a million of them, however many starts.
    """

    _KEEP = 100_000
    _NEW = 1 << 15

    def __init__(self) -> None:
        self._moments = np.empty(0, dtype=np.int64)
        self._counts = np.empty(0, dtype=np.int64)
        self._new: list[Whole] = []
        self._waiting = 0
        self._most = 0

    def add(self, moments: Whole) -> None:
        """Take starts, in microseconds since the epoch."""
        for first in range(0, len(moments), self._NEW):
            part = moments[first : first + self._NEW]
            self._new.append(part)
            self._waiting += len(part)
            if self._waiting >= self._NEW:
                self._settle(keep=self._KEEP)

    def most(self) -> int:
        """Return the most starts that any sliding second holds."""
        self._settle(keep=0)
        return self._most

    def _settle(self, keep: int) -> None:
        self._merge()
        moments, starts = self._moments, np.cumsum(self._counts)
        if not len(moments):
            return
        oldest = np.searchsorted(moments, moments - _SECOND, side="right")
        before = np.r_[0, starts][oldest]
        self._most = max(self._most, int((starts - before).max()))
        # What is kept must reach a second back from the oldest place that a late
        # start can still take, for windows that straddle.
        border = int(
            np.searchsorted(starts, max(0, int(starts[-1]) - keep - 1), "right")
        )
        reach = moments[min(border, len(moments) - 1)] - _SECOND
        kept = int(np.searchsorted(moments, reach, side="right"))
        self._moments = moments[kept:].copy()
        self._counts = self._counts[kept:].copy()

    def _merge(self) -> None:
        if not self._new:
            return
        new, counts = np.unique(np.concatenate(self._new), return_counts=True)
        self._new, self._waiting = [], 0
        places = np.searchsorted(self._moments, new)
        known = np.zeros(len(new), dtype=np.bool_)
        inside = places < len(self._moments)
        known[inside] = self._moments[places[inside]] == new[inside]
        self._counts[places[known]] += counts[known]
        places, new, counts = places[~known], new[~known], counts[~known]
        self._moments = np.insert(self._moments, places, new)
        self._counts = np.insert(self._counts, places, counts)


@dataclass(slots=True)
class _Session:
    """
    When the attempts of one session started and ended.

    Each session begins with the wall clock as it is then, which may have been set
    back since the one before: what they did is never laid on top of each other.
    """

    attempts: int = 0
    busiest: BusiestSecond = field(default_factory=BusiestSecond)
    first_start: float = math.inf
    last_start: float = -math.inf
    last_end: float = -math.inf

    def add(self, started: Whole, latency: Whole) -> None:
        self.attempts += len(started)
        self.busiest.add(started)
        self.first_start = min(self.first_start, int(started.min()))
        self.last_start = max(self.last_start, int(started.max()))
        self.last_end = max(self.last_end, int((started + latency).max()))


class Speed:
    """Adds up attempts in any order, session by session."""

    def __init__(self) -> None:
        self._latency = Quantiles()
        self._sessions: list[_Session] = []

    def new_session(self) -> None:
        """Start a new stretch of time."""
        if self._sessions:
            self._sessions[-1].busiest.most()  # and lets go of what it kept for that
        self._sessions.append(_Session())

    def add(self, started: Whole, latency: Whole) -> None:
        """Take attempts: when they started, since the epoch, and how long they took."""
        if not len(started):
            return
        if not self._sessions:
            self.new_session()
        self._latency.add(latency)
        self._sessions[-1].add(started, latency)

    def told(self) -> dict[str, Any]:
        """Return the keyword arguments of Summary that tell of time; in seconds."""
        sessions = [session for session in self._sessions if session.attempts]
        seconds = sum(s.last_end - s.first_start for s in sessions) / _SECOND
        return {
            "achieved_rate": _rate_of(sessions),
            "busiest_second": max((s.busiest.most() for s in sessions), default=0),
            "latency": {f"p{q}": self._latency.at(q / 100) for q in (50, 95, 99)},
            "seconds": seconds,
        }


def _rate_of(sessions: list[_Session]) -> float | None:
    """Return starts a second; n starts have n - 1 gaps between them."""
    if not sessions:
        return None
    attempts = sum(session.attempts for session in sessions)
    seconds = sum(s.last_start - s.first_start for s in sessions) / _SECOND
    return (attempts - len(sessions)) / seconds if seconds > 1 else float(attempts)
