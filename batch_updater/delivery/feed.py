"""What the workers take from: batches in, one item at a time out, never ahead."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator

from batch_updater.delivery.gate import Gate
from batch_updater.models import Result, Task

Item = Task | Result
Batch = Iterable[Item]


class Feed:
    """
    Hands items to workers until the batches end or the gate closes.

    A worker that takes an item from the batch at hand does not wait; only the one
    that finds it empty fetches the next, while the others queue behind it.
    """

    def __init__(self, batches: AsyncIterator[Batch], gate: Gate) -> None:
        self._batches = batches
        self._gate = gate
        self._items: Iterator[Item] = iter(())
        self._turn = asyncio.Lock()

    async def take(self) -> Item | None:
        """Return the next item, or None when there is nothing more to do."""
        while not self._gate.closed:
            item = next(self._items, None)
            if item is not None:
                return item
            if not await self._fetch():
                return None
        return None

    async def _fetch(self) -> bool:
        exhausted = self._items
        async with self._turn:
            if self._items is not exhausted:
                return True  # another worker fetched while this one queued
            batch = await anext(self._batches, None)
            if batch is None:
                return False
            self._items = iter(batch)
            return True


async def read_in_thread(batches: Iterable[Batch]) -> AsyncGenerator[Batch, None]:
    """
    Read batches in a thread, one ahead of the workers.

    Parsing a chunk takes milliseconds that the event loop needs for replies; two
    batches are in memory at the most.
    """
    iterator = iter(batches)
    ahead = asyncio.ensure_future(asyncio.to_thread(next, iterator, None))
    try:
        while (batch := await asyncio.shield(ahead)) is not None:
            ahead = asyncio.ensure_future(asyncio.to_thread(next, iterator, None))
            yield batch
    finally:
        # The thread cannot be cancelled; leaving it behind would race with
        # whoever closes the file it reads.
        await asyncio.wait([ahead])
        if not ahead.cancelled():
            ahead.exception()
