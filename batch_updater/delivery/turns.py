"""
When the next start of several runs may be, by what all of them have started; pure.

Whoever wants to start is given the next free moment, a little in advance, and waits
for it: so the runs take turns, and one that wakes up late takes nobody's time. A
start counts from when it was made, as long as its own place has not been given away
again; whoever comes later than that has to ask anew.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

from batch_updater.delivery.ledger import Window, burst_of
from batch_updater.files.quota_file import CAPACITY, Head, Start

_HORIZON = 1.0  # seconds: how long a faster run that joins may have to wait
_NEVER = -math.inf


class Starts(Protocol):
    """The latest starts, by their numbers."""

    def read(self, number: int) -> Start:
        """Return a start."""

    def write(self, number: int, start: Start) -> None:
        """Keep a start."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A start that has been given away for a moment, and is not made yet."""

    number: int
    at: float
    born: float


def begin(now: float, cap: Window) -> Head:
    """Return the head of a new file: who used the old one may just have started."""
    quiet = now + cap.seconds + cap.most_late
    return Head(
        count=0,
        freed=0,
        starts=cap.starts,
        window=cap.seconds,
        until=quiet,
        born=now,
        last=_NEVER,
        spaced=quiet + _burst(cap),
        not_before=quiet,
    )


def with_cap(head: Head, now: float, cap: Window) -> Head:
    """Return the head with the larger cap: its own, while it holds, or this run's."""
    if cap.starts * head.window < head.starts * cap.seconds and now <= head.until:
        return head
    # What a slower run kept apart is no reason for a faster one to wait.
    spaced = max(head.last, head.not_before) + _burst(cap)
    return replace(
        head,
        starts=cap.starts,
        window=cap.seconds,
        until=max(now, head.not_before) + 2 * cap.seconds,
        spaced=min(head.spaced, spaced),
    )


def without_cap(head: Head, cap: Window) -> Head:
    """Return the head without a cap that its run gives up: the next to ask brings one."""
    if (head.starts, head.window) != (cap.starts, cap.seconds):
        return head
    return replace(head, until=_NEVER)


def _burst(cap: Window) -> float:
    """Return the seconds that the starts of a burst would take if evenly spaced."""
    return burst_of(cap.starts) * cap.seconds / cap.starts


def paused(head: Head, until: float) -> Head:
    """Return the head of a quota that nobody may use before a moment."""
    return replace(head, not_before=max(head.not_before, until))


def next_start(head: Head, now: float, cap: Window, starts: Starts) -> float:
    """Return the moment of the next start that can be given away."""
    spacing, free = head.window / head.starts, _NEVER
    if (place := head.count - head.starts) >= 0:
        start = starts.read(place)
        late = min(max(start.late, cap.least_late), cap.most_late)
        free = start.at + head.window + late
    evenly = head.spaced - (burst_of(head.starts) - 1) * spacing
    return max(now, head.not_before, head.last, evenly, free)


def give(
    head: Head, now: float, cap: Window, starts: Starts
) -> tuple[Head, Turn | float]:
    """
    Give the next start away.

    Returns:
        The head, and the turn; or the moment to ask again, when it is too far ahead.
    """
    at = next_start(head, now, cap, starts)
    if at - now > _HORIZON:
        return head, at - _HORIZON
    starts.write(head.count, Start(at, math.inf))
    given = replace(
        head,
        count=head.count + 1,
        freed=max(head.freed, head.count - head.starts + 1),
        last=at,
        spaced=max(head.spaced, at) + head.window / head.starts,
    )
    return given, Turn(head.count, at, head.born)


def make(
    head: Head, turn: Turn, now: float, cap: Window, starts: Starts
) -> Turn | None:
    """
    Make a start whose moment has come.

    Returns:
        The turn with the moment of its start; None when it was missed: its place may
        have been given away again, or all have been asked to pause.
    """
    if not _is_kept(head, turn):
        return None
    in_time = turn.number >= head.freed or now <= turn.at + cap.most_late
    made = in_time and now >= head.not_before
    starts.write(turn.number, Start(now, math.inf) if made else Start(_NEVER, 0.0))
    return replace(turn, at=now) if made else None


def arrived_late(head: Head, made: Turn, seconds: float, starts: Starts) -> bool:
    """Note how late a start may have arrived; return whether anybody may ask still."""
    if kept := _is_kept(head, made):
        starts.write(made.number, Start(made.at, seconds))
    return kept


def _is_kept(head: Head, turn: Turn) -> bool:
    return turn.born == head.born and head.count - turn.number < CAPACITY
