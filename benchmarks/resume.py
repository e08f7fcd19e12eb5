"""
What reading a journal costs as rows grow: time to resume, views, peak memory.

The peers in the same run only read the journal: orjson over every line and nothing
else, and pandas.read_json(lines=True), which holds all of it.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import IO

import orjson

from benchmarks.children import Child, updater
from benchmarks.rows import write_apart

ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
LEFT = 200
"""Rows that have no outcome yet: the last ones."""

_ORJSON = (
    "import orjson, sys\nfor line in open(sys.argv[1], 'rb'):\n    orjson.loads(line)"
)
_PANDAS = "import pandas, sys\npandas.read_json(sys.argv[1], lines=True)"
_PANDAS_MOST = 1_000_000  # rows; ten times as many need some 20 GB
_SERVE = """
import asyncio, time
from batch_updater.emulator import Emulator, EmulatorSettings
async def main():
    emulator = Emulator(EmulatorSettings(qps=None, port=0))
    emulator.state.add_face_set("staff", external_fields=dict(id="string", timestamp="long", score="double"))
    await emulator.start()
    print(emulator.url, emulator.token, flush=True)
    while not emulator.witness.by_operation.get("UpdateFace"):
        await asyncio.sleep(0.002)
    print(time.monotonic(), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def write_run(folder: Path, rows: int) -> None:
    """Write a run that was killed before its last rows, as a run writes it."""
    from batch_updater.files.inputs import InputFormat, as_input  # noqa: PLC0415
    from batch_updater.files.run_dir import RunDirectory  # noqa: PLC0415
    from batch_updater.manifest import Manifest  # noqa: PLC0415

    source = folder.parent / "faces.csv"
    folder.mkdir()
    settings = {
        "face-set": ("staff",),
        "endpoint": ("http://127.0.0.1:9",),
        "project-id": ("0123456789abcdef0123456789abcdef",),
        "same-failures": ("off",),
        "rate": ("unlimited",),
    }
    Manifest(
        tool_version="benchmark",
        run_id=folder.name,
        created_at="2026-11-25T00:00:00.000000Z",
        settings=settings,
        inputs=(as_input(source, name="faces.csv", input_format=InputFormat.CSV),),
        rows={"faces.csv": rows},
        declared={},
        header=tuple(source.open().readline().strip().split(",")),
    ).save(RunDirectory(folder))
    with (folder / "journal.jsonl").open("wb") as file:
        file.writelines(_lines(rows))


def _lines(rows: int) -> Iterator[bytes]:
    from batch_updater.files.lines import encode_result  # noqa: PLC0415

    at = "2026-11-25T00:00:00.000000Z"
    yield _line({"kind": "session", "at": at, "command": "run", "format": 1})
    for number in range(1, rows - LEFT + 1):
        yield _line({"kind": "result", **encode_result(_result(number))})


def _line(facts: object) -> bytes:
    return orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE)


def _result(number: int):  # type: ignore[no-untyped-def]
    """Return what became of a row: one in fifty failed, one in a thousand twice."""
    from batch_updater.models import (  # noqa: PLC0415
        Attempt,
        ErrorClass,
        Outcome,
        Result,
    )

    failed, again = number % 50 == 7, number % 1000 == 3
    began = 1.764e9 + number / 5000
    first = [Attempt(began, 0.5, None, "TRANSPORT.timeout", True)] if again else []
    status = 400 if failed else 200
    last = Attempt(began + again, 0.03 + number % 97 / 1e5, status)
    return Result(
        source="faces.csv",
        row_number=number,
        face_set_name="staff",
        face_id=f"{number - 1:08d}",
        outcome=Outcome.FAILED if failed else Outcome.UPDATED,
        error_code="FRS.0303" if failed else "",
        error_msg="The face does not exist, or was deleted" if failed else "",
        error_class=ErrorClass.PERMANENT if failed else None,
        http_status=status,
        request_id=hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest(),
        attempts=(*first, last),
        ambiguous=again,
        payload_sha256=hashlib.sha256(b"%d" % number).hexdigest(),
    )


def write_run_apart(*arguments: object) -> None:
    """Write it in a process of its own: a child's peak counts what its parent had."""
    process = get_context("spawn").Process(target=write_run, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the run could not be written")


@contextmanager
def _service() -> Iterator[tuple[dict[str, str], IO[str]]]:
    """Serve the face set; yield the environment of its clients, and what it tells."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout  # noqa: S101  (for mypy)
        url, token = server.stdout.readline().split()
        told = {"BATCH_UPDATER_ENDPOINT": url, "BATCH_UPDATER_TOKEN": token}
        try:
            yield {**os.environ, **told}, server.stdout
        finally:
            server.kill()


def _time_to_first_request(job: Path) -> tuple[float, float]:
    """Resume a run; return seconds until it sends something, and its peak in MB."""
    journal = job / "journal.jsonl"
    size = journal.stat().st_size
    with _service() as (environment, told):
        url = environment["BATCH_UPDATER_ENDPOINT"]
        command = updater("resume", str(job), "--endpoint", url)
        started = time.monotonic()
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            ready = float(told.readline()) - started
            peak = _peak(process.pid)
            process.kill()
    os.truncate(journal, size)  # as if it had never gone on
    return ready, peak


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "VmHWM" in line) / 1024


def _measure(rows: int, folder: Path) -> None:
    job = folder / "job"
    write_apart(folder / "faces.csv", rows)
    write_run_apart(job, rows)
    fresh, _ = _time_to_first_request(job)
    kept, peak = _time_to_first_request(job)
    views = Child(updater("results", str(job))).end((0, 1))  # 1: some rows have failed
    one = Child(updater("results", str(job), "--row", str(rows // 2))).end((0, 1))
    journal = str(job / "journal.jsonl")
    peers = [Child([sys.executable, "-c", _ORJSON, journal]).end()]
    if rows <= _PANDAS_MOST:
        peers.append(Child([sys.executable, "-c", _PANDAS, journal]).end())
    told = [f"{peer.wall:.1f} s, {peer.peak:.0f} MB" for peer in peers]
    print(
        f"| {rows:,} | {fresh:.1f} | {kept:.1f} | {peak:.0f} | {views.wall:.1f} "
        f"({views.cpu:.1f}) | {rows / views.wall:,.0f} | {views.peak:.0f} "
        f"| {one.wall:.1f} | {' | '.join([*told, '-'][:2])} |",
        flush=True,
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how far."""
    parser.add_argument("--most", type=int, default=ROWS[-1], help="rows")


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    print(
        "| rows | first request, rows checked again, s | rows' check kept, s | peak MB "
        "| views, s (CPU s) | rows/s | peak MB | one row, s | orjson | pandas |"
    )
    print("|---" * 10 + "|")
    for rows in ROWS:
        if rows <= options.most:
            with tempfile.TemporaryDirectory() as folder:
                _measure(rows, Path(folder))
