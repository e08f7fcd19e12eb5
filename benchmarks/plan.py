"""
Time and memory of `plan --against state`, and the size of the state, as rows grow.

One row in a hundred changes. The peer in the same run is pandas with both tables in
memory as Parquet, which knows no types, writes no plan and keeps no state.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.children import Child, updater
from benchmarks.emulated import FACE_SET, PROJECT
from benchmarks.rows import write_apart

_ENDPOINT = "http://127.0.0.1:1"  # nobody is asked
_AT_ONCE = 50_000
_DECLARED = {"id": "string", "timestamp": "long", "score": "double"}
_COMPARE = (
    "import pandas as pd, sys\n"
    "new, old = map(pd.read_parquet, sys.argv[1:])\n"
    "both = new.merge(old, on='face_id', how='left', suffixes=('', '.old'))\n"
    "names = [n for n in old if n != 'face_id']\n"
    "changed = pd.concat([both[n] != both[n + '.old'] for n in names], axis=1)\n"
    "both[changed.any(axis=1)].to_parquet(sys.argv[1] + '.out')\n"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how often, and how far."""
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=1_000_000, help="rows")


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    print(
        f"`plan --against state` as a whole process, {options.rounds} rounds, medians\n"
    )
    print("| rows | state MB | plan MB | by | wall s | CPU s | rows/s | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    rows = 100_000
    while rows <= options.most:
        with tempfile.TemporaryDirectory() as name:
            _lines(Path(name), rows, options.rounds if rows < 5_000_000 else 1)
        rows *= 10
    print()


def _lines(folder: Path, rows: int, rounds: int) -> None:
    table, old, plan = folder / "rows.parquet", folder / "old.parquet", folder / "plan"
    plan = plan.with_suffix(".parquet")
    write_apart(table, rows)
    process = get_context("spawn").Process(target=_remember, args=(folder, table, old))
    process.start()
    process.join()
    words = ["plan", str(table), "--against", "state", "-o", str(plan), "-q"]
    words += ["--face-set", FACE_SET, "--endpoint", _ENDPOINT, "--project-id", PROJECT]
    environ = {**os.environ, "BATCH_UPDATER_STATE": str(folder / "state")}
    peer = [sys.executable, "-c", _COMPARE, str(table), str(old)]
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(Child(updater(*words), environ).end())
        theirs.append(Child(peer).end())
    (state,) = (folder / "state").glob("*.sqlite")
    sizes = f"{state.stat().st_size / 1e6:.0f} | {plan.stat().st_size / 1e6:.1f}"
    for by, costs in (("plan", ours), ("pandas", theirs)):
        wall, cpu = (median(getattr(c, n) for c in costs) for n in ("wall", "cpu"))
        peak = max(cost.peak for cost in costs)
        told = f"{by} | {wall:.1f} | {cpu:.1f} | {rows / wall:,.0f} | {peak:.0f} |"
        print(f"| {rows:,} | {sizes} | {told}", flush=True)


def _remember(folder: Path, table: Path, old: Path) -> None:
    """Let a state and a Parquet file hold what rows say, but for one in a hundred."""
    import orjson  # noqa: PLC0415  (not in the process that measures)
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    from batch_updater.files.state_rows import FaceRow  # noqa: PLC0415
    from batch_updater.files.state_store import StateStore  # noqa: PLC0415
    from batch_updater.states.places import place_of  # noqa: PLC0415

    place, at = (
        place_of(folder / "state", _ENDPOINT, PROJECT, FACE_SET),
        int(datetime.now(UTC).timestamp()),
    )
    store, rows, writer = StateStore(place.path, place.owner), _faces(table), None
    with store.transaction():
        store.note("declared", orjson.dumps(_DECLARED).decode())
    while some := list(islice(rows, _AT_ONCE)):
        with store.transaction():
            store.put_faces(
                FaceRow(
                    each["face_id"],
                    {k: each[k] for k in each if k != "face_id"},
                    at,
                    1,
                    1,
                )
                for each in some
            )
        batch = pa.Table.from_pylist(some)
        writer = writer or pq.ParquetWriter(old, batch.schema)
        writer.write_table(batch)
    if writer:
        writer.close()
    store.close()


def _faces(table: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = ["face_id", "external_image_id"]
    names += [f"external_fields.{name}" for name in _DECLARED]
    with pq.ParquetFile(table) as file:
        for batch in file.iter_batches(_AT_ONCE, columns=names):
            for number, row in enumerate(batch.to_pylist()):
                changed = {"external_fields.score": -1.0} if number % 100 == 0 else {}
                yield row | changed
