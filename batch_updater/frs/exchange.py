"""
One request and its answer on one of aiohttp's connections.

aiohttp's session does more for a request than this package asks of it (cookies,
redirects, resending by itself), and that costs three times what the rest does. So
only what lies under it is used: its connector makes and keeps the connections,
through TLS and proxies, and its protocol parses the answers.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import StreamReader
from yarl import URL

from batch_updater.frs.protocol import parse_retry_after
from batch_updater.frs.quota import RATELIMIT_HEADERS
from batch_updater.frs.trouble import TROUBLES, clean
from batch_updater.models import Reply

_HEADER_LIMIT = 128 * 1024  # bytes; a token with many roles outgrows the usual 8 KiB
_USUAL = {
    "Accept": "*/*",
    "Content-Type": "application/json",
    "User-Agent": "batch-updater",
}


def write_head(method: str, url: URL, target: str, headers: Mapping[str, str]) -> bytes:
    """
    Return the head of a request up to its length (RFC 9112).

    Args:
        target: what is asked for: the path, or the whole URL from a proxy.

    Raises:
        ValueError: a header holds the end of a line.
    """
    lines = [f"{method} {target} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    lines += [f"{name}: {value}" for name, value in {**_USUAL, **headers}.items()]
    head = "\r\n".join(lines)
    if head.count("\n") >= len(lines):  # the values of headers may be secrets
        raise ValueError("a header holds the end of a line")
    return head.encode() + b"\r\n"


def write_request(head: bytes, body: bytes | None) -> bytes:
    """Return a request as it goes over the wire; one without a body has no length."""
    if body is None:
        return head + b"\r\n"
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


class Patience:
    """Hangs up when its time is over; cheaper than to cancel who waits for an answer."""

    __slots__ = ("_timer", "_transport", "is_over")

    def __init__(self, seconds: float, transport: asyncio.Transport) -> None:
        self.is_over = False
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._hang_up)

    def _hang_up(self) -> None:
        self.is_over = True
        self._transport.abort()

    def end(self) -> None:
        """Let the connection be."""
        self._timer.cancel()


async def exchange(
    protocol: ResponseHandler | None,
    request: bytes,
    patience: float,
    keep: tuple[str, ...],
    limit: int,
) -> Reply:
    """
    Send a request and return the answer to it.

    Args:
        patience: seconds for all of it; then the connection is broken off.
        keep: headers of the answer whose values are wanted, by name.
        limit: bytes of the answer's body that are read at the most.

    Raises:
        ClientError, HttpProcessingError, OSError: there is no whole answer;
            TimeoutError: not in time.
    """
    if protocol is None or protocol.transport is None or protocol.should_close:
        raise aiohttp.ServerDisconnectedError
    transport = protocol.transport
    protocol.set_response_params(read_until_eof=True, max_field_size=_HEADER_LIMIT)
    transport.write(request)
    waiting = Patience(patience, transport)
    try:
        reply = await _answer(protocol, keep, limit)
    except TROUBLES as error:
        if waiting.is_over:
            raise TimeoutError from error
        raise
    finally:
        waiting.end()
    if waiting.is_over:  # a body without a length seems whole when it is broken off
        raise TimeoutError
    return reply


async def _answer(
    protocol: ResponseHandler, keep: tuple[str, ...], limit: int
) -> Reply:
    message, content = await protocol.read()
    while 100 <= message.code < 200 and message.code != 101:  # they come before it
        message, content = await protocol.read()
    headers = message.headers
    return Reply(
        status=message.code,
        body=await _read_body(content, limit),
        request_id=clean(headers.get("X-Request-Id", "")),
        retry_after=_retry_after(headers.get("Retry-After")),
        date=headers.get("Date", ""),
        kept=tuple(headers.get(name, "") for name in keep) if keep else (),
        ratelimit=_ratelimit(headers),
    )


def _ratelimit(headers: Mapping[str, str]) -> tuple[str, ...]:
    limit, used, window = RATELIMIT_HEADERS
    if limit not in headers and used not in headers:
        return ()
    return (headers.get(limit, ""), headers.get(used, ""), headers.get(window, ""))


def _retry_after(header: str | None) -> float | None:
    return parse_retry_after(header, datetime.now(UTC)) if header else None


async def _read_body(content: StreamReader, limit: int) -> bytes:
    if content.is_eof() and content.total_bytes <= limit:  # it came with its headers
        return content.read_nowait()
    parts, size = [], 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        if size >= limit:
            break
    return b"".join(parts)[:limit]
