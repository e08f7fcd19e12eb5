"""A plain TCP proxy with weather: bytes in, bytes out, and whatever goes wrong."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

from bench import PATIENCE, loop_in_thread

from chaos.weather import FAIR, Account, Fate, Forecast, Kind, Port, Way, Weather

_HOST = "127.0.0.1"
_CHUNK = 1 << 16
_BACKLOG = 1024
_LOOK = 0.01  # seconds between two looks for idle connections
# Zero seconds of lingering turn a close into a TCP reset.
_NO_LINGER = struct.pack("ii", 1, 0)

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Listener:
    """A port that stays ours while it is closed, so that opening it cannot fail."""

    def __init__(self) -> None:
        self._holder = _reusable()
        self._holder.bind((_HOST, 0))
        self.port: int = self._holder.getsockname()[1]
        self._open: list[socket.socket] = []

    def listen(self, backlog: int) -> socket.socket:
        """Open the port; what is returned accepts."""
        made = _reusable()
        made.bind((_HOST, self.port))
        made.listen(backlog)
        made.setblocking(False)
        self._open.append(made)
        return made

    def fill(self) -> None:
        """Open the port, let one wait in a backlog of one, and accept nobody."""
        self.listen(0)
        waiting = socket.create_connection((_HOST, self.port))
        self._open.append(waiting)

    def shut(self) -> None:
        """Close the port: whoever connects is refused."""
        for each in self._open:
            each.close()
        self._open.clear()

    def close(self) -> None:
        """Close it and give the port away."""
        self.shut()
        self._holder.close()


def _reusable() -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return made


class Connection:
    """One client, its way to the server, and what befalls them."""

    def __init__(self, client: Stream, server: Stream, proxy: "Proxy") -> None:
        self._client, self._server = client, server
        self._proxy = proxy
        self._fate = Fate()
        self._heard = _now()

    def meet(self, fate: Fate) -> None:
        """Have another fate from now on; what was lost stays lost."""
        self._fate = fate

    async def serve(self) -> None:
        """Pass bytes both ways until both sides have ended."""
        up = self._pump(Way.UP, self._client[0], self._server[1])
        down = self._pump(Way.DOWN, self._server[0], self._client[1])
        ways = [asyncio.create_task(up), asyncio.create_task(down)]
        try:
            await asyncio.wait(ways)
        finally:
            for way in ways:
                way.cancel()
            self.close()

    async def _pump(
        self, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                await self._pass_on(way, data, sink)
        if way is Way.UP:
            self.close()  # nobody is left who could hear
        elif not self._hears_nothing():
            self._client[1].close()

    async def _pass_on(self, way: Way, data: bytes, sink: asyncio.StreamWriter) -> None:
        self._heard = _now()
        weather, chance = self._proxy.weather, self._proxy.chance
        await self._proxy.sleep(weather.travel(chance))
        for piece, seconds in weather.pieces(way, data):
            if seconds:
                await self._proxy.sleep(seconds)
            fate, fresh = self._fate, not self._fate.struck
            if passing := fate.take(way, piece):
                sink.write(passing)
                await sink.drain()
                self._proxy.account.passed[way] += len(passing)
            if fate.struck and fresh and fate.kind:
                self._strike(fate.kind)
        self._heard = _now()

    def _strike(self, kind: Kind) -> None:
        self._proxy.account.struck[kind] += 1
        if kind.resets:
            self.reset()
        elif kind is Kind.HALF_OPEN:
            _abort(self._server[1])

    def _hears_nothing(self) -> bool:
        kind = self._fate.kind if self._fate.struck else None
        return kind in {Kind.HALF_OPEN, Kind.LOSE_ANSWER}

    def close_if_idle(self, limit: float) -> bool:
        """Close it when nothing was said for so many seconds; return whether it was."""
        if _now() - self._heard < limit or self._client[1].is_closing():
            return False
        self.close()
        return True

    def close(self) -> None:
        """End both sides politely."""
        for _, writer in (self._client, self._server):
            writer.close()

    def reset(self) -> None:
        """End both sides with a reset."""
        for _, writer in (self._client, self._server):
            _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


def _now() -> float:
    return asyncio.get_running_loop().time()


class Proxy:
    """
    Leads from a port of its own to a server's; its weather may change at any time.

    Args:
        port: the server's, on this machine.
        sleep: waits for so many seconds while bytes travel, or a weather lasts.
    """

    def __init__(
        self,
        port: int,
        seed: int = 1,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.weather = FAIR
        self.sleep = sleep
        self.account = Account()
        self.chance = Random(seed)
        self._server_port = port
        self._listener = Listener()
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._entrance: socket.socket | None = None
        self._forecast: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The endpoint to give to the command."""
        return f"http://{_HOST}:{self._listener.port}"

    async def change(self, weather: Weather) -> None:
        """Have another weather from now on, on connections that are open too."""
        was, self.weather = self.weather.port, weather
        if weather.port is not was:
            self._turn(weather.port)
        for connection in self._connections:
            connection.meet(weather.fate(self.chance))

    async def follow(self, forecast: Forecast) -> None:
        """Have one weather after the other, until another forecast comes."""
        await _end(self._forecast)
        await self.change(forecast[0][1])
        self._forecast = asyncio.create_task(self._follow(forecast))

    async def _follow(self, forecast: Forecast) -> None:
        while True:
            for seconds, weather in forecast:
                await self.change(weather)
                await self.sleep(seconds)

    def _turn(self, port: Port) -> None:
        self._shut()
        for connection in self._connections:
            if port is not Port.OPEN:
                connection.reset()
        if port is Port.OPEN:
            self._open()
        elif port is Port.FULL:
            self._listener.fill()

    def _open(self) -> None:
        # Not asyncio's server: it drops what it accepts while it is being closed.
        self._entrance = self._listener.listen(_BACKLOG)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._entrance, self._welcome, self._entrance)

    def _shut(self) -> None:
        if self._entrance:
            asyncio.get_running_loop().remove_reader(self._entrance)
            self._entrance = None
        self._listener.shut()

    def _welcome(self, entrance: socket.socket) -> None:
        try:
            client, _ = entrance.accept()
        except OSError:
            return  # it has left again
        client.setblocking(False)
        self.account.connections += 1
        task = asyncio.create_task(self._connect(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: socket.socket) -> None:
        near = await asyncio.open_connection(sock=client)
        try:
            far = await asyncio.open_connection(_HOST, self._server_port)
        except BaseException as error:
            near[1].close()
            if isinstance(error, OSError):
                return
            raise
        connection = Connection(near, far, self)
        connection.meet(self.weather.fate(self.chance))
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            if limit := self.weather.idle:
                closed = [each.close_if_idle(limit) for each in self._connections]
                self.account.closed_idle += sum(closed)

    async def start(self) -> None:
        """Open the port."""
        self._open()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Close the port and every connection."""
        for task in (self._forecast, self._watcher):
            await _end(task)
        self._shut()
        await asyncio.sleep(0)  # what has not begun could not clean up
        for task in tuple(self._tasks):
            await _end(task)
        self._listener.close()


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait([task])


class Remote:
    """A proxy in a thread of its own, as other threads may use it."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        self._proxy, self._loop = proxy, loop
        self.url = proxy.url
        self.account = proxy.account

    def change(self, weather: Weather) -> None:
        """Return once the weather has changed."""
        self.follow(((3600.0, weather),))

    def follow(self, forecast: Forecast) -> None:
        """Return once the first weather of a forecast is there."""
        coming = self._proxy.follow(forecast)
        asyncio.run_coroutine_threadsafe(coming, self._loop).result(PATIENCE)


@contextmanager
def start_proxy(port: int, seed: int = 1) -> Iterator[Remote]:
    """Run a proxy to a port of this machine, in fair weather, until the block ends."""
    with loop_in_thread() as loop:
        proxy = Proxy(port, seed)
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(PATIENCE)
        try:
            yield Remote(proxy, loop)
        finally:
            asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(PATIENCE)
