"""Those who wait for one thing, first come first served."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """
    A line in which only the first waits for what is outside; it leads.

    The leader serves those behind it, as many as there is enough for, and hands on
    the lead when it leaves: so one timer is set however many wait, and no task runs
    beside them.
    """

    def __init__(self) -> None:
        self.is_led = False
        self._followers: deque[asyncio.Future[T | None]] = deque()

    async def join(self) -> T | None:
        """
        Wait at the end of the line.

        Returns:
            What the leader gave; None for the lead itself, which must be handed on.
        """
        if not self.is_led:
            self.is_led = True
            return None
        turn: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._followers.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._pass_on(turn.result())
            raise

    @property
    def followers(self) -> int:
        """How many wait behind the leader; cancelled ones that are not first count."""
        while self._followers and self._followers[0].done():
            del self._followers[0]
        return len(self._followers)

    def serve(self, what: T) -> None:
        """Give something to the first follower, of whom there must be one."""
        self._followers.popleft().set_result(what)

    def hand_on(self) -> None:
        """Let the first follower lead, if there is one."""
        self.is_led = self.followers > 0
        if self.is_led:
            self._followers.popleft().set_result(None)

    def _pass_on(self, given: T | None) -> None:
        """Give what a follower got, just before it was cancelled, to the next one."""
        if given is None:
            self.hand_on()
        elif self.followers:
            self.serve(given)
