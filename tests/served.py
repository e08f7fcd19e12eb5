"""The emulator as a process of its own, for stories that are too large for ours."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

PROJECT = "0123456789abcdef0123456789abcdef"
TOKEN = "emulator-token"
SEED = 10_000
"""How many faces a seed takes at once."""

# A collection of some hundred thousand faces would stop the emulator for a while, and
# what arrives meanwhile would look like a burst.
_EMULATOR = (
    "import gc, runpy; gc.disable(); "
    "runpy.run_module('batch_updater.emulator', run_name='__main__', alter_sys=True)"
)
_PATIENCE = 30.0


@contextmanager
def emulator(folder: Path, *words: str) -> Iterator[str]:
    """Run an emulator without a quota; yield its URL."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    flags = ["--port", "0", "--port-file", str(port_file), "--qps", "unlimited"]
    command = [sys.executable, "-c", _EMULATOR, *flags, *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not port_file.exists():
                if time.monotonic() > deadline:
                    raise TimeoutError("the emulator did not start")
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port_file.read_text().strip()}"
        finally:
            process.send_signal(signal.SIGTERM)


def ask(url: str, door: str, body: object | None = None) -> Any:
    """Call a door of the emulator; return what it says."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{url}/_emulator/{door}", data=data)  # noqa: S310
    with urlopen(request, timeout=120) as answer:  # noqa: S310
        return json.load(answer)
