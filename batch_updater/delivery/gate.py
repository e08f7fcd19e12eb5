"""The gate at the source: open while the run goes on, and the place to wait."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from batch_updater.errors import RunStopped

T = TypeVar("T")


class Bell:
    """Wakes those who sleep at the gate until it rings."""

    def __init__(self) -> None:
        self.sleepers: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake everybody who waits for this bell."""
        for sleeper in self.sleepers:
            _wake(sleeper)


class Gate:
    """
    Open until somebody closes it, once and with a reason.

    Everything that waits for time (pacing, backing off) sleeps here, so closing
    wakes it at once and nothing new is sent. While somebody holds it nothing new is
    sent either, but the run goes on. Whether it is closed is asked before each start,
    and so is whether it should be: timers are late after a machine has slept.
    """

    def __init__(self) -> None:
        self.reason: RunStopped | None = None
        self._closing = Bell()
        self._holders = 0
        self._free = asyncio.Event()
        self._ask: Callable[[], RunStopped | None] | None = None

    @property
    def closed(self) -> bool:
        """Whether the run is draining, or has to from now on."""
        if self._ask and self.reason is None and (reason := self._ask()):
            self.close(reason)
        return self.reason is not None

    @contextmanager
    def asking(self, ask: Callable[[], RunStopped | None]) -> Iterator[None]:
        """Ask this for a reason to close, before each start in the block."""
        before, self._ask = self._ask, ask
        try:
            yield
        finally:
            self._ask = before

    def close(self, reason: RunStopped) -> None:
        """Let nothing new through; the first reason stays."""
        if self.reason is not None:
            return
        self.reason = reason
        self._free.set()
        self._closing.ring()

    @property
    def is_held(self) -> bool:
        """Whether whoever would start now must wait."""
        return self._holders > 0 and not self.closed

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing start while the block runs."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def hold(self) -> None:
        """Let nothing start until this holder releases the gate."""
        self._holders += 1
        self._free.clear()

    def release(self) -> None:
        """Let things start again, if nobody else holds the gate."""
        self._holders -= 1
        if not self._holders:
            self._free.set()

    async def until_free(self) -> None:
        """Wait until nobody holds the gate, or until it closes."""
        while self.is_held:
            await self._free.wait()

    async def unless_closed(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Return what is asked for; None when the gate closes first, which ends that."""
        if self.closed:
            return None
        task = asyncio.ensure_future(ask())
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task.add_done_callback(lambda _: _wake(sleeper))
        self._closing.sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            self._closing.sleepers.discard(sleeper)
            if task.cancel():
                await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    async def sleep(self, delay: float, bell: Bell | None = None) -> None:
        """Wait `delay` seconds, or until the bell rings or the gate closes."""
        if self.closed or delay <= 0:
            return
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(delay, _wake, sleeper)
        bells = (self._closing, bell) if bell else (self._closing,)
        for each in bells:
            each.sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            timer.cancel()
            for each in bells:
                each.sleepers.discard(sleeper)


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
