"""The emulator as a library: a server on a free port, and handles on its inside."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

from aiohttp import web

from batch_updater.emulator.doors import PREFIX, open_door
from batch_updater.emulator.faults import Fault, Script, Tally
from batch_updater.emulator.service import Service
from batch_updater.emulator.settings import EmulatorSettings
from batch_updater.emulator.state import State, utc_now
from batch_updater.emulator.storage import DataFile, Snapshot, read_face_sets
from batch_updater.emulator.wire import hold
from batch_updater.emulator.witness import Witness

SAVE_EVERY = 0.5  # with the time of writing, a change is on disk within a second
STOP_WITHIN = 0.4  # aiohttp waits for this long twice
BACKLOG = 1024

log = logging.getLogger(__name__)


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
        self.state = State(self.settings.seed, now)
        self._service = Service(self.settings, self.state, clock)
        self._port: int | None = None
        self._runner: web.ServerRunner | None = None
        self._saver: asyncio.Task[None] | None = None
        self._data = DataFile(self.settings.data) if self.settings.data else None
        self._saved = self.state.version

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
        self._load()
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=STOP_WITHIN)
        await self._runner.setup()
        host, port = self.settings.host, self.settings.port
        await web.TCPSite(self._runner, host, port, backlog=BACKLOG).start()
        self._port = int(self._runner.addresses[0][1])
        if self._data is not None:
            self._saver = asyncio.create_task(self._keep_saved())

    async def stop(self) -> None:
        """End what is held back, close every connection, save what is not saved."""
        self._service.closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._saver is not None:
            await self._saver
        await self._save()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.rel_url.raw_path.startswith(PREFIX):
            return await open_door(self._service, request)
        return await self._service.serve(request)

    def _load(self) -> None:
        if self.settings.data is None:
            return
        untouched = self.state.version == self._saved
        for face_set in read_face_sets(self.settings.data):
            self.state.put_face_set(face_set)
        if untouched:
            self._saved = self.state.version

    async def _keep_saved(self) -> None:
        closing = self._service.closing
        while not closing.is_set():
            await hold(closing, SAVE_EVERY)
            try:
                await self._save()
            except OSError:
                log.exception("emulator: the data file cannot be written")

    async def _save(self) -> None:
        version = self.state.version
        if self._data is None or version == self._saved:
            return
        snapshot = Snapshot.of(self.state.face_sets)
        await asyncio.to_thread(self._data.write, snapshot)
        self._saved = version
