"""A server that takes every update: as little work as an answer can be."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PROJECT = "0123456789abcdef0123456789abcdef"
FACE_SET = "bench"
_FIELDS = {"id": "string", "timestamp": "long", "score": "double", "place": "string"}


def _reply(content: object) -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
    return (head + "Content-Type: application/json\r\n\r\n").encode() + body


_UPDATED = _reply({"face_number": 1, "face_set_id": "x", "face_set_name": FACE_SET})
_SHOWN = _reply(
    {
        "face_set_info": {
            "face_set_name": FACE_SET,
            "face_set_id": "x",
            "face_number": 1,
            "face_set_capacity": 100_000_000,
            "external_fields": {k: {"type": kind} for k, kind in _FIELDS.items()},
        }
    }
)


@dataclass(slots=True)
class Light:
    """
    What the server saw.

    Args:
        updates: how many; `first` is when the first of them came.
    """

    port: int = 0
    updates: int = 0
    first: threading.Event = field(default_factory=threading.Event)
    first_at: float = 0.0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def note_update(self) -> None:
        """Count one."""
        self.updates += 1
        if not self.first.is_set():
            self.first_at = time.perf_counter()
            self.first.set()

    def begin(self) -> None:
        """Forget what was seen."""
        self.first.clear()
        self.updates = 0


class _Connection(asyncio.Protocol):
    """Answers each whole request on a connection that is kept."""

    def __init__(self, light: Light) -> None:
        self._light = light
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n") + 4) > 3:
            head = self._got[:end].lower()
            size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._got) < end + size:
                return
            self._got = self._got[end + size :]
            if head.startswith(b"put"):
                self._light.note_update()
                self._transport.write(_UPDATED)
            else:
                self._transport.write(_SHOWN)


@contextmanager
def serving() -> Iterator[Light]:
    """Serve in a thread of its own until the block ends."""
    light, loop = Light(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        serve = loop.create_server(lambda: _Connection(light), "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(serve, loop).result(10)
        light.port = server.sockets[0].getsockname()[1]
        yield light
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
