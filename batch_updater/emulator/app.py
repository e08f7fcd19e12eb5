"""The emulator as a library: a server on a free port, and handles on its inside."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from email.utils import format_datetime
from types import TracebackType
from typing import Self

from aiohttp import web

from batch_updater.emulator.doors import PREFIX, open_door
from batch_updater.emulator.faults.fault import Fault, Tally
from batch_updater.emulator.gateway.identity import AccessKey
from batch_updater.emulator.iam.service import PREFIXES as IDENTITY_PREFIXES
from batch_updater.emulator.service import Service
from batch_updater.emulator.settings import EmulatorSettings
from batch_updater.emulator.state.changes import Changes
from batch_updater.emulator.state.face_sets import Lag, State, utc_now
from batch_updater.emulator.state.keeper import Keeper
from batch_updater.emulator.state.projects import V2, Scope, States
from batch_updater.emulator.tls import server_context
from batch_updater.emulator.wire import log
from batch_updater.emulator.witness import Witness

STOP_WITHIN = 0.4  # aiohttp waits for this long twice
BACKLOG = 1024


class Emulator:
    """
    A local FRS.

    `async with Emulator(EmulatorSettings(qps=10)) as emulator:` listens at
    `emulator.url`. Instances share nothing.
    """

    def __init__(
        self,
        settings: EmulatorSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings = settings or EmulatorSettings()
        offset = timedelta(seconds=self.settings.clock_offset)
        self._clock = clock
        self._now: Callable[[], datetime] = lambda: now() + offset
        self._states = States(self._empty_state, self.settings.versions)
        self.state = self.state_of(self.settings.project_id)
        self._service = Service(self.settings, self._states, clock, self._now)
        self._port: int | None = None
        self._runner: web.ServerRunner | None = None
        self._keeper: Keeper | None = None
        if self.settings.data is not None:
            closing = self._service.closing
            self._keeper = Keeper(self.settings.data, self._states, closing)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._port is None:
            raise RuntimeError("the emulator is not started")
        return self._port

    @property
    def url(self) -> str:
        """The endpoint to give to a client, without a path."""
        host = self.settings.host
        scheme = "http" if self.settings.tls_cert is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def token(self) -> str:
        """The fixed token that is let in now, beside those that IAM issued."""
        return self._service.identity.tokens.fixed

    @property
    def project_id(self) -> str:
        """The project of the token."""
        return self.settings.project_id

    @property
    def witness(self) -> Witness:
        """What arrived and what was applied."""
        return self._service.witness

    @property
    def faults(self) -> list[Tally]:
        """The faults of the script with their accounts."""
        return self._service.script.tallies

    def state_of(self, project_id: str, version: str = V2) -> State:
        """Return the face sets of a project, as that version of the API sees them."""
        return self._states.state_of(project_id, version)

    def script(self, faults: Iterable[Fault]) -> None:
        """Replace the script; every count starts at nought."""
        self._service.plan(faults)

    def change_quota(self, qps: int | None) -> None:
        """Let another number of calls a second pass from now on; None for any."""
        self._service.entrance.quota.change(qps)

    def reset(self) -> None:
        """Empty the witness and the quota, rewind the script; faces stay."""
        self._service.reset()

    @property
    def tokens_issued(self) -> int:
        """How many tokens IAM has issued."""
        return self._service.identity.tokens.issued

    def expire_token(self, *, expired: bool = True) -> None:
        """Answer APIGW.0307 to the fixed token from now on, or let it in again."""
        self.revoke(self.token, revoked=expired)

    def issue_token(self, token: str) -> None:
        """Let a new fixed token in; the one before has expired."""
        self._service.identity.tokens.replace(token)

    def revoke(self, token: str, *, revoked: bool = True) -> None:
        """End one token early, or let it in again; KeyError when it is unknown."""
        if not self._service.identity.tokens.withdraw(token, withdrawn=revoked):
            raise KeyError("the token is unknown")

    def revoke_issued(self) -> int:
        """End every token that IAM issued; return how many were good until now."""
        return self._service.identity.tokens.withdraw_issued()

    def issue_key(self, life: float) -> AccessKey:
        """Return a new temporary access key that ends after `life` seconds."""
        end = self._now() + timedelta(seconds=life)
        return self._service.identity.keys.issue(end)

    async def start(self) -> None:
        """
        Load the data file, if any, and listen.

        DataError when it is damaged, TlsError when a certificate cannot be used.
        """
        try:
            await self._open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End what is held back, close every connection, save what is not saved."""
        self._service.closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._keeper is not None:
            await self._keeper.stop()

    async def _open(self) -> None:
        tls = server_context(self.settings.tls_cert, self.settings.tls_key)
        if self._keeper is not None:
            self._keeper.load()
        server = web.Server(
            self._handle, handler_cancellation=True, access_log=None, logger=log
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=STOP_WITHIN)
        await self._runner.setup()
        host, port = self.settings.host, self.settings.port
        site = web.TCPSite(self._runner, host, port, backlog=BACKLOG, ssl_context=tls)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        if self._keeper is not None:
            self._keeper.start()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path.startswith(PREFIX):
            return await open_door(self._service, request)
        if path.startswith(IDENTITY_PREFIXES):
            answered = await self._service.identify(request)
        else:
            answered = await self._service.serve(request)
        if self.settings.clock_offset and not answered.prepared:
            date = format_datetime(self._now(), usegmt=True)
            answered.headers.setdefault("Date", date)
        return answered

    def _empty_state(self, scope: Scope) -> State:
        settings = self.settings
        lag = Lag(settings.lag, settings.update_lag)
        changes = None if settings.data is None else Changes()
        # Ids must differ between projects, and be the same in the next run.
        seed = f"{settings.seed} {' '.join(scope)}"
        return State(seed, self._now, self._clock, lag, changes)
