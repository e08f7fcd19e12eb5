"""A webhook on this machine: takes what is posted, and answers as it is told."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRET = "canary-5ecret"
PATH = f"/services/{SECRET}?key={SECRET}"


@dataclass(frozen=True)
class Posted:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """What was posted."""
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass
class Hook:
    """
    What came, and how the next requests are answered.

    Args:
        answers: statuses, the last of which is repeated.
        wait: called before a request is answered.
    """

    origin: str = ""
    answers: Sequence[int] = (204,)
    wait: Callable[[], object] = lambda: None
    came: list[Posted] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, secret in path and query."""
        return self.origin + PATH

    @property
    def only(self) -> dict[str, Any]:
        """What the only request brought."""
        [posted] = self.came
        assert posted.method == "POST"
        return posted.json

    def next_answer(self) -> int:
        """Return the status for the request that came last."""
        return self.answers[min(len(self.came), len(self.answers)) - 1]


def _handler(hook: Hook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            hook.came.append(
                Posted(self.command, self.path, dict(self.headers.items()), body)
            )
            hook.wait()
            status = hook.next_answer()
            self.send_response(status)
            if status in {301, 302, 307, 308}:
                self.send_header("Location", f"{hook.origin}/elsewhere")
            if status != 204:
                self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    return Handler


@contextmanager
def open_hook(tls: tuple[Path, Path] | None = None) -> Iterator[Hook]:
    """
    Take what is posted until the block ends.

    Args:
        tls: certificate and key, for https.
    """
    hook = Hook()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hook))
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    hook.origin = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()
