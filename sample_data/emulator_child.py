"""The emulator as a child process, and its doors."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("batch-updater")
HOST = "127.0.0.1"
START_WITHIN = 30.0  # seconds
END_WITHIN = 20.0


class DemoFailed(Exception):
    """The demo cannot go on; says why."""


@dataclass(frozen=True, slots=True)
class Doors:
    """What an emulator tells and takes beside FRS's own API."""

    port: int

    @property
    def url(self) -> str:
        """The endpoint to give to the updater."""
        return f"http://{HOST}:{self.port}"

    def look(self, name: str) -> Any:
        """Return what a door tells."""
        return self._ask("GET", name, None)

    def act(self, name: str, body: bytes) -> Any:
        """Give a door JSON, and return its answer."""
        return self._ask("POST", name, body)

    def _ask(self, method: str, name: str, body: bytes | None) -> Any:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request(method, f"/_emulator/{name}", body)
            response = connection.getresponse()
            content = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise DemoFailed(f"the emulator's door {name}: {content}")
        return content


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without settings of the user's own."""
    theirs = ("BATCH_UPDATER_", "HUAWEICLOUD_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(theirs)}
    return {**kept, **extra}


@contextmanager
def running_emulator(*flags: str) -> Iterator[Doors]:
    """Start an emulator on a free port; end it with the block."""
    with tempfile.TemporaryDirectory(prefix="batch-updater-demo-") as folder:
        port_file, log = Path(folder) / "port", Path(folder) / "log"
        command = [str(COMMAND), "emulator", "--port", "0"]
        command += ["--port-file", str(port_file), *flags]
        with log.open("wb") as output, started(command, {}, output) as child:
            _wait_for(port_file, child, log)
            yield Doors(int(port_file.read_text("ascii")))


def _wait_for(port_file: Path, child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while not port_file.exists():
        if child.poll() is not None or time.monotonic() > deadline:
            said = log.read_text("utf-8", "replace").strip()
            raise DemoFailed(f"the emulator does not start: {said}")
        time.sleep(0.02)


@contextmanager
def started(
    command: list[str], extra: Mapping[str, str], output: Any = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """
    Start a command; whatever happens, it has ended when the block has.

    It has a session of its own, so that Ctrl-C reaches the demo alone, which then
    asks each child to end, in the right order.
    """
    environment = clean_environment(extra)
    child = subprocess.Popen(  # noqa: S603  (our own command)
        command, env=environment, stdout=output, stderr=output, start_new_session=True
    )
    try:
        yield child
    finally:
        _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    try:
        child.wait(END_WITHIN)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
