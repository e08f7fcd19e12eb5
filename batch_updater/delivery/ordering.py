"""Updates of one face, one after the other, in the order they were taken."""

import asyncio
from collections.abc import Awaitable, Callable

from batch_updater.models import Result, Task

Send = Callable[[Task], Awaitable[Result]]


class InOrder:
    """
    Lets a face's next update go only when the one before has its result.

    Workers take tasks in input order, and this one notes a task before it waits
    for anything, so the order of taking is the order of sending.

    Args:
        send: what sends one task.
        repeats: whether a task's face may come again; others pass untouched.
    """

    def __init__(self, send: Send, repeats: Callable[[Task], bool]) -> None:
        self._send = send
        self._repeats = repeats
        self._last: dict[str, asyncio.Event] = {}

    async def send(self, task: Task) -> Result:
        """Send a task after every earlier one of its face."""
        if not self._repeats(task):
            return await self._send(task)
        face_id = task.update.face_id
        before, mine = self._last.get(face_id), asyncio.Event()
        self._last[face_id] = mine
        try:
            if before:
                await before.wait()
            return await self._send(task)
        finally:
            mine.set()
            # Gone when a later one was cut off while it waited for this one.
            if self._last.get(face_id) is mine:
                del self._last[face_id]
