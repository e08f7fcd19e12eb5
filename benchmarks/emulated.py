"""The emulator in a process of its own, for measurements that ask it what it saw."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

TOKEN = "emulator-token"
PROJECT = "0123456789abcdef0123456789abcdef"
FACE_SET = "bench"
FACES = 1000


@contextmanager
def emulator() -> Iterator[str]:
    """Run the emulator without a quota and with 30 ms latency; yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command = [sys.executable, "-m", "batch_updater.emulator", "--port", "0"]
        command += ["--port-file", str(port_file), "--qps", "unlimited"]
        command += ["--latency", "30ms", "--jitter", "3ms"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                while not port_file.exists():
                    time.sleep(0.02)
                url = f"http://127.0.0.1:{port_file.read_text().strip()}"
                faces = [{"face_id": face_id(i)} for i in range(FACES)]
                call(url, "seed", {"face_set_name": FACE_SET, "faces": faces})
                yield url
            finally:
                process.send_signal(signal.SIGTERM)


def face_id(number: int) -> str:
    """Return the id of one of the emulator's faces."""
    return f"F{number % FACES:07d}"


def call(url: str, door: str, body: object | None = None) -> dict:
    """Call a door of the emulator."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{url}/_emulator/{door}", data=data)) as answer:
        return json.load(answer)
