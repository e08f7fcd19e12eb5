"""
Peak memory of `check`, `run` and `resume` as rows grow from 10^4 to 10^7.

A run is killed after it has sent for some seconds: by then it has checked all rows,
and more of the same would follow for hours. What comes after the last row, the views,
is measured by `resume`. A resume begins where the run was killed, and is killed as well.
Beside it the time to the first request.
"""

import argparse
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.children import Child, Cost, typed, updater
from benchmarks.light import FACE_SET, PROJECT, Light, serving
from benchmarks.rows import CLEAN, write_apart

_TWICE = "every face twice"
_LEAST, _BASE = 10_000, 100_000
_PATIENCE = 600.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how far, and how long to send."""
    parser.add_argument("--most", type=int, default=10_000_000, help="rows")
    parser.add_argument("--seconds", type=float, default=5.0, help="of sending")


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    columns = [rows for rows in (10**n for n in range(4, 9)) if rows <= options.most]
    print("Peak memory in MB, and what 10^5 rows take less than the most\n")
    print("| what | " + " | ".join(f"{rows:,}" for rows in columns) + " | more |")
    print("|---|" + "---|" * (len(columns) + 1))
    with serving() as light, tempfile.TemporaryDirectory() as name:
        bench = _Bench(Path(name), light, options.seconds)
        for suffix, kind in (
            (".parquet", CLEAN),
            (".csv", CLEAN),
            (".parquet", _TWICE),
        ):
            _check(bench, columns, suffix, kind)
        for flags in ((), ("--on-duplicate", "in-order", "--no-check-ahead")):
            _run(bench, columns, flags)
    print()


class _Bench:
    """A folder, a server, and commands between them."""

    def __init__(self, folder: Path, light: Light, seconds: float) -> None:
        self.folder = folder
        self._light = light
        self._seconds = seconds
        self._environ = {**os.environ, "BATCH_UPDATER_TOKEN": "t"}

    def write(self, rows: int, suffix: str, kind: str) -> str:
        """Write rows, in the place of those before."""
        path = self.folder / f"rows{suffix}"
        write_apart(path, rows, kind)
        return str(path)

    def send(self, *words: str) -> tuple[Cost, float]:
        """Start what sends, kill it after a while; return that it took, to the first, too."""
        self._light.begin()
        command = updater(*words, "--rate", "unlimited", "-q", "--endpoint")
        child = Child([*command, self._light.url], self._environ)
        if not self._light.first.wait(_PATIENCE):
            raise SystemExit(f"{' '.join(words)} sent nothing")
        first = self._light.first_at - child.started
        time.sleep(self._seconds)
        os.kill(child.pid, signal.SIGKILL)
        return child.end(expected=(0, 5, -signal.SIGKILL)), first


def _check(bench: _Bench, columns: Sequence[int], suffix: str, kind: str) -> None:
    peaks = {}
    for rows in columns:
        path = bench.write(rows, suffix, kind)
        child = Child(updater("check", path, *typed()))
        peaks[rows] = child.end(expected=(0, 1)).peak
    told = "" if kind == CLEAN else f", {kind}"
    _print(f"check, {suffix[1:]}{told}", peaks)


def _run(bench: _Bench, columns: Sequence[int], flags: Sequence[str]) -> None:
    begun, resumed, first = {}, {}, []
    target = ("--face-set", FACE_SET, "--project-id", PROJECT)
    for rows in columns:
        path = bench.write(rows, ".parquet", CLEAN)
        job = str(bench.folder / "job")
        cost, seconds = bench.send("run", path, "--run-dir", job, *target, *flags)
        begun[rows] = cost.peak
        first.append(f"{seconds:.2f}")
        if rows > _BASE or rows == columns[-1]:  # of fewer, nothing may be left
            resumed[rows] = bench.send("resume", job)[0].peak
        shutil.rmtree(job)
    told = " ".join(["run", *flags])
    _print(told, begun)
    print(f"| {told}: seconds to the first request | {' | '.join(first)} | |")
    _print(" ".join(["resume", *flags]), {rows: resumed.get(rows) for rows in columns})


def _print(what: str, peaks: dict[int, float | None]) -> None:
    known = {rows: peak for rows, peak in peaks.items() if peak is not None}
    base = known.get(_BASE) or min(known.values())
    cells = ["" if peak is None else f"{peak:.0f}" for peak in peaks.values()]
    more = 100 * (max(known.values()) / base - 1)
    print(f"| {what} | {' | '.join(cells)} | {more:+.1f} % |", flush=True)
