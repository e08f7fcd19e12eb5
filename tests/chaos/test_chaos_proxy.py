"""The proxy does to connections what its weather says, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest

from chaos.proxy import Proxy, Stream
from chaos.weather import FAIR, Fate, Kind, Port, Trouble, Way, Weather, trouble

QUESTION, ANSWER = b"who is there?\n", b"a face, number 12\n"
PATIENCE = 10.0


class Server:
    """Answers every line, and remembers what it heard and how it ended."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = asyncio.Event()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one client until it leaves."""
        with suppress(OSError):
            while data := await reader.read(100):
                self.heard += data
                if data.endswith(b"\n"):
                    writer.write(ANSWER)
        writer.close()
        self.ended.set()


class Stage:
    """A server, a proxy in front of it, and the seconds that the proxy slept."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.slept: list[float] = []
        self.slept_often = asyncio.Event()
        self.proxy = Proxy(port, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > 4:
            self.slept_often.set()
        await asyncio.sleep(0)

    async def connect(self) -> Stream:
        """Return a new connection through the proxy."""
        port = int(self.proxy.url.rsplit(":", 1)[1])
        return await asyncio.open_connection("127.0.0.1", port)

    async def ask(self, client: Stream | None = None) -> bytes:
        """Ask once; return what is answered, as far as it comes."""
        reader, writer = client or await self.connect()
        writer.write(QUESTION)
        answered = b""
        try:
            async with asyncio.timeout(PATIENCE):
                while not answered.endswith(b"\n"):
                    if not (data := await reader.read(100)):
                        return answered
                    answered += data
        except ConnectionResetError:
            answered += b"!"
        finally:
            if client is None:
                writer.close()
        return answered


@asynccontextmanager
async def staged(weather: Weather = FAIR) -> AsyncIterator[Stage]:
    """Set up a server behind this weather."""
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    stage = Stage(server, listening.sockets[0].getsockname()[1])
    await stage.proxy.start()
    await stage.proxy.change(weather)
    try:
        yield stage
    finally:
        await stage.proxy.stop()
        listening.close()


async def silent(client: Stream) -> bool:
    """Ask and wait a moment; return whether nothing comes and nothing breaks."""
    reader, writer = client
    writer.write(QUESTION)
    try:
        async with asyncio.timeout(0.1):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def listen(client: Stream, into: bytearray) -> None:
    """Keep what comes until the end."""
    while data := await client[0].read(100):
        into += data


async def test_fair_weather_changes_nothing() -> None:
    """In fair weather bytes pass as they are, without a pause, as often as wanted."""
    async with staged() as stage:
        client = await stage.connect()
        assert [await stage.ask(client) for _ in range(3)] == [ANSWER] * 3
        assert stage.server.heard == QUESTION * 3
        assert not any(stage.slept)
        client[1].close()
        await stage.server.ended.wait()
        passed = stage.proxy.account.passed
        assert passed == {Way.UP: 3 * len(QUESTION), Way.DOWN: 3 * len(ANSWER)}


async def test_latency_and_bandwidth_take_their_time() -> None:
    """Bytes travel for the latency each way, and for their number over the bandwidth."""
    weather = Weather(latency=2.0, bandwidth=10.0)
    async with staged(weather) as stage:
        assert await stage.ask() == ANSWER
        up, down = len(QUESTION) / 10, len(ANSWER) / 10
        assert stage.slept == [2.0, up, 2.0, down]


async def test_slow_loris_sends_a_byte_at_a_time() -> None:
    """An answer in pieces of one byte takes as many pauses as it has bytes."""
    async with staged(Weather(piece=1, bandwidth=1000.0)) as stage:
        assert await stage.ask() == ANSWER
        assert stage.slept.count(0.001) == len(ANSWER)


@pytest.mark.parametrize("after", [0, 1, 5, len(ANSWER) - 1, len(ANSWER)])
async def test_reset_in_the_middle_of_an_answer(after: int) -> None:
    """So many bytes of the answer come, then a reset; the request has arrived."""
    async with staged(trouble(Kind.RESET_ANSWER, 1.0, after, after)) as stage:
        client = await stage.connect()
        client[1].write(QUESTION)
        answered = bytearray()
        with pytest.raises(ConnectionResetError):
            await listen(client, answered)
        # What the kernel still held when the reset came is thrown away.
        assert ANSWER[:after].startswith(answered)
        await stage.server.ended.wait()
        assert stage.server.heard == QUESTION
        assert stage.proxy.account.struck[Kind.RESET_ANSWER] == 1
        assert stage.proxy.account.passed[Way.DOWN] == after
        client[1].close()


@pytest.mark.parametrize("after", [0, 1, 5, len(QUESTION) - 1])
async def test_reset_in_the_middle_of_a_request(after: int) -> None:
    """So many bytes of the request arrive at the most, and both sides see a reset."""
    async with staged(trouble(Kind.RESET_REQUEST, 1.0, after, after)) as stage:
        assert await stage.ask() == b"!"
        await stage.server.ended.wait()
        assert QUESTION[:after].startswith(stage.server.heard)
        assert stage.proxy.account.struck[Kind.RESET_REQUEST] == 1


async def test_lost_answer() -> None:
    """One-way loss: the request arrives, and nothing is heard, not even an end."""
    async with staged(trouble(Kind.LOSE_ANSWER)) as stage:
        client = await stage.connect()
        assert await silent(client)
        assert stage.server.heard == QUESTION
        client[1].close()
        await stage.server.ended.wait()


async def test_lost_request_is_a_blackhole() -> None:
    """The connection is accepted, and nothing arrives."""
    async with staged(trouble(Kind.LOSE_REQUEST)) as stage:
        client = await stage.connect()
        assert await silent(client)
        assert stage.server.heard == b""
        client[1].close()


async def test_half_open_connection() -> None:
    """The server is gone, and its client is not told: what it sends is swallowed."""
    size = len(ANSWER)
    async with staged(trouble(Kind.HALF_OPEN, 1.0, size, size)) as stage:
        client = await stage.connect()
        assert await stage.ask(client) == ANSWER
        await stage.server.ended.wait()
        assert await silent(client)
        assert stage.server.heard == QUESTION
        client[1].close()


async def test_closed_port() -> None:
    """A closed port refuses, drops who was connected, and opens at the same place."""
    async with staged() as stage:
        client = await stage.connect()
        assert await stage.ask(client) == ANSWER
        await stage.proxy.change(Weather(port=Port.CLOSED))
        assert await stage.ask(client) == b"!"
        client[1].close()
        with pytest.raises(ConnectionRefusedError):
            await stage.connect()
        await stage.proxy.change(FAIR)
        assert await stage.ask() == ANSWER


async def test_full_backlog() -> None:
    """With a full backlog nobody is refused and nobody gets in."""
    async with staged(Weather(port=Port.FULL)) as stage:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await stage.connect()
        await stage.proxy.change(FAIR)
        assert await stage.ask() == ANSWER


async def test_idle_connections_are_closed() -> None:
    """A connection that was silent for long enough gets a polite end."""
    async with staged(Weather(idle=0.02)) as stage:
        client = await stage.connect()
        assert await stage.ask(client) == ANSWER
        assert await client[0].read() == b""
        await stage.server.ended.wait()
        assert stage.proxy.account.closed_idle == 1
        client[1].close()


async def test_weather_changes_on_open_connections() -> None:
    """A change of weather is felt by connections that were made before it."""
    async with staged() as stage:
        client = await stage.connect()
        assert await stage.ask(client) == ANSWER
        await stage.proxy.change(trouble(Kind.RESET_ANSWER))
        assert await stage.ask(client) == b"!"
        client[1].close()


async def test_forecast_comes_round() -> None:
    """A forecast's weathers follow one another, and then it begins again."""
    async with staged() as stage:
        forecast = ((1.0, FAIR), (2.0, Weather(latency=3.0)))
        await stage.proxy.follow(forecast)
        await stage.slept_often.wait()
        assert stage.slept[:5] == [1.0, 2.0, 1.0, 2.0, 1.0]


