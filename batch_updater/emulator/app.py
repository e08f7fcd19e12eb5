"""The emulator as a library: a server on a free port, and handles on its inside."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

from aiohttp import web

from batch_updater.emulator.changes import Changes
from batch_updater.emulator.doors import PREFIX, open_door
from batch_updater.emulator.faults import Fault, Script, Tally
from batch_updater.emulator.keeper import Keeper
from batch_updater.emulator.service import Service
from batch_updater.emulator.settings import EmulatorSettings
from batch_updater.emulator.state import Lag, State, utc_now
from batch_updater.emulator.states import V2, Scope, States
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
        self._clock, self._now = clock, now
        self._states = States(self._empty_state, self.settings.versions)
        self.state = self.state_of(self.settings.project_id)
        self._service = Service(self.settings, self._states, clock)
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
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def token(self) -> str:
        """The token that is let in now."""
        return self._service.credentials.token

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
        self._service.script = Script(faults)

    def reset(self) -> None:
        """Empty the witness and the quota, rewind the script; faces stay."""
        self._service.reset()

    def expire_token(self, *, expired: bool = True) -> None:
        """Answer APIGW.0307 to the token from now on, or let it in again."""
        self._service.credentials.expired = expired

    def issue_token(self, token: str) -> None:
        """Let a new token in; the one before has expired."""
        self._service.credentials.issue(token)

    async def start(self) -> None:
        """Load the data file, if any, and listen; DataError when it is damaged."""
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
        if self._keeper is not None:
            self._keeper.load()
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=STOP_WITHIN)
        await self._runner.setup()
        host, port = self.settings.host, self.settings.port
        await web.TCPSite(self._runner, host, port, backlog=BACKLOG).start()
        self._port = int(self._runner.addresses[0][1])
        if self._keeper is not None:
            self._keeper.start()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.rel_url.raw_path.startswith(PREFIX):
            return await open_door(self._service, request)
        return await self._service.serve(request)

    def _empty_state(self, scope: Scope) -> State:
        settings = self.settings
        lag = Lag(settings.lag, settings.update_lag)
        changes = None if settings.data is None else Changes()
        # Ids must differ between projects, and be the same in the next run.
        seed = f"{settings.seed} {' '.join(scope)}"
        return State(seed, self._now, self._clock, lag, changes)
