"""A clock that jumps to the next timer instead of waiting for it."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.ledger import Ledger, LocalLedger
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pacing import Pacer
from batch_updater.delivery.pacing import make_pacer as make_real_pacer

T = TypeVar("T")


class _NoSelector(selectors.BaseSelector):
    """Nothing ever becomes ready; waiting moves the clock by the time asked for."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everything waits and no timer is set"
        self._advance(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> Any:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def get_map(self) -> Any:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which an hour passes at once."""

    def __init__(self, lateness: Callable[[], float] = lambda: 0.0) -> None:
        self._virtual = 0.0
        self._lateness = lateness
        super().__init__(_NoSelector(self._move))

    def time(self) -> float:
        return self._virtual

    def _move(self, delay: float) -> None:
        if delay > 0:
            self._virtual += delay + self._lateness()


def run_virtually(
    story: Coroutine[Any, Any, T], lateness: Callable[[], float] = lambda: 0.0
) -> T:
    """Run a coroutine to its end on a virtual clock."""
    loop = VirtualLoop(lateness)
    try:
        return loop.run_until_complete(story)
    finally:
        loop.close()


def most_in(starts: Sequence[float], seconds: float = 1.0) -> int:
    """Return the most starts of any half-open sliding window."""
    ordered, oldest, most = sorted(starts), 0, 0
    for i, start in enumerate(ordered):
        while ordered[oldest] <= start - seconds + 1e-9:  # floats that mean the same
            oldest += 1
        most = max(most, i - oldest + 1)
    return most


def now() -> float:
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()


def make_pacer(
    rate: float | None,
    headroom: float,
    gate: Gate,
    ledger: Ledger | None = None,
    *,
    adaptive: bool = False,
    notices: Notices | None = None,
) -> Pacer:
    """Return a pacer that goes by the running loop's time."""
    ledger = ledger or LocalLedger(now)
    return make_real_pacer(
        rate, headroom, gate, ledger, adaptive=adaptive, notices=notices
    )


async def start_many(
    pacer: Pacer, count: int, workers: int, trip: Callable[[], float]
) -> list[float]:
    """Start so many attempts from workers, each of which lands after a trip."""
    starts: list[float] = []

    async def work() -> None:
        while len(starts) < count:
            slot = await pacer.start()
            assert slot is not None
            starts.append(now())
            await asyncio.sleep(trip())
            pacer.landed(slot)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return starts
