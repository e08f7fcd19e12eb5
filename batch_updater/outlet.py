"""Where tasks leave: a client with its pacer, made from the settings."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import SystemRandom

from batch_updater.config.connection import Connection
from batch_updater.config.settings import Settings
from batch_updater.delivery.ordering import InOrder
from batch_updater.delivery.pacing import Pacer, make_pacer
from batch_updater.delivery.pool import Send
from batch_updater.delivery.preflight import show_face_set
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.delivery.sender import Clock, Sender
from batch_updater.delivery.signals import Signals
from batch_updater.frs.client import FrsClient, open_client
from batch_updater.models import FieldType

_PATIENCE = 5.0  # seconds of silence before a person is told why


@dataclass(frozen=True, slots=True)
class Outlet:
    """An open client, its pacer, and what can stop them."""

    settings: Settings
    client: FrsClient
    pacer: Pacer
    signals: Signals

    async def ask_face_set(self) -> dict[str, FieldType]:
        """Return the types of the custom fields that the face set declares."""
        said = "waiting for the service's first answer; Ctrl-C leaves"
        loop = asyncio.get_running_loop()
        timer = loop.call_later(_PATIENCE, self.signals.notify, said)
        try:
            face_set = await show_face_set(
                self.client,
                self.settings.face_set or "",
                self.pacer,
                self.signals.gate,
                _retry_policy(self.settings),
                SystemRandom(),
            )
        finally:
            timer.cancel()
        return dict(face_set.fields)

    def sender(self, repeats: Callable[[str], bool] | None = None) -> Send:
        """
        Return what sends one task.

        Args:
            repeats: whether a face id may come again: its updates are then sent
                one after the other. None when no face does.
        """
        sender = Sender(
            service=self.client,
            pacer=self.pacer,
            gate=self.signals.gate,
            retry=_retry_policy(self.settings),
            clock=Clock(),
            chance=SystemRandom(),
            include_values=self.settings.include_values,
        )
        return InOrder(sender.send, repeats).send if repeats else sender.send


def _retry_policy(settings: Settings) -> RetryPolicy:
    return RetryPolicy(
        max_attempts=settings.max_attempts, max_elapsed=settings.max_elapsed
    )


@asynccontextmanager
async def open_outlet(
    settings: Settings, connection: Connection, signals: Signals
) -> AsyncIterator[Outlet]:
    """Open the client that the settings describe; one pacer for all it sends."""
    pacer = make_pacer(settings.rate, settings.headroom, signals.gate)
    async with open_client(
        connection.endpoint,
        connection.project_id,
        connection.auth,
        concurrency=settings.concurrency,
        patience=settings.timeout,
    ) as client:
        yield Outlet(settings, client, pacer, signals)
