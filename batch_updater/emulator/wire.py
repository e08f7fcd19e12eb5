"""The touching side: reading a body, and answering well, badly or not at all."""

import asyncio
import logging
import socket
import struct

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from batch_updater.emulator.answers import Answer

REQUEST_ID = "X-Request-Id"
# Zero seconds of lingering turn a close into a TCP reset.
NO_LINGER = struct.pack("ii", 1, 0)

log = logging.getLogger(__name__)


def _is_ours(record: logging.LogRecord) -> bool:
    # A client that speaks no HTTP is told so with 400; it is no fault of the server.
    trouble = record.exc_info[1] if record.exc_info else None
    return not isinstance(trouble, HttpProcessingError)


log.addFilter(_is_ours)


async def read_body(request: web.BaseRequest, limit: int) -> bytes | None:
    """
    Return the body, or None when it is longer than `limit` bytes.

    One that is not packed as its Content-Encoding says is as good as empty.
    """
    if (request.content_length or 0) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := await request.content.readany():
            size += len(chunk)
            if size > limit:
                return None
            chunks.append(chunk)
    except (web.RequestPayloadError, HttpProcessingError):
        return b""
    return b"".join(chunks)


def response(answer: Answer, request_id: str) -> web.Response:
    """Return the ordinary way to send an answer."""
    headers = _headers(answer, request_id)
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def send_half(
    request: web.BaseRequest, answer: Answer, request_id: str
) -> web.StreamResponse:
    """Send the whole head and half of the body, then close the connection."""
    headers = _headers(answer, request_id)
    half = web.StreamResponse(status=answer.status, headers=headers)
    half.content_length = len(answer.body)
    await half.prepare(request)
    await half.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def drop(request: web.BaseRequest) -> web.Response:
    """Reset the connection without an answer; what is returned reaches nobody."""
    if request.transport is not None:
        sock = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        request.transport.abort()
    return web.Response()


async def hold(closing: asyncio.Event, seconds: float | None) -> None:
    """Keep the client waiting; ends early when the emulator stops.

    When the client leaves first, aiohttp cancels the handler.
    """
    try:
        async with asyncio.timeout(seconds):
            await closing.wait()
    except TimeoutError:
        return


def _headers(answer: Answer, request_id: str) -> dict[str, str]:
    content = {"Content-Type": answer.content_type, REQUEST_ID: request_id}
    return {**answer.headers, **content} if answer.headers else content
