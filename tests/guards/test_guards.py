"""
Bounds on what a row costs, in figures that do not depend on the machine's speed.

What the interpreter tells a profiler is counted in runs of some hundred rows and of
three times as many; the difference is what a row costs, and the start cancels out. The
figures move with Python and with aiohttp: when one of those is renewed and nothing
else has changed, the bound moves with it.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bench import FACE_SET, PATIENCE, Bench

FEW, MANY = 200, 600


@dataclass(frozen=True)
class Bound:
    """The most that a figure may be, and why it is watched."""

    most: float
    why: str


A_ROW: Mapping[str, Bound] = {
    "calls": Bound(
        most=170,
        why="Python functions entered or gone on with",
    ),
    "c_calls": Bound(most=75, why="built-in functions called from Python"),
    "coroutines": Bound(
        most=27,
        why="coroutines entered or gone on with: each layer between a worker and its "
        "answer is gone through twice or more",
    ),
    "steps": Bound(
        most=3.6,
        why="things the event loop has to do: a task or a future more for each row "
        "costs 15 % and shows here first",
    ),
}
MODULES = Bound(
    most=1010, why="modules that `run` imports before it sends anything: its start"
)
NEVER_IMPORTED = {
    "batch_updater.emulator": "the other side",
    "huaweicloudsdkcore": "pulls 16 distributions and writes into HOME",
    "matplotlib": "only the benchmarks draw",
    "pyarrow.dataset": "takes half a second and is not needed to read a file",
    "requests": "a second HTTP client",
    "yaml": "only the SDK's regions.yaml is in YAML",
}
RETAINED = Bound(
    most=0.3,
    why="blocks of memory kept for each row, without the cyclic collector: a leak or "
    "a cycle is one at least, and what is in flight moves this by 0.1",
)


@pytest.fixture
def counted(bench: Bench) -> dict[str, Any]:
    """The counts of a run of many rows, and by row of what it had more than few."""
    few, many = (_count_run(bench, rows) for rows in (FEW, MANY))
    by_row = {name: (many[name] - few[name]) / (MANY - FEW) for name in A_ROW}
    more = Counter(many["files"])
    more.subtract(few["files"])
    where = [f"{n / (MANY - FEW):.1f} {name}" for name, n in more.most_common(15)]
    return {"a row": by_row, "modules": many["modules"], "where": where}


def test_what_a_run_costs(counted: dict[str, Any]) -> None:
    """No more calls, coroutines or steps of the loop a row, and no more modules."""
    seen: dict[str, float] = counted["a row"]
    over = [
        f"{name}: {seen[name]:.2f} a row, bound {bound.most:g} ({bound.why})"
        for name, bound in A_ROW.items()
        if not 0 < seen[name] <= bound.most
    ]
    modules: list[str] = counted["modules"]
    if len(modules) > MODULES.most:
        over.append(f"{len(modules)} modules, bound {MODULES.most:g} ({MODULES.why})")
    heavy = NEVER_IMPORTED.keys() & set(modules)
    over += [f"{name} was imported ({NEVER_IMPORTED[name]})" for name in heavy]
    told = f"measured {seen} and {len(modules)} modules; most calls a row are in"
    assert not over, "\n".join([*over, told, *counted["where"]])


def test_nothing_is_kept_for_a_row(bench: Bench) -> None:
    """Blocks of memory do not grow with the results that were taken, no cycles either."""
    rows, every = 3000, 500
    bench.prepare(rows)
    emulator = bench.emulator
    target = (emulator.url, emulator.project_id, FACE_SET, emulator.token)
    told = _count(bench.folder, "stream", *target, str(rows), str(every))
    # At the last look workers have ended, and with them what they hold.
    blocks = told["blocks"][:-1]
    grown = (blocks[-1] - blocks[0]) / (every * (len(blocks) - 1))
    assert grown <= RETAINED.most, f"{grown:.3f} a row: {blocks} ({RETAINED.why})"


def _count_run(bench: Bench, rows: int) -> dict[str, Any]:
    name = bench.prepare(rows, f"{rows}.csv")
    where = ("run", name, "--run-dir", f"job{rows}", *bench.target)
    pace = ("--rate", "unlimited", "--concurrency", "16")
    counts = _count(bench.folder, "run", *where, *pace)
    assert counts["code"] == 0
    return counts


def _count(folder: Path, *words: str) -> dict[str, Any]:
    rooms = str(Path(__file__).parent.parent)
    subprocess.run(
        [sys.executable, "-m", "guards.counting", "counts.json", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": rooms},
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    counts: dict[str, Any] = json.loads((folder / "counts.json").read_bytes())
    return counts
