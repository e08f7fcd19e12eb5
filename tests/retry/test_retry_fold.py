"""Folding is right for any family: every row once, and what came last."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.families.family import find_family
from batch_updater.families.folding import folded
from batch_updater.files.journal import Journal
from batch_updater.files.run_dir import MENDED, RunDirectory, create_run_directory
from batch_updater.manifest import Manifest, load_manifest
from batch_updater.models import Attempt, ErrorClass, Outcome, Result
from batch_updater.report.summary import SummaryBuilder
from batch_updater.retries.choice import Retry, read_noted
from batch_updater.selection import Ordinals, Selection

MANY = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
SOURCES = {"a.csv": 5, "b.csv": 0, "c.csv": 4}
TOTAL = sum(SOURCES.values())


@dataclass
class World:
    """A clock, the runs so far, and what is true of each row of the root."""

    folder: Path
    chance: Random
    now: float = 1e9
    runs: list[RunDirectory] = field(default_factory=list)
    truth: dict[int, tuple[float, Outcome]] = field(default_factory=dict)
    attempts: int = 0

    def begin(self, parent: RunDirectory | None, name: str) -> Manifest:
        """Write the run.json of a root, or of a retry of one of the runs."""
        above = load_manifest(parent) if parent else None
        manifest = Manifest(
            tool_version="0",
            run_id=name,
            created_at=f"2026-01-01T00:00:{len(self.runs):02}.000000Z",
            settings={},
            inputs=(),
            rows={},
            declared={},
            header=("face_id",),
            parent=str(parent.path) if parent else "",
            parent_run=above.key if above else None,
            root_run=(above.root_run or above.key) if above else None,
        )
        manifest.save(create_run_directory(self.folder / name))
        return manifest


def add_inputs(directory: RunDirectory, rows: dict[str, int]) -> None:
    """Give a run its inputs: run.json alone, since folding reads no rows."""
    content = directory.read_manifest()
    content["inputs"] = [
        {
            "name": name,
            "path": f"/nowhere/{name}",
            "format": "csv",
            "compression": None,
            "size": 1,
            "sha256": "",
            "rows": count,
        }
        for name, count in rows.items()
    ]
    directory.write_manifest(content)


def write_results(
    world: World, journal: Journal, layout: dict[str, int], rows: dict[int, int]
) -> None:
    """
    Write what became of rows, and remember it.

    Args:
        rows: by the run's own position, the root's.
    """
    names = [(name, n) for name, count in layout.items() for n in range(1, count + 1)]
    order = list(rows)
    world.chance.shuffle(order)
    for place in order:
        outcome = world.chance.choice(
            [Outcome.UPDATED, Outcome.FAILED, Outcome.FAILED, Outcome.UNPROCESSED]
        )
        sent = outcome is not Outcome.UNPROCESSED or world.chance.random() < 0.5
        world.now += 1
        source, number = names[place]
        attempt = Attempt(started_at=world.now, latency=0.5, status=None)
        journal.write(
            Result(
                source=source,
                row_number=number,
                face_set_name="s",
                face_id=f"f{rows[place]}",
                outcome=outcome,
                error_class=world.chance.choice([*ErrorClass, None]),
                attempts=(attempt,) if sent else (),
            )
        )
        world.attempts += sent
        if sent:
            world.truth[rows[place]] = (world.now, outcome)


def add_run(world: World) -> None:
    """Add the root, or a retry of some failed rows of any run, as it was or mended."""
    parent = world.chance.choice(world.runs) if world.runs else None
    directory = RunDirectory(world.folder / f"run{len(world.runs)}")
    world.begin(parent, directory.path.name)
    layout, origin = SOURCES, np.arange(TOTAL)
    chosen = np.ones(TOTAL, dtype=np.bool_)
    mended: Ordinals | None = None
    if parent:
        manifest = load_manifest(parent)
        layout = dict(manifest.rows)
        total = manifest.layout.total
        noted = read_noted(parent, total).origin
        origin = np.arange(TOTAL) if noted is None else noted
        flags = [world.chance.random() < 0.6 for _ in range(total)]
        chosen = np.array(flags, dtype=np.bool_)
        mended = noted
        if world.chance.random() < 0.5:
            origin = mended = origin[chosen]
            layout, chosen = {MENDED: len(origin)}, np.ones(len(origin), np.bool_)
    add_inputs(directory, layout)
    with Journal(directory.journal, new=True) as journal:
        journal.note("session", {"command": "x"})
        journal.note("selection", {"rows": list(Selection.of(chosen).ranges())})
        if parent:
            journal.note("retry", Retry("", None, None, origin=mended).facts())
        rows = {int(i): int(origin[i]) for i in np.flatnonzero(chosen)}
        for _ in range(world.chance.randrange(1, 3)):  # sessions: it may be resumed
            write_results(world, journal, layout, rows)
            rows = {i: n for i, n in rows.items() if world.chance.random() < 0.5}
            journal.note("session", {"command": "resume"})
    world.runs.append(directory)


@MANY
@given(seed=st.integers(0, 2**32), runs=st.integers(1, 7))
def test_any_family_folds_into_one_outcome_a_row(seed: int, runs: int) -> None:
    """Whatever was retried, mended, resumed and cut off: each row ends once, and last."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder), Random(seed))
        for _ in range(runs):
            add_run(world)
        asked = world.chance.choice(world.runs)
        family, builder = find_family(asked.path), SummaryBuilder()
        assert not family.missing
        assert len(family.members) == runs
        with family.locked(), folded(family, builder) as fold:
            assert sum(fold.count(outcome) for outcome in Outcome) == TOTAL
            known, found = fold.results(np.arange(TOTAL))
            results = iter(found)
            for ordinal in range(TOTAL):
                result = next(results) if known[ordinal] else None
                if ordinal not in world.truth:
                    assert result is None
                    assert fold.rows_with(Outcome.UNPROCESSED)[ordinal]
                    continue
                time, outcome = world.truth[ordinal]
                assert result is not None
                assert result.face_id == f"f{ordinal}"
                assert (result.started_at, result.outcome) == (time, outcome)
                assert fold.rows_with(outcome)[ordinal]
        assert builder.tally.attempts == world.attempts
