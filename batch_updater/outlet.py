"""Where tasks leave: a client with its pacer, made from the settings."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from random import SystemRandom

from batch_updater.config.connection import Connection
from batch_updater.config.settings import Settings
from batch_updater.delivery.breaker import Breaker
from batch_updater.delivery.calls import Caller
from batch_updater.delivery.careful import CarefulSender, Images
from batch_updater.delivery.circuit import Circuit, CircuitRules
from batch_updater.delivery.clock import Clock, loop_time
from batch_updater.delivery.ledger import rate_window
from batch_updater.delivery.ordering import InOrder
from batch_updater.delivery.pacing import Pacer, make_pacer
from batch_updater.delivery.pool import Send
from batch_updater.delivery.preflight import show_face_set
from batch_updater.delivery.reader import Reader
from batch_updater.delivery.renewal import Renewal
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.delivery.sender import Sender
from batch_updater.delivery.sharing import SharedLedger
from batch_updater.delivery.signals import Signals
from batch_updater.delivery.tokens import Tokens
from batch_updater.delivery.verifier import Verifier
from batch_updater.delivery.written import Written
from batch_updater.errors import UsageError
from batch_updater.files.quota_file import quota_directory
from batch_updater.frs.auth import Auth
from batch_updater.frs.client import FrsClient
from batch_updater.frs.iam import find_project
from batch_updater.frs.protocol import FaceSet
from batch_updater.frs.transport import Transport, open_transport
from batch_updater.mapping.care import Care
from batch_updater.models import FieldType, Task

_PATIENCE = 5.0  # seconds of silence before a person is told why


@dataclass(frozen=True, slots=True)
class Outlet:
    """
    An open way to the service, and what can stop it.

    Args:
        keeps_values: whether results carry what was sent, though nobody is shown it.
    """

    settings: Settings
    connection: Connection
    transport: Transport
    auth: Auth
    client: FrsClient
    renewal: Renewal
    pacer: Pacer
    shared: SharedLedger | None
    breaker: Breaker
    tokens: Tokens
    signals: Signals
    keeps_values: bool = False

    @property
    def records_values(self) -> bool:
        """Whether results carry what was sent."""
        return self.keeps_values or self.settings.include_values

    async def ask_face_set(self) -> FaceSet:
        """
        Sign in, and return the face set: proof that everything is in place.

        Raises:
            RunRefused: the service or IAM says no.
            UsageError: the quota cannot be shared.
        """
        said = "waiting for the service's first answer; Ctrl-C leaves"
        loop = asyncio.get_running_loop()
        timer = loop.call_later(_PATIENCE, self.signals.notices.tell, said)
        try:
            await self.sign_in()
            if self.shared:
                self.shared.join(self.connection.endpoint, self.client.project_id)
            name = self.settings.face_set or ""
            return await show_face_set(self.client, name, self._caller())
        finally:
            timer.cancel()

    async def sign_in(self) -> None:
        """
        Get the first credentials, and the project's id where it is not said.

        Raises:
            RunRefused: they cannot be had; UsageError: there is no one project.
        """
        await self.renewal.sign_in()
        self.client.project_id = await self._project()

    async def _project(self) -> str:
        known = self.client.project_id or self.auth.project_id
        if known:
            return known
        ask = partial(
            find_project,
            self.transport.send,
            self.connection.iam_endpoint,
            self.auth.credential,
            self.connection.region,
        )
        return await self.renewal.patiently(ask)

    def reader(self) -> Reader:
        """Return what reads faces."""
        return Reader(service=self.client, caller=self._caller())

    def verifier(self, types: Mapping[str, FieldType]) -> Verifier:
        """Return what reads faces back; the types are those of custom fields."""
        until = loop_time() + self.settings.settle
        return Verifier(
            service=self.client,
            caller=self._caller(),
            types=types,
            unsettled=lambda: loop_time() < until,
        )

    def sender(self, repeats: Callable[[Task], bool] | None = None) -> Send:
        """
        Return what sends one task.

        Args:
            repeats: whether a task's face may come again: its updates are then sent
                one after the other. None when no face does.
        """
        send = self._sender().send
        return InOrder(send, repeats).send if repeats else send

    def careful_sender(
        self,
        care: Care,
        images: Images,
        repeats: Callable[[Task], bool] | None = None,
    ) -> Send:
        """
        Return what sends one task once its face is known, and its image kept.

        Args:
            repeats: as of `sender`; the face is read when those before have ended.
        """
        sender = CarefulSender(
            read=self.reader().read_face,
            send=self._sender().send,
            images=images,
            care=care,
            gate=self.signals.gate,
            written=Written(repeats),
            include_values=self.records_values,
        )
        send = sender.send_carefully
        return InOrder(send, repeats).send if repeats else send

    def _sender(self) -> Sender:
        return Sender(
            service=self.client,
            caller=self._caller(),
            include_values=self.records_values,
        )

    def _caller(self) -> Caller:
        return Caller(
            renewal=self.renewal,
            pacer=self.pacer,
            gate=self.signals.gate,
            breaker=self.breaker,
            tokens=self.tokens,
            retry=_retry_policy(self.settings),
            clock=Clock(),
            chance=SystemRandom(),
            notices=self.signals.notices,
        )


def _breaker(settings: Settings, signals: Signals) -> Breaker:
    rules = None if settings.max_outage is None else CircuitRules()
    circuit = Circuit(rules, SystemRandom())
    return Breaker(signals.gate, signals.notices, circuit, settings.max_outage)


def _retry_policy(settings: Settings) -> RetryPolicy:
    return RetryPolicy(
        max_attempts=settings.max_attempts,
        max_elapsed=settings.max_elapsed,
        settle=settings.settle,
    )


@asynccontextmanager
async def open_outlet(
    settings: Settings, connection: Connection, signals: Signals
) -> AsyncIterator[Outlet]:
    """Open the way that the settings describe; one pacer for all that is sent."""
    gate = signals.gate
    with (
        _shared_ledger(settings, signals) as shared,
        closing(_breaker(settings, signals)) as breaker,
    ):
        async with open_transport(
            patience=settings.timeout,
            ssl_context=connection.ssl_context,
            proxy_for=connection.proxy_for,
        ) as transport:
            auth = Auth(connection.source, transport.send, hide=transport.hide)
            client = FrsClient(
                transport.send, connection.endpoint, connection.project_id, auth
            )
            retry = _retry_policy(settings)
            renewal = Renewal(
                auth, gate, retry, SystemRandom(), signals.notices, settings.max_outage
            )
            async with renewal.kept_fresh():
                yield Outlet(
                    settings=settings,
                    connection=connection,
                    transport=transport,
                    auth=auth,
                    client=client,
                    renewal=renewal,
                    pacer=_pacer(settings, signals, shared),
                    shared=shared,
                    breaker=breaker,
                    tokens=Tokens(gate),
                    signals=signals,
                )


def _pacer(settings: Settings, signals: Signals, shared: SharedLedger | None) -> Pacer:
    return make_pacer(
        settings.rate,
        settings.headroom,
        signals.gate,
        shared,
        adaptive=settings.adaptive,
        notices=signals.notices,
    )


@contextmanager
def _shared_ledger(
    settings: Settings, signals: Signals
) -> Iterator[SharedLedger | None]:
    if not settings.share_quota:
        yield None
        return
    if settings.rate is None:
        raise UsageError(
            "--share-quota needs a rate, but --rate is unlimited",
            hint="Say with --rate how much all runs may send together.",
        )
    ledger = SharedLedger(
        rate_window(settings.rate, settings.headroom),
        quota_directory(settings.quota_dir, os.environ),
        signals.gate,
        signals.notices,
    )
    try:
        yield ledger
    finally:
        ledger.leave()
