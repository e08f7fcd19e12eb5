"""
A server that does nothing but note when requests arrive, in a process of its own.

Each is noted twice: when the kernel had its first bytes (SO_TIMESTAMPNS), and when
this process came to read them. What differs between the two is the server's own
lateness, and no pacer's. It reads HTTP no further than to know where a request ends,
so that some thousands a second leave the machine to whoever sends them.

`python -m benchmarks.counting FILE` prints its port, and writes the moments to FILE
as pairs of doubles once its standard input is closed.
"""

import heapq
import random
import re
import select
import socket
import struct
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import CLOCK_REALTIME, clock_gettime

LATENCY, JITTER = 0.030, 0.003  # seconds
_SO_TIMESTAMPNS = 35  # Linux; the socket module does not name it
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_FACE_SET = (
    b'{"face_set_info":{"face_number":1000,"face_set_id":"counting",'
    b'"face_set_name":"bench","create_date":"2026-01-01 00:00:00",'
    b'"face_set_capacity":100000,"external_fields":{}}}'
)
_UPDATED = b'{"face_number":1,"face_set_id":"counting","face_set_name":"bench"}'


def _now() -> float:
    """Return this moment on the clock that the kernel stamps by."""
    return clock_gettime(CLOCK_REALTIME)


def _answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d"
    return head % len(body) + b"\r\n\r\n" + body


_ANSWERS = {b"G": _answer(_FACE_SET), b"P": _answer(_UPDATED)}


@dataclass
class _Connection:
    socket: socket.socket
    received: bytes = b""


class Server:
    """Answers whatever comes after the latency, and keeps when it came."""

    def __init__(self) -> None:
        self.moments = array("d")
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        # Inherited by what it accepts; the kernel takes a moment to begin.
        self._listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.port = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, _Connection] = {}
        self._due: list[tuple[float, int, bytes]] = []
        self._chance = random.Random(1)  # noqa: S311

    def serve(self, until_closed: int) -> None:
        """Serve until a file descriptor has been closed by its other side."""
        self._epoll.register(until_closed, select.EPOLLIN | select.EPOLLHUP)
        while True:
            for fd, _ in self._epoll.poll(self._patience()):
                if fd == until_closed:
                    return
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._read(self._connections[fd])
            self._reply()

    def _patience(self) -> float:
        return max(0.0, self._due[0][0] - _now()) if self._due else -1

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection.fileno()] = _Connection(connection)
        self._epoll.register(connection, select.EPOLLIN)

    def _read(self, connection: _Connection) -> None:
        fd = connection.socket.fileno()
        try:
            data, told, _, _ = connection.socket.recvmsg(1 << 16, 128)
        except ConnectionError:
            data = b""
        if not data:
            self._epoll.unregister(fd)
            self._connections.pop(fd).socket.close()
            return
        now = _now()
        if not connection.received:
            self._note(data[:1], _stamp(told) or now, now)
        connection.received += data
        if _is_whole(connection.received):
            kind, connection.received = connection.received[:1], b""
            due = now + LATENCY + self._chance.uniform(-JITTER, JITTER)
            heapq.heappush(self._due, (due, fd, _ANSWERS[kind]))

    def _note(self, kind: bytes, arrived: float, read: float) -> None:
        if kind == b"P":
            self.moments.extend((arrived, read))

    def _reply(self) -> None:
        while self._due and self._due[0][0] <= _now():
            _, fd, answer = heapq.heappop(self._due)
            if connection := self._connections.get(fd):
                connection.socket.send(answer)


def _stamp(told: list[tuple[int, int, bytes]]) -> float | None:
    for _, kind, value in told:
        if kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", value)
            return float(seconds + nanoseconds / 1e9)
    return None


def _is_whole(request: bytes) -> bool:
    end = request.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(request, 0, end + 2)
    return len(request) >= end + 4 + (int(length[1]) if length else 0)


@dataclass(frozen=True)
class Arrivals:
    """When each PUT arrived, and when the server read it; filled at the end."""

    url: str
    arrived: list[float]
    read: list[float]


@contextmanager
def counting_server(folder: Path) -> Iterator[Arrivals]:
    """Run the server; what it yields is filled when the block ends."""
    file = folder / "arrivals"
    command = [sys.executable, "-m", "benchmarks.counting", str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        port = int(process.stdout.readline())
        arrivals = Arrivals(f"http://127.0.0.1:{port}", [], [])
        try:
            yield arrivals
        finally:
            process.stdin.close()
            process.wait()
    moments = array("d")
    moments.frombytes(file.read_bytes())
    arrivals.arrived.extend(sorted(moments[0::2]))
    arrivals.read.extend(sorted(moments[1::2]))


def main() -> None:
    """Serve until standard input is closed, then write what was noted."""
    server = Server()
    print(server.port, flush=True)
    server.serve(sys.stdin.fileno())
    Path(sys.argv[1]).write_bytes(server.moments.tobytes())


if __name__ == "__main__":
    main()
