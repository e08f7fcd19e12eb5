"""
The worst sliding second and the share of the rate that is used.

Both are counted at the server, by the emulator in a process of its own. The real
command runs beside two plain forms of AsyncLimiter that people copy, so that the
figures stand next to something.
"""

import argparse
import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

import aiohttp
from aiolimiter import AsyncLimiter

RATES = (10, 100, 500)
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


def counted(url: str, rate: float) -> tuple[int, float]:
    """Return the worst second and the share of the rate, as the server saw them."""
    arrivals = call(url, "arrivals?operation=UpdateFace")["arrivals"]
    witness = call(url, "witness")
    worst = witness["worst_second_by_operation"]["UpdateFace"]
    span = arrivals[-1] - arrivals[0]
    return worst, (len(arrivals) - 1) / span / rate


def run_command(url: str, rate: float, rows: int) -> None:
    """Run the real command over `rows` rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["face_id", "external_image_id"])
            writer.writerows([face_id(i), f"img-{i}"] for i in range(rows))
        command = [sys.executable, "-m", "batch_updater", "run", str(path)]
        command += [
            "--face-set",
            FACE_SET,
            "--endpoint",
            url,
            "-q",
            "--rate",
            str(rate),
        ]
        command += ["--project-id", PROJECT, "--run-dir", f"{folder}/run"]
        command += ["--on-duplicate", "in-order", "--concurrency", "64"]
        environ = {**os.environ, "BATCH_UPDATER_TOKEN": TOKEN}
        subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)


def run_limiter(url: str, limiter: AsyncLimiter, rows: int) -> None:
    """Send `rows` updates from 64 workers behind a plain limiter."""
    asyncio.run(_behind(url, limiter, rows))


async def _behind(url: str, limiter: AsyncLimiter, rows: int) -> None:
    target = f"{url}/v2/{PROJECT}/face-sets/{FACE_SET}/faces"
    numbers = iter(range(rows))
    headers = {"X-Auth-Token": TOKEN}

    async def work(session: aiohttp.ClientSession) -> None:
        for i in numbers:
            body = {"face_id": face_id(i), "external_image_id": f"img-{i}"}
            async with limiter, session.put(target, json=body) as reply:
                await reply.read()

    async with (
        aiohttp.ClientSession(headers=headers) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(64):
            group.create_task(work(session))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how long and how often."""
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    seconds: float = options.seconds
    rounds: int = options.rounds
    print(f"Worst sliding second and share of the rate used, {seconds:g} s each, ")
    print(f"30 +- 3 ms latency, {rounds} rounds: worst of all, median (least) share\n")
    print("| form | " + " | ".join(f"rate {rate}" for rate in RATES) + " |")
    print("|---|" + "---|" * len(RATES))
    forms = {
        "batch-updater run": run_command,
        "`AsyncLimiter(R, 1)`": lambda url, rate, n: run_limiter(
            url, AsyncLimiter(rate, 1), n
        ),
        "`AsyncLimiter(1, 1/R)`": lambda url, rate, n: run_limiter(
            url, AsyncLimiter(1, 1 / rate), n
        ),
    }
    cells: dict[str, list[str]] = {form: [] for form in forms}
    for rate in RATES:
        seen: dict[str, list[tuple[int, float]]] = {form: [] for form in forms}
        for _ in range(rounds):
            for form, send in forms.items():
                with emulator() as url:
                    send(url, rate, round(rate * seconds))
                    seen[form].append(counted(url, rate))
        for form, figures in seen.items():
            worst = max(count for count, _ in figures)
            shares = [100 * share for _, share in figures]
            cells[form].append(f"{worst}, {median(shares):.1f} % ({min(shares):.1f})")
    for form, row in cells.items():
        print(f"| {form} | " + " | ".join(row) + " |")
    print()
