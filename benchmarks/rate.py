"""
The worst sliding second, the share of the rate that is used, and what pacing costs.

Requests are counted by a server that does nothing else (counting.py), in a process of
its own. The real command runs against it, and the pacer alone behind the barest
client there is, beside two plain forms of AsyncLimiter that people copy.
"""

import argparse
import asyncio
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from bisect import bisect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiolimiter import AsyncLimiter

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.pacing import make_pacer
from benchmarks.counting import Arrivals, counting_server
from benchmarks.emulated import PROJECT, TOKEN

try:
    from uvloop import run as run_loop
except ImportError:
    from asyncio import run as run_loop

RATES = (10, 100, 1000, 5000)
WAITERS = (64, 512)
_UNSTEADY = 2.0  # seconds

Send = Callable[[], Awaitable[None]]
Paced = Callable[[Send], Awaitable[None]]


@dataclass(frozen=True)
class Seen:
    """What the server saw: both worst seconds, and the share used when steady."""

    arrived: int
    read: int
    used: float

    def __str__(self) -> str:
        read = "" if self.read == self.arrived else f" ({self.read} read)"
        return f"{self.arrived}{read}, {100 * self.used:.1f} %"


def most_in_a_second(moments: Sequence[float]) -> int:
    """Return the most of sorted moments in any half-open sliding second."""
    return max(bisect(moments, at) - bisect(moments, at - 1) for at in moments)


def describe(arrivals: Arrivals, rate: float) -> Seen:
    """Return what the server saw of a rate."""
    steady = arrivals.arrived[
        bisect(arrivals.arrived, arrivals.arrived[0] + _UNSTEADY) :
    ]
    used = (len(steady) - 1) / (steady[-1] - steady[0]) / rate
    worst, read = map(most_in_a_second, (arrivals.arrived, arrivals.read))
    return Seen(worst, read, used)


class Reply(asyncio.Protocol):
    """The barest client: bytes go out, and whatever comes back is the reply."""

    def connection_made(self, transport: Any) -> None:
        """Keep the way out."""
        self._out = transport

    def data_received(self, data: bytes) -> None:
        """Take whatever comes for the reply."""
        self._replied.set_result(None)

    async def send(self, request: bytes) -> None:
        """Send one request, and wait for its reply."""
        self._replied = asyncio.get_running_loop().create_future()
        self._out.write(request)
        await self._replied


async def send_paced(url: str, paced: Paced, waiters: int, seconds: float) -> None:
    """Send as fast as a pacer lets so many waiters, for some seconds."""
    body = b'{"face_id":"F0000001","external_image_id":"img-1"}'
    head = b"PUT /faces HTTP/1.1\r\nHost: counting\r\nContent-Length: %d\r\n\r\n"
    request, loop = head % len(body) + body, asyncio.get_running_loop()
    end = time.monotonic() + seconds
    port = int(url.rpartition(":")[2])

    async def work() -> None:
        _, client = await loop.create_connection(Reply, "127.0.0.1", port)
        while time.monotonic() < end:
            await paced(lambda: client.send(request))

    async with asyncio.TaskGroup() as group:
        for _ in range(waiters):
            group.create_task(work())


def by_pacer(rate: float) -> Paced:
    """Return what paces a request as the command does."""
    pacer = make_pacer(rate, 0.01, Gate())

    async def paced(send: Send) -> None:
        if slot := await pacer.start():
            await send()
            pacer.landed(slot)

    return paced


def by_limiter(limiter: AbstractAsyncContextManager[None]) -> Paced:
    """Return what paces a request as an example of aiolimiter does."""

    async def paced(send: Send) -> None:
        async with limiter:
            await send()

    return paced


FORMS: dict[str, Callable[[float], Paced]] = {
    "the pacer": by_pacer,
    "`AsyncLimiter(R, 1)`": lambda rate: by_limiter(AsyncLimiter(rate, 1)),
    "`AsyncLimiter(1, 1/R)`": lambda rate: by_limiter(AsyncLimiter(1, 1 / rate)),
}


def see(form: str, rate: float, waiters: int, seconds: float) -> Seen:
    """Return what the server sees of one form."""

    async def story(url: str) -> None:
        await send_paced(url, FORMS[form](rate), waiters, seconds)

    with tempfile.TemporaryDirectory() as folder:
        with counting_server(Path(folder)) as arrivals:
            run_loop(story(arrivals.url))
        return describe(arrivals, rate)


