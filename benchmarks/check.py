"""
Rows a second and peak memory of `check`, all rules and duplicates on.

Clean rows as they grow in number, and half a million of rows that are not clean. The
peer in the same run is pandas.read_csv in chunks, which only reads.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.children import Child, Cost, typed, updater
from benchmarks.rows import CLEAN, KINDS, write_apart

_KINDS_ROWS = 500_000
_READ = (
    "import pandas as pd, sys\n"
    "for chunk in pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False,"
    " chunksize=8192): pass"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how often, and how far."""
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=10_000_000, help="rows")


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    print(
        f"`check` as a whole process, all rules on, {options.rounds} rounds, medians\n"
    )
    print("| rows | input | wall s | rows/s | rows a CPU second | peak MB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), 10_000
        for suffix in (".csv", ".parquet"):
            write_apart(folder / f"few{suffix}", 100)
        while rows <= options.most:
            _lines(folder, rows, CLEAN, options.rounds if rows < 5_000_000 else 1)
            rows *= 10
        for kind in KINDS:
            if kind != CLEAN:
                _lines(folder, _KINDS_ROWS, kind, options.rounds)
    print()


def _lines(folder: Path, rows: int, kind: str, rounds: int) -> None:
    check = updater("check", *typed())
    forms: list[tuple[str, str, Sequence[str]]] = [
        ("Parquet", ".parquet", check),
        ("CSV", ".csv", check),
    ]
    if kind == CLEAN:
        forms.append(("CSV, pandas only reads", ".csv", [sys.executable, "-c", _READ]))
    for name, suffix, command in forms:
        path = folder / f"rows{suffix}"
        write_apart(path, rows, kind)
        idle = [_run(command, folder / f"few{suffix}") for _ in range(rounds)]
        seen = [_run(command, path) for _ in range(rounds)]
        path.unlink()
        wall = median(cost.wall for cost in seen)
        net = max(wall - median(cost.wall for cost in idle), 1e-3)
        cpu = median(cost.cpu for cost in seen) - median(cost.cpu for cost in idle)
        peak = max(cost.peak for cost in seen)
        told = name if kind == CLEAN else f"{name}, {kind}"
        print(
            f"| {rows:,} | {told} | {wall:.2f} | {rows / net:,.0f} | "
            f"{rows / max(cpu, 1e-3):,.0f} | {peak:.0f} |",
            flush=True,
        )


def _run(command: Sequence[str], path: Path) -> Cost:
    return Child([*command, str(path)]).end(expected=(0, 1))
