"""Connections that are kept: whose answer is whose, and when one is spent."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing

import pytest
from yarl import URL

from batch_updater.frs.exchange import write_head, write_request
from batch_updater.frs.proxies import Proxy
from batch_updater.frs.transport import Transport, open_transport
from batch_updater.models import Reply

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Peer = Callable[["Line"], Awaitable[None]]


class Line:
    """The server's end of a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader, self.writer = reader, writer

    async def request(self) -> bytes:
        """Return the next request whole, or nothing at the end."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return head + await self.reader.readexactly(int(length or 0))

    async def say(self, said: bytes) -> None:
        """Send bytes."""
        self.writer.write(said)
        await self.writer.drain()


class Server:
    """A server that does on each connection what it is told, and counts them."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.connections = 0
        self.ended = asyncio.Event()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        with closing(writer):
            await self._peer(Line(reader, writer))
        self.ended.set()


@asynccontextmanager
async def opened(
    peer: Peer, patience: float = 10.0, *, proxied: bool = False
) -> AsyncIterator[tuple[Server, Transport, URL]]:
    """Open a server that behaves like this, and a transport; yield its URL too."""
    server = Server(peer)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        proxy = Proxy(address, "user", "secret") if proxied else None
        async with open_transport(
            patience=patience,
            ssl_context=ssl.create_default_context(),
            proxy_for=lambda target: proxy,
        ) as transport:
            yield server, transport, URL(f"{address}/faces")


def saying(*answers: bytes) -> Peer:
    """Return a peer that gives these answers, one a request, and then listens."""

    async def talk(line: Line) -> None:
        for answer in answers:
            if not await line.request():
                return
            await line.say(answer)
        await line.reader.read()

    return talk


async def put(transport: Transport, url: URL) -> Reply:
    return await transport.send("PUT", url, {"X-Auth-Token": "t"}, b"{}")


async def test_one_connection_is_used_again() -> None:
    """Requests that follow one another share a connection, and so one handshake."""
    async with opened(saying(OK, OK, OK)) as (server, transport, url):
        replies = [await put(transport, url) for _ in range(3)]
    assert [reply.body for reply in replies] == [b"ok"] * 3
    assert server.connections == 1


async def test_as_many_connections_as_requests_at_once() -> None:
    """Nobody waits for another one's connection, and all are kept."""

    all_here = asyncio.Event()

    async def patient(line: Line) -> None:
        for _ in range(2):
            await line.request()
            if server.connections == 5:
                all_here.set()
            await all_here.wait()
            await line.say(OK)

    async with opened(patient) as (server, transport, url):
        for _ in range(2):
            async with asyncio.TaskGroup() as together:
                for _ in range(5):
                    together.create_task(put(transport, url))
    assert server.connections == 5


async def test_what_nobody_asked_for_is_no_answer() -> None:
    """A second answer to one request is never taken for the answer to the next."""
    stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
    said = asyncio.Event()

    async def talkative(line: Line) -> None:
        await line.request()
        await line.say(OK)
        await line.say(stray)
        said.set()
        if await line.request():
            await line.say(OK)
        await line.reader.read()

    async with opened(talkative) as (server, transport, url):
        first = await put(transport, url)
        await said.wait()
        for _ in range(20):  # until it has come in here
            await asyncio.sleep(0.001)
        second = await put(transport, url)
    assert (first.body, second.body) == (b"ok", b"ok")
    assert server.connections == 2


async def test_a_server_that_speaks_first() -> None:
    """What greets before it is asked is not HTTP: the request fails, and is not repeated."""

    async def greet(line: Line) -> None:
        await line.say(b"SSH-2.0-OpenSSH_9.2\r\n")
        await line.reader.read()

    async with opened(greet) as (server, transport, url):
        reply = await put(transport, url)
    assert (reply.status, reply.error, server.connections) == (None, "reset", 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_is_said_to_close(answer: bytes) -> None:
    """What the server closes after its answer is not used again."""
    async with opened(saying(answer)) as (server, transport, url):
        for _ in range(2):
            assert (await put(transport, url)).body == b"ok"
    assert server.connections == 2


async def test_a_connection_that_was_closed_while_idle() -> None:
    """A connection that ended meanwhile is no failure of the next request."""

    async def once(line: Line) -> None:
        await line.request()
        await line.say(OK)

    async with opened(once) as (server, transport, url):
        assert (await put(transport, url)).status == 200
        await server.ended.wait()
        for _ in range(20):  # until the end has come in here
            await asyncio.sleep(0.001)
        assert (await put(transport, url)).status == 200
    assert server.connections == 2


async def test_answers_before_the_answer() -> None:
    """1xx answers only come before it (RFC 9110, section 15.2)."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    async with opened(saying(early + OK, OK)) as (server, transport, url):
        replies = [await put(transport, url) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert server.connections == 1


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nha",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nha",
    ],
)
async def test_an_answer_that_stops_in_the_middle(said: bytes) -> None:
    """--timeout is for the whole answer: whoever dribbles is hung up on."""
    async with opened(saying(said), patience=0.2) as (server, transport, url):
        reply = await put(transport, url)
        await server.ended.wait()
    assert (reply.status, reply.error, reply.sent) == (None, "timeout", True)
    assert reply.detail == "no answer within --timeout"


async def test_an_answer_that_dribbles() -> None:
    """A byte now and then does not make the time longer."""

    async def dribble(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        while not line.reader.at_eof():
            await line.say(b".")
            await asyncio.sleep(0.02)

    async with opened(dribble, patience=0.3) as (_, transport, url):
        reply = await put(transport, url)
    assert (reply.status, reply.error) == (None, "timeout")


def chunked(body: bytes) -> bytes:
    """Return a body as one chunk."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"ok"), b"ok"),
        (b"Content-Length: 0\r\n\r\n", b""),
        (
            b"Content-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked(zlib.compress(b"o" * 500)),
            b"o" * 500,
        ),
        (
            b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000,
            b"x" * 65536,
        ),
    ],
)
async def test_bodies_in_every_shape(answer: bytes, body: bytes) -> None:
    """A body is read whole however it comes, and no further than its limit."""
    said = b"HTTP/1.1 200 OK\r\n" + answer
    async with opened(saying(said)) as (_, transport, url):
        reply = await put(transport, url)
    assert (reply.status, reply.body) == (200, body)


