"""
Rows a second and peak memory of `check`, all rules and duplicates on.

The peer in the same run is pandas.read_csv in chunks, which only reads.
"""

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from statistics import median

ROWS = (100_000, 1_000_000)
_TEXT = ("face_id", "external_image_id", "external_fields.id", "note")
_READ = (
    "import pandas as pd, sys\n"
    "for chunk in pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False,"
    " chunksize=8192): pass"
)


def write_faces(path: Path, rows: int) -> None:
    """Write believable rows, none of them invalid, as CSV and as Parquet."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        fields = ["external_fields.timestamp", "external_fields.score"]
        writer.writerow([*_TEXT[:3], *fields, _TEXT[3]])
        writer.writerows(
            [f"{i:08d}", f"img-{i}", f"3000186{i:011d}", i, f"{i / 8 % 100:.3f}", "x y"]
            for i in range(rows)
        )
    import pyarrow as pa  # noqa: PLC0415  (not in the process that measures)
    import pyarrow.csv  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    options = pa.csv.ConvertOptions(column_types=dict.fromkeys(_TEXT, pa.string()))
    table = pa.csv.read_csv(path, convert_options=options)
    pa.parquet.write_table(table, path.with_suffix(".parquet"), row_group_size=100_000)


def write_apart(path: Path, rows: int) -> None:
    """
    Write the rows in a process of its own.

    A child's peak memory counts what its parent had when it was started.
    """
    process = get_context("spawn").Process(target=write_faces, args=(path, rows))
    process.start()
    process.join()


def run(command: Sequence[str]) -> tuple[float, float]:
    """Run a command to its end; return wall seconds and peak memory in MB."""
    started = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{command} ended with {status}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how often."""
    parser.add_argument("--rounds", type=int, default=3)


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    rounds: int = options.rounds
    print(f"`check` as a whole process, all rules on, {rounds} rounds, medians\n")
    print("| input | rows | wall s | rows/s (start-up left out) | peak MB |")
    print("|---|---|---|---|---|")
    fields = ["timestamp:long", "score:double"]
    typed = [f"{f}=external_fields.{f.split(':')[0]}" for f in fields]
    check = [sys.executable, "-m", "batch_updater", "check"]
    check += [part for field in typed for part in ("--field", field)]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.csv"
        write_apart(small, 100)
        for rows in ROWS:
            path = Path(folder) / "faces.csv"
            write_apart(path, rows)
            for name, command, target in (
                ("CSV", check, path),
                ("Parquet", check, path.with_suffix(".parquet")),
                ("CSV, pandas only reads", [sys.executable, "-c", _READ], path),
            ):
                idle = [run([*command, str(small)])[0] for _ in range(rounds)]
                seen = [run([*command, str(target)]) for _ in range(rounds)]
                wall = median(seconds for seconds, _ in seen)
                peak = max(memory for _, memory in seen)
                speed = rows / max(wall - median(idle), 1e-3)
                print(f"| {name} | {rows:,} | {wall:.2f} | {speed:,.0f} | {peak:.0f} |")
    print()
