"""
When the next attempt may start.

Two parts, because neither holds alone. An AsyncLimiter with a bucket of two
spaces the starts, and lets a late wake-up catch up. It is a leaky bucket, so
after a pause it would let a burst through on top of a full second; the log of
the last starts refuses that: of as many starts as a second allows, the oldest
must be a window old before the next one goes.

The server counts arrivals, not starts, and a request that was held up on its way
arrives closer to those behind it. How long it was held up is known once it is
answered: at most its round trip less the shortest one seen. So its place in the
log is given away that much later.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aiolimiter import AsyncLimiter

from batch_updater.delivery.gate import Gate

_SPACING_BURST = 0.02  # of a second's starts, at least two
_MOST_LATE = 0.025  # of the window: what is left is more than 97 % of the rate


@dataclass(slots=True)
class Slot:
    """One start: when it was granted, and by how much its arrival may be late."""

    started: float
    late: float = math.inf


class Pacer(Protocol):
    """What the sender asks before each attempt, and tells after it."""

    async def start(self) -> Slot | None:
        """Wait for the next start; None when the run is draining instead."""

    def landed(self, slot: Slot) -> None:
        """Take note that the attempt has been answered."""

    def pause(self, delay: float) -> None:
        """Let nobody start for `delay` seconds from now."""


class Unpaced:
    """No cap of our own; pauses asked for by the service still hold."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._not_before = 0.0

    async def start(self) -> Slot | None:
        """Return at once, unless the service asked for a pause."""
        await _until_due(self._gate, lambda: self._not_before - _now())
        return None if self._gate.closed else Slot(_now())

    def landed(self, slot: Slot) -> None:
        """Do nothing: nobody waits for the slot."""

    def pause(self, delay: float) -> None:
        """Let nobody start for `delay` seconds from now."""
        self._not_before = max(self._not_before, _now() + delay)


class RatePacer:
    """
    At most `rate` starts in any sliding second, as the server sees them.

    Args:
        rate: starts a second; a fraction below one means a start every 1/rate s.
            With a fractional rate the whole number above it is the cap of a
            single second, and the rate itself the cap of the mean.
        headroom: by how much of itself the window is longer than a second, at
            the least; requests seen to be late make it longer, up to 2.5 %.
        gate: where to wait.
    """

    def __init__(self, rate: float, headroom: float, gate: Gate) -> None:
        starts = math.ceil(rate)
        burst = max(2, math.ceil(starts * _SPACING_BURST))
        self._gate = gate
        self._window = starts / rate
        self._least_late = self._window * headroom
        self._most_late = max(self._least_late, self._window * _MOST_LATE)
        self._poll = 0.5 / rate
        self._spacing = AsyncLimiter(burst, burst / rate)
        self._first = burst  # fills the bucket: catching up must be earned
        self._slots: deque[Slot] = deque(maxlen=starts)
        self._shortest_trip = math.inf
        self._not_before = 0.0
        self._turn = asyncio.Lock()

    async def start(self) -> Slot | None:
        """Wait for the next start, first come first served."""
        async with self._turn:
            await _until_due(self._gate, self._delay)
            if self._gate.closed:
                return None
            # Never waits: there is capacity, and nobody else has the turn.
            await self._spacing.acquire(1 if self._slots else self._first)
            slot = Slot(_now())
            self._slots.append(slot)
            return slot

    def landed(self, slot: Slot) -> None:
        """Take note that the attempt has been answered."""
        trip = _now() - slot.started
        self._shortest_trip = min(self._shortest_trip, trip)
        slot.late = trip - self._shortest_trip

    def pause(self, delay: float) -> None:
        """Let nobody start for `delay` seconds from now."""
        self._not_before = max(self._not_before, _now() + delay)

    def _delay(self) -> float:
        not_before = self._not_before
        if len(self._slots) == self._slots.maxlen:
            oldest = self._slots[0]
            late = min(max(oldest.late, self._least_late), self._most_late)
            not_before = max(not_before, oldest.started + self._window + late)
        delay = not_before - _now()
        if delay <= 0 and not self._spacing.has_capacity():
            return self._poll
        return delay


async def _until_due(gate: Gate, delay: Callable[[], float]) -> None:
    """Wait until there is no delay left and nobody holds the gate, or it closes."""
    while not gate.closed:
        if gate.is_held:
            await gate.until_free()
        elif (left := delay()) > 0:
            await gate.sleep(left)
        else:
            return


def _now() -> float:
    return asyncio.get_running_loop().time()


def make_pacer(rate: float | None, headroom: float, gate: Gate) -> Pacer:
    """Return the pacer for a rate in starts a second; None means no cap."""
    return Unpaced(gate) if rate is None else RatePacer(rate, headroom, gate)
