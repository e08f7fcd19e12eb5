"""
When the next attempt may start.

Two parts, because neither holds alone. An AsyncLimiter with a bucket of two
spaces the starts, and lets a late wake-up catch up. It is a leaky bucket, so
after a pause it would let a burst through on top of a full second; the log of
the last starts refuses that: a start is allowed when the one that many starts
ago is more than a window old.
"""

import asyncio
import math
from collections import deque
from typing import Protocol

from aiolimiter import AsyncLimiter

from batch_updater.delivery.gate import Gate

_SPACING_BURST = 0.02  # of a second's starts, at least two


class Pacer(Protocol):
    """What the sender asks before each attempt."""

    async def start(self) -> bool:
        """Wait for the next start; False when the run is draining instead."""

    def pause(self, delay: float) -> None:
        """Let nobody start for `delay` seconds from now."""


class Unpaced:
    """No cap of our own; pauses asked for by the service still hold."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._not_before = 0.0

    async def start(self) -> bool:
        """Return at once, unless the service asked for a pause."""
        while (delay := self._not_before - _now()) > 0 and not self._gate.closed:
            await self._gate.sleep(delay)
        return not self._gate.closed

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
        headroom: by how much of itself the window is longer than a second, so
            that requests that catch up with one another on the way stay within
            the server's window.
        gate: where to wait.
    """

    def __init__(self, rate: float, headroom: float, gate: Gate) -> None:
        starts = math.ceil(rate)
        burst = max(2, math.ceil(starts * _SPACING_BURST))
        self._gate = gate
        self._window = starts / rate * (1 + headroom)
        self._poll = 0.5 / rate
        self._spacing = AsyncLimiter(burst, burst / rate)
        self._starts: deque[float] = deque(maxlen=starts)
        self._not_before = 0.0
        self._turn = asyncio.Lock()

    async def start(self) -> bool:
        """Wait for the next start, first come first served."""
        async with self._turn:
            while not self._gate.closed and (delay := self._delay()) > 0:
                await self._gate.sleep(delay)
            if self._gate.closed:
                return False
            await self._spacing.acquire()  # has capacity: nobody else has the turn
            self._starts.append(_now())
            return True

    def pause(self, delay: float) -> None:
        """Let nobody start for `delay` seconds from now."""
        self._not_before = max(self._not_before, _now() + delay)

    def _delay(self) -> float:
        not_before = self._not_before
        if len(self._starts) == self._starts.maxlen:
            not_before = max(not_before, self._starts[0] + self._window)
        delay = not_before - _now()
        if delay <= 0 and not self._spacing.has_capacity():
            return self._poll
        return delay


def _now() -> float:
    return asyncio.get_running_loop().time()


def make_pacer(rate: float | None, headroom: float, gate: Gate) -> Pacer:
    """Return the pacer for a rate in starts a second; None means no cap."""
    return Unpaced(gate) if rate is None else RatePacer(rate, headroom, gate)
