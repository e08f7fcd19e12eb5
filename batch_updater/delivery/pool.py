"""A fixed number of workers, and the stream of what they return."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from batch_updater.delivery.feed import Feed
from batch_updater.models import Result, Task

Send = Callable[[Task], Awaitable[Result]]


class Pool:
    """
    Runs workers between a feed and a bounded backlog of results.

    Iterate over it to get lists of results as they come: all that have come since
    the last list. It ends when the feed has ended or the gate was closed, and
    everything in flight has landed.
    """

    def __init__(self, feed: Feed, send: Send, workers: int) -> None:
        self._feed = feed
        self._send = send
        self._cut = False
        self._results: list[Result] = []
        self._most = workers  # results that wait, while as many more are in flight
        self._room, self._news = asyncio.Event(), asyncio.Event()
        self._workers = [asyncio.create_task(self._work()) for _ in range(workers)]
        self._closer = asyncio.create_task(self._close_when_done())

    def cut_off(self) -> None:
        """Stop at once: requests in flight end as results that say so."""
        self._cut = True
        for worker in self._workers:
            worker.cancel()

    async def _work(self) -> None:
        while not self._cut:
            # Before an item is taken, not after: a worker that is cancelled while
            # it waits for room has nothing to lose.
            while len(self._results) >= self._most:
                self._room.clear()
                await self._room.wait()
            item = await self._feed.take()
            if item is None:
                return
            result = await self._send(item) if isinstance(item, Task) else item
            self._results.append(result)
            self._news.set()
            await asyncio.sleep(0)  # it is written down before the next one starts

    async def _close_when_done(self) -> None:
        await asyncio.wait(self._workers)
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[list[Result]]:
        while self._results or not self._closer.done():
            await self._news.wait()
            self._news.clear()
            results, self._results = self._results, []
            self._room.set()
            if results:
                yield results
        for worker in self._workers:
            if not worker.cancelled():
                worker.result()  # a bug in a worker surfaces here, after the rest

    async def abandon(self) -> None:
        """End all workers and wait for them; what they bring is not asked for."""
        self.cut_off()
        self._closer.cancel()
        await asyncio.wait([*self._workers, self._closer])


@asynccontextmanager
async def open_pool(feed: Feed, send: Send, workers: int) -> AsyncIterator[Pool]:
    """
    Start the workers; leaving the block ends them, however it is left.

    Args:
        workers: the most tasks in flight at once.
    """
    pool = Pool(feed, send, workers)
    try:
        yield pool
    finally:
        await pool.abandon()