async def test_server_that_is_away() -> None:
    """Without a server behind it a connection is closed, as any proxy does."""
    stage = Stage(Server(), port=1)
    await stage.proxy.start()
    assert await stage.ask() in {b"", b"!"}
    await stage.proxy.stop()


def test_shares_are_drawn() -> None:
    """A trouble meets its share of connections, the next one its share of the rest."""
    troubles = (
        Trouble(kind=Kind.LOSE_ANSWER, share=0.25, after=(10, 20)),
        Trouble(kind=Kind.HALF_OPEN, share=0.5),
    )
    weather, chance = Weather(troubles=troubles), Random(7)
    fates = [weather.fate(chance) for _ in range(4000)]
    kinds = [fate.kind for fate in fates]
    assert kinds.count(Kind.LOSE_ANSWER) == pytest.approx(1000, rel=0.1)
    assert kinds.count(Kind.HALF_OPEN) == pytest.approx(1500, rel=0.1)
    lost = {fate.left for fate in fates if fate.kind is Kind.LOSE_ANSWER}
    assert lost == set(range(10, 21))


def test_fate_counts_its_own_way() -> None:
    """Only bytes of the trouble's way bring it nearer; afterwards its way is shut."""
    fate = Fate(Kind.LOSE_ANSWER, 5)
    passing = [
        (Way.UP, b"123456789", b"123456789", False),
        (Way.DOWN, b"123", b"123", False),
        (Way.DOWN, b"456", b"45", True),
        (Way.DOWN, b"7", b"", True),
        (Way.UP, b"7", b"7", True),
    ]
    for way, data, taken, struck in passing:
        assert (fate.take(way, data), fate.struck) == (taken, struck)
