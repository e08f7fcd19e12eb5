"""Which requests may have reached the service, and which certainly did not."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from yarl import URL

from batch_updater.frs.proxies import Proxy
from batch_updater.frs.transport import open_transport
from batch_updater.models import Reply


async def ask(url: str, *, patience: float = 10.0, proxy: str = "") -> Reply:
    """Send one request."""
    async with open_transport(
        patience=patience,
        ssl_context=ssl.create_default_context(),
        proxy_for=lambda target: Proxy(proxy) if proxy else None,
    ) as transport:
        return await transport.send("PUT", URL(url), {}, b"{}")


@contextmanager
def speaking(said: bytes) -> Iterator[str]:
    """Answer every connection with these bytes; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)

        async def greet() -> None:
            while True:
                client, _ = await loop.sock_accept(listener)
                with client:
                    await loop.sock_recv(client, 65536)
                    await loop.sock_sendall(client, said)

        greeting = loop.create_task(greet())
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            greeting.cancel()


@contextmanager
def deaf() -> Iterator[str]:
    """Yield the address of a port whose backlog is full: no connection comes about."""
    with ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


async def test_a_login_takes_no_connection_from_a_row() -> None:
    """Whoever renews credentials beside the rows waits for himself, when IAM hangs."""

    over = asyncio.Event()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with closing(writer):
            if b"tokens" in await reader.readline():
                await over.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        open_transport(
            patience=2.0,
            ssl_context=ssl.create_default_context(),
            proxy_for=lambda target: None,
        ) as transport,
    ):
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        login = asyncio.create_task(transport.send("POST", url / "tokens", {}, b"{}"))
        await asyncio.sleep(0)
        row = await transport.send("PUT", url / "faces", {}, b"{}")
        over.set()
        assert (row.status, (await login).status) == (200, 200)


async def test_a_refused_connection() -> None:
    """Nobody listens: nothing left."""
    reply = await ask("http://127.0.0.1:1/")
    assert (reply.error, reply.sent) == ("connect", False)


async def test_a_connection_that_never_comes_about() -> None:
    """A blackhole swallows the connection, not the request, though both are late."""
    with deaf() as address:
        reply = await ask(f"http://{address}/", patience=0.3)
    assert (reply.error, reply.sent) == ("connect", False)
    assert reply.detail == "no connection within --timeout"


async def test_an_answer_that_never_comes() -> None:
    """The connection is there and the request has left: it may have arrived."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reply = await ask(
            f"http://127.0.0.1:{listener.getsockname()[1]}/", patience=0.3
        )
    assert (reply.error, reply.sent) == ("timeout", True)


async def test_a_handshake_that_never_ends() -> None:
    """TLS that is not agreed on carries no request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        reply = await ask(f"https://127.0.0.1:{port}/", patience=0.3)
    assert (reply.error, reply.sent) == ("connect", False)


async def test_a_name_without_an_address() -> None:
    """Who has no address gets nothing."""
    reply = await ask("http://frs.invalid/")
    assert (reply.error, reply.sent) == ("dns", False)


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_opens_no_tunnel(status: int) -> None:
    """What the proxy says to CONNECT comes before the request."""
    said = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    with speaking(said) as address:
        reply = await ask("https://frs.example.com/", proxy=f"http://{address}")
    assert reply.error.startswith("proxy")
    assert not reply.sent


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX: y", b"SSH-2.0-x\r\n"])
async def test_a_proxy_that_breaks_off(said: bytes) -> None:
    """What ends before there is a tunnel has carried no request."""
    with speaking(said) as address:
        reply = await ask("https://frs.example.com/", proxy=f"http://{address}")
    assert (reply.status, reply.error, reply.sent) == (None, "proxy", False)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"SSH-2.0-x\r\n"]
)
async def test_an_answer_that_is_broken(said: bytes) -> None:
    """A connection that ends before the answer does leaves it open what was done."""
    with speaking(said) as address:
        reply = await ask(f"http://{address}/")
    assert (reply.status, reply.error, reply.sent) == (None, "reset", True)
