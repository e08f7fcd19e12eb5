"""
When the next attempt may start.

Two parts, because neither holds alone. An AsyncLimiter with a bucket of two
spaces the starts, and lets a late wake-up catch up. It is a leaky bucket, so
after a pause it would let a burst through on top of a full second; the ledger of
the last starts refuses that: of as many starts as a second allows, the oldest
must be a window old before the next one goes.

The server counts arrivals, not starts, and a request that was held up on its way
arrives closer to those behind it. How long it was held up is known once it is
answered: at most its round trip less the shortest one seen. So its place in the
ledger is given away that much later.
"""

import asyncio
import math

from aiolimiter import AsyncLimiter

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.ledger import (
    Ledger,
    LocalLedger,
    Slot,
    Window,
    make_window,
)

_SPACING_BURST = 0.02  # of a second's starts, at least two
_LOOK_AGAIN = 1.0  # seconds: what was waited for may have changed


class Spacing:
    """Keeps the starts of one rate apart, but for a few that catch up."""

    def __init__(self, rate: float) -> None:
        burst = max(2, math.ceil(math.ceil(rate) * _SPACING_BURST))
        self._poll = 0.5 / rate
        self._limiter = AsyncLimiter(burst, burst / rate)
        self._next = burst  # fills the bucket: catching up must be earned

    def delay(self) -> float:
        """Return the seconds until it is worth asking again; none when free."""
        return 0.0 if self._limiter.has_capacity() else self._poll

    async def take(self) -> None:
        """Take note of a start; never waits when there was no delay."""
        await self._limiter.acquire(self._next)
        self._next = 1


class Pacer:
    """
    At most `rate` starts in any sliding second, as the server sees them.

    Args:
        rate: starts a second; a fraction below one means a start every 1/rate s.
            With a fractional rate the whole number above it is the cap of a
            single second, and the rate itself the cap of the mean. None: no cap
            of our own; pauses asked for by the service still hold.
        headroom: by how much of itself the window is longer than a second, at
            the least; requests seen to be late make it longer, up to 2.5 %.
        gate: where to wait.
        ledger: where starts are noted.
    """

    def __init__(
        self, rate: float | None, headroom: float, gate: Gate, ledger: Ledger
    ) -> None:
        self._headroom = headroom
        self._gate = gate
        self._ledger = ledger
        self._turn = asyncio.Lock()
        self._shortest_trip = math.inf
        self._spacing: Spacing | None = None
        self._windows: tuple[Window, ...] = ()
        self.change_rate(rate)

    def change_rate(self, rate: float | None) -> None:
        """Let another rate hold from now on; starts so far count against it."""
        self._spacing, self._windows = None, ()
        if rate is not None:
            starts = math.ceil(rate)
            self._spacing = Spacing(rate)
            self._windows = (make_window(starts, starts / rate, self._headroom),)

    async def start(self) -> Slot | None:
        """
        Wait for the next start, first come first served.

        Returns:
            None when the run is draining instead.
        """
        async with self._turn:
            while not self._gate.closed:
                if self._gate.is_held:
                    await self._gate.until_free()
                    continue
                granted = self._ask()
                if isinstance(granted, Slot):
                    if self._spacing:
                        await self._spacing.take()
                    return granted
                await self._gate.sleep(min(granted, _LOOK_AGAIN))
            return None

    def landed(self, slot: Slot) -> None:
        """Take note that the attempt has been answered."""
        trip = _now() - slot.started
        self._shortest_trip = min(self._shortest_trip, trip)
        self._ledger.late(slot, trip - self._shortest_trip)

    def pause(self, delay: float) -> None:
        """Let nobody start for `delay` seconds from now."""
        self._ledger.pause(_now() + delay)

    def _ask(self) -> Slot | float:
        if self._spacing and (delay := self._spacing.delay()):
            return delay
        return self._ledger.take(_now(), self._windows)


def _now() -> float:
    return asyncio.get_running_loop().time()


def make_pacer(
    rate: float | None, headroom: float, gate: Gate, ledger: Ledger | None = None
) -> Pacer:
    """Return the pacer for a rate in starts a second; the ledger is its own."""
    return Pacer(rate, headroom, gate, ledger or LocalLedger())