def see_command(rate: float, waiters: int, seconds: float) -> Seen:
    """Return what the server sees of the real command."""
    arrivals, _ = send_by_command(rate, waiters, seconds)
    return describe(arrivals, rate)


def send_by_command(
    rate: float, waiters: int, seconds: float
) -> tuple[Arrivals, float]:
    """Run the real command; return what arrived, and its seconds of CPU."""
    rows = round(rate * seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "faces.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["face_id", "external_image_id"])
            writer.writerows([f"F{i:07d}", f"img-{i}"] for i in range(rows))
        with counting_server(folder) as arrivals:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            _run_command(folder, arrivals.url, rate, waiters)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return arrivals, spent


def _run_command(folder: Path, url: str, rate: float, waiters: int) -> None:
    words = [sys.executable, "-m", "batch_updater", "run", str(folder / "faces.csv")]
    words += ["-q", "--face-set", "bench", "--endpoint", url, "--project-id", PROJECT]
    words += ["--rate", str(rate), "--concurrency", str(waiters)]
    words += ["--run-dir", str(folder / "run")]
    environ = {**os.environ, "BATCH_UPDATER_TOKEN": TOKEN}
    subprocess.run(words, env=environ, check=True, stdout=subprocess.DEVNULL)


async def cost_of_grants(rate: float | None, waiters: int, seconds: float) -> float:
    """Return the seconds of CPU a grant when waiters do nothing but wait again."""
    pacer, grants = make_pacer(rate, 0.01, Gate()), 0
    end = time.monotonic() + seconds

    async def work() -> None:
        nonlocal grants
        while time.monotonic() < end:
            if slot := pacer.try_start() or await pacer.start():
                pacer.landed(slot)
                grants += 1

    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(waiters):
            group.create_task(work())
    return (time.process_time() - began) / grants


async def cost_of_waking(rate: float, seconds: float) -> float:
    """Return the seconds of CPU a grant that bare timers would take, five ms apart."""
    every, turns = max(0.005, 1 / rate), 0
    end, began = time.monotonic() + seconds, time.process_time()
    while time.monotonic() < end:
        await asyncio.sleep(every)
        turns += 1
    return (time.process_time() - began) / (turns * max(1.0, rate * every))


def _timed(story: Coroutine[Any, Any, float]) -> str:
    return f"{run_loop(story) * 1e6:.1f}"


def _print_row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def _print_head(*cells: object) -> None:
    _print_row(*cells)
    print("|" + "---|" * len(cells))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how long."""
    parser.add_argument("--seconds", type=float, default=30.0)


def measure(options: argparse.Namespace) -> None:
    """Print the tables."""
    seconds: float = options.seconds
    print(f"Worst sliding second and share of the rate used, {seconds:g} s each,")
    print("30 +- 3 ms latency, counted when the server's kernel had the bytes\n")
    _print_head("form", "waiters", *(f"rate {rate}" for rate in RATES))
    for waiters in WAITERS:
        seen = [see_command(rate, waiters, seconds) for rate in RATES]
        _print_row("`batch-updater run`", waiters, *seen)
    for form in FORMS:
        for waiters in WAITERS if form == "the pacer" else WAITERS[:1]:
            cells = [see(form, rate, waiters, seconds) for rate in RATES]
            _print_row(form, waiters, *cells)
    print(
        "\nCPU in us a grant in a loop with nothing else to do; below it, bare timers\n"
    )
    _print_head("what", *(f"rate {rate}" for rate in RATES), "unlimited")
    for waiters in WAITERS:
        cost = [_timed(cost_of_grants(rate, waiters, 4.0)) for rate in (*RATES, None)]
        _print_row(f"the pacer, {waiters} waiters", *cost)
    _print_row("timers", *(_timed(cost_of_waking(rate, 4.0)) for rate in RATES), "")
    measure_idle(seconds)


def measure_idle(seconds: float) -> None:
    """Print how much of a core a run at ten a second takes, its start left out."""
    _, short = send_by_command(10, 32, seconds / 4)
    _, long = send_by_command(10, 32, seconds / 4 + seconds)
    share = 100 * (long - short) / seconds
    print(f"\n`run --rate 10`, start and end left out: {share:.2f} % of a core\n")