async def test_a_body_that_ends_with_its_connection() -> None:
    """An answer without a length is over when the connection is."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\n\r\nok")

    async with opened(talk) as (_, transport, url):
        reply = await put(transport, url)
    assert (reply.status, reply.body) == (200, b"ok")


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\nX-Other"])
async def test_a_head_that_is_broken_off(end: bytes) -> None:
    """What is told of it quotes nothing: a token may be among its headers."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 201 Created\r\nX-Subject-Token: issued" + end)

    async with opened(talk) as (_, transport, url):
        reply = await put(transport, url)
    assert (reply.status, reply.error, reply.sent) == (None, "reset", True)
    assert reply.detail == "the connection ended before the answer"


async def test_who_is_cut_off_leaves_no_connection() -> None:
    """A request that is cancelled breaks its connection off: its answer is nobody's."""
    begun = asyncio.Event()

    async def mute(line: Line) -> None:
        await line.request()
        begun.set()
        await line.reader.read()

    async with opened(mute) as (server, transport, url):
        asking = asyncio.create_task(put(transport, url))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await server.ended.wait()


async def heard(headers: Mapping[str, str], *, proxied: bool = False) -> list[bytes]:
    """Return what a server hears of a few requests with these headers."""
    requests: list[bytes] = []

    async def listen(line: Line) -> None:
        while request := await line.request():
            requests.append(request)
            await line.say(OK)

    async with opened(listen, proxied=proxied) as (_, transport, here):
        url = URL("http://frs.example.com/faces?a=%20b") if proxied else here
        await transport.send("PUT", url, headers, b"{}")
        await transport.send("PUT", url, headers, b"[1]")
        await transport.send("PUT", url / "other", headers)
        await transport.send("GET", url, {"X-Auth-Token": "other"})
    return requests


async def test_requests_as_they_are_sent() -> None:
    """Each has its own path, headers and length, whatever was asked before."""
    first, second, third, fourth = await heard({"X-Auth-Token": "token"})
    assert first.startswith(b"PUT /faces HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Auth-Token: token\r\n" in first
    assert b"\r\nContent-Type: application/json\r\n" in first
    assert first.endswith(b"\r\nContent-Length: 2\r\n\r\n{}")
    assert second.endswith(b"\r\nContent-Length: 3\r\n\r\n[1]")
    assert third.startswith(b"PUT /faces/other HTTP/1.1\r\n")
    assert third.endswith(b"\r\nContent-Length: 0\r\n\r\n")
    assert fourth.startswith(b"GET /faces HTTP/1.1\r\n")
    assert b"\r\nX-Auth-Token: other\r\n" in fourth
    assert b"Content-Length" not in fourth


async def test_requests_by_way_of_a_proxy() -> None:
    """A proxy is told the whole URL, and who we are (RFC 9112, section 3.2.2)."""
    first, *_ = await heard({}, proxied=True)
    asked = b"PUT http://frs.example.com/faces?a=%20b HTTP/1.1\r\nHost: frs.example.com"
    assert first.startswith(asked + b"\r\n")
    assert b"\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in first


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb"])
def test_a_header_that_would_be_two(value: str) -> None:
    """The end of a line in a header never reaches the wire, and is not repeated."""
    with pytest.raises(ValueError, match="end of a line") as refused:
        write_head("PUT", URL("http://x/"), "/", {"X-Auth-Token": value})
    assert value not in str(refused.value)


def test_headers_that_replace_the_usual_ones() -> None:
    """What a request says of itself stands once, as it says it."""
    head = write_head("PUT", URL("http://x/"), "/", {"Content-Type": "a/b"})
    assert head.count(b"Content-Type") == 1
    assert b"Content-Type: a/b\r\n" in write_request(head, None)
