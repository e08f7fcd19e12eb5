"""What keeps the starts of one rate apart."""

import math

from aiolimiter import AsyncLimiter

from batch_updater.delivery.ledger import burst_of

_PARTS = 8  # of the way from one start to the next


class Spacing:
    """
    Keeps the starts of one rate apart, but for a few that catch up.

    An AsyncLimiter whose bucket holds those few. It tells whether an amount has room,
    so how much has, and when more will, is found by asking for several amounts.
    """

    def __init__(self, rate: float) -> None:
        burst = burst_of(math.ceil(rate))
        self._burst, self._part = burst, 1 / rate / _PARTS
        self._limiter = AsyncLimiter(burst, burst / rate)
        self._full = burst - 1  # catching up must be earned

    def room(self, asked: int) -> int:
        """Return how many of those who ask may start now; perhaps fewer than could."""
        count = min(asked, self._burst - self._full)
        while count and not self._limiter.has_capacity(self._full + count):
            count //= 2
        return count

    def delay(self) -> float:
        """Return the seconds until one may start, a little more at the most."""
        for parts in range(_PARTS):
            if self._limiter.has_capacity(1 - parts / _PARTS):
                return parts * self._part
        return _PARTS * self._part

    async def take(self, count: int) -> None:
        """Take note of starts; never waits when there was room for them."""
        await self._limiter.acquire(self._full + count)
        self._full = 0
