"""Credentials for everybody: had before the first request, renewed once for all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Protocol, TypeVar

from batch_updater.delivery.clock import loop_time
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.errors import CircuitOpen, RunRefused, RunStopped
from batch_updater.frs.sending import TryAgain

Answer = TypeVar("Answer")

_EARLY = 0.002  # seconds: timers of some loops count in whole milliseconds
_LATER = "Try again later; what was sent is recorded."


def _within(left: float, delay: float, trouble: TryAgain) -> float:
    """Return the delay, cut to the time that is left; CircuitOpen when none is."""
    if left > 0:
        return min(delay, left)
    raise CircuitOpen(
        f"credentials could not be renewed within --max-outage: {trouble.message}",
        hint="When that is over, resume goes on.",
    )


class Renewable(Protocol):
    """What the renewal asks of the credentials in use."""

    version: int
    """Grows with every renewal, so that a late refusal is known to be stale."""

    async def renew(self) -> bool:
        """Ask once; True when there are others now; raises TryAgain, RunRefused."""

    def due(self) -> bool:
        """Return whether they should be replaced while they still hold."""

    def until_look(self) -> float:
        """Return the seconds until somebody should ask whether that is due."""


class Renewal:
    """
    Renews credentials, one call for however many rows were refused with them.

    Args:
        notices: told of a renewal that failed while the old credentials still
            hold, and of one that the run has to wait for.
        max_outage: seconds for which a run waits for whoever issues credentials;
            None for as long as `retry` lets a row.
    """

    def __init__(
        self,
        auth: Renewable,
        gate: Gate,
        retry: RetryPolicy,
        chance: Random,
        notices: Notices,
        max_outage: float | None = None,
    ) -> None:
        self._auth, self._gate = auth, gate
        self._retry, self._chance = retry, chance
        self._notices, self._max_outage = notices, max_outage
        self._taken = -1
        self._turn = asyncio.Lock()
        self._signed_in = asyncio.Event()

    @property
    def version(self) -> int:
        """Which credentials are in use: the number of renewals so far."""
        return self._auth.version

    def accepted(self, version: int) -> None:
        """Take note that the service took credentials of this version."""
        self._taken = max(self._taken, version)

    async def sign_in(self) -> None:
        """
        Get the first credentials.

        Raises:
            RunRefused: they cannot be had; RunStopped: the run drains instead.
        """
        async with self._turn:
            await self._renew()
        self._signed_in.set()

    async def renew(self, stale: int) -> bool:
        """
        Replace credentials of version `stale`; False when there are no others.

        Fresh credentials that are refused before anything was done with them are
        not replaced again: the fault is elsewhere, and five refusals in a row lock
        an access key. When the source itself refuses, the gate closes with its
        reason.
        """
        async with self._turn:
            if stale != self.version:
                return True  # somebody else met the same refusal first
            if 0 < stale != self._taken:
                return False
            try:
                # What would start meanwhile could only be refused as well.
                with self._gate.held():
                    return await self._renew(self._max_outage)
            except RunStopped as reason:
                self._gate.close(reason)
                return False

    async def _renew(self, lasts: float | None = None) -> bool:
        return await self.patiently(self._auth.renew, lasts)

    async def patiently(
        self, ask: Callable[[], Awaitable[Answer]], lasts: float | None = None
    ) -> Answer:
        """
        Ask until there is an answer, with pauses that grow.

        Args:
            ask: one request; TryAgain when it may be answered later.
            lasts: seconds for which to ask; None for as long as `retry` lets a row.

        Raises:
            RunRefused: the attempts are spent; CircuitOpen: the time is;
            RunStopped: the run drains instead.
        """
        began, attempt, spent = loop_time(), 0, 0.0
        while self._gate.reason is None:
            attempt += 1
            try:
                return await ask()
            except TryAgain as trouble:
                delay = self._retry.backoff(attempt, trouble.retry_after, self._chance)
                if lasts is not None:
                    delay = _within(began + lasts - loop_time(), delay, trouble)
                elif not self._retry.allows(attempt, spent, delay):
                    raise RunRefused(trouble.message, hint=_LATER) from None
                self._tell_again(trouble, attempt, waited_for=lasts is not None)
            spent += delay
            await self._gate.sleep(delay)
        raise self._gate.reason

    def _tell_again(self, trouble: TryAgain, attempt: int, *, waited_for: bool) -> None:
        said = f"signing in is tried again: {trouble.message}"
        if waited_for and attempt == 2:  # the first one may be a hiccup
            self._notices.tell(f"nothing is sent until it succeeds: {said}")
        else:
            self._notices.mention(said)

    async def _keep_fresh(self, least_pause: float) -> None:
        await self._signed_in.wait()
        attempt = 0
        while True:
            pause = self._retry.backoff(attempt, None, self._chance) if attempt else 0
            look = self._auth.until_look() + _EARLY
            await asyncio.sleep(max(look, pause, least_pause))
            if self._gate.closed or not self._auth.due():
                continue  # what is in flight would wait for it, and has its own
            try:
                async with self._turn:
                    if self._auth.due():  # or a row has met its end meanwhile
                        await self._auth.renew()
                attempt = 0
            except TryAgain as trouble:
                attempt += 1
                self._notices.mention(
                    f"renewing credentials is tried again: {trouble.message}"
                )
            except RunRefused as refused:
                # No second try: a wrong password that is repeated locks the account.
                self._notices.tell(f"credentials are not renewed: {refused.message}")
                return

    @asynccontextmanager
    async def kept_fresh(self, least_pause: float = 0.5) -> AsyncIterator[None]:
        """
        Renew before the end of credentials, and when a file changes.

        Args:
            least_pause: seconds between two renewals, however short a life is.
        """
        keeper = asyncio.create_task(self._keep_fresh(least_pause))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])
            if not keeper.cancelled():
                keeper.result()
