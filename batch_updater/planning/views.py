"""The plan that a run makes: a view of its journal and its inputs."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from batch_updater.config.settings import Settings
from batch_updater.errors import InputError, RunDirectoryError
from batch_updater.files.outcome_index import OutcomeIndex, indexed
from batch_updater.files.plan_file import PlanFacts, PlanWriter, open_plan
from batch_updater.files.replay import PAGE
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.search import notes
from batch_updater.frs.protocol import read_faces
from batch_updater.intake.rows import Intake, Rows
from batch_updater.manifest import (
    Manifest,
    check_unchanged,
    describe_input,
    make_intake,
)
from batch_updater.mapping.checks import Checked, Checker, cells
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.tasks import TaskMaker, refuse
from batch_updater.models import Outcome, Result, Task
from batch_updater.planning.counts import Counts
from batch_updater.planning.reports import report_of
from batch_updater.planning.rows import (
    PlanRow,
    Sight,
    as_batch,
    plan_row,
    row_without_face,
    sight_of,
    sliced,
)
from batch_updater.report.planned import PlanReport
from batch_updater.report.summary import Stop
from batch_updater.summaries import Told

_ROWS = 1024  # at once; a result holds a whole face
_REFUSED = frozenset({Outcome.INVALID, Outcome.DUPLICATE})


def told_plan(
    directory: RunDirectory, manifest: Manifest, settings: Settings, stop: Stop | None
) -> Told:
    """Make the plan of a run unless it was stopped early; return what is to be said."""
    file = str(settings.to)
    if stop is not None:
        kept = settings.to is not None and settings.to.exists()
        return Told(note=f"{file} is of an earlier time: none was made" if kept else "")
    try:
        check_unchanged(manifest.inputs)
    except InputError as error:
        return Told(note=f"{error.message}: the plan was not made again")
    plan = write_plan(directory, manifest, settings)
    apply = shlex.join(["batch-updater", "apply", file])
    return Told(file=file, plan=plan, otherwise=apply if plan.changes else "")


def write_plan(
    directory: RunDirectory, manifest: Manifest, settings: Settings
) -> PlanReport:
    """Make the plan of a run whose every row has an answer; return what it says."""
    assert settings.to is not None  # noqa: S101  (run.json of a plan has it)
    intake = make_intake(settings, manifest.inputs, manifest.purpose)
    types = intake.settle_types(dict(manifest.declared))
    counts = Counts()
    with ExitStack() as held:
        index = held.enter_context(indexed(directory.journal, manifest.layout))
        plan = held.enter_context(open_plan(settings.to, facts_of(manifest, settings)))
        maker = _RowMaker(intake, types, index)
        for rows in intake.rows():
            _write(maker, rows, plan, counts)
        plan.count(counts.statuses)
    pages = sum(record.kind == PAGE for record in notes(directory.journal))
    return report_of(counts, settings, pages=pages)


def facts_of(manifest: Manifest, settings: Settings) -> PlanFacts:
    """Return what a plan of this run is about."""
    return PlanFacts(
        kind="plan",
        tool_version=manifest.tool_version,
        created_at=manifest.created_at,
        endpoint=manifest.endpoint,
        project_id=manifest.project_id,
        face_set_name=settings.face_set or "",
        declared={name: str(kind) for name, kind in manifest.declared.items()},
        face_number=manifest.face_number,
        against=str(settings.against),
        inputs=tuple(
            describe_input(each, manifest.rows[each.name]) for each in manifest.inputs
        ),
        settings=manifest.settings,
    )


def _write(maker: "_RowMaker", rows: Rows, plan: PlanWriter, counts: Counts) -> None:
    checked = maker.check(rows)
    first = rows.chunk.first_row
    for positions in sliced(range(len(rows)), _ROWS):
        made = maker.rows(rows, checked, positions)
        counts.take(made)
        numbers = [first + position for position in positions]
        name = maker.intake.face_set_name
        plan.write(as_batch(rows.chunk.source, numbers, name, made))


class _RowMaker:
    """Makes rows of a plan of what the journal says of them."""

    def __init__(self, intake: Intake, types: FieldTypes, index: OutcomeIndex) -> None:
        self.intake = intake
        self._types = types
        self._index = index
        self._checker = Checker(types, intake.strict)

    def check(self, rows: Rows) -> Checked:
        """Check a chunk again: its objects are read by that."""
        return self._checker.check(rows.chunk.frame, rows.columns)

    def rows(
        self, rows: Rows, checked: Checked, positions: Sequence[int]
    ) -> list[PlanRow]:
        """Return the rows at these positions of a chunk."""
        refused = self._refused(rows, checked, positions)
        known = self._known(rows, positions) | refused
        clean = [
            position
            for position in positions
            if position not in known or known[position].outcome not in _REFUSED
        ]
        tasks = iter(self._tasks(rows, checked, clean))
        wanted = set(clean)
        return [
            self._planned(next(tasks), known.get(position))
            if position in wanted
            else row_without_face(known[position])
            for position in positions
        ]

    def _known(self, rows: Rows, positions: Sequence[int]) -> dict[int, Result]:
        places = np.array(positions, dtype=np.int64)
        known, results = self._index.results(rows.start + places)
        return dict(zip(places[known].tolist(), results, strict=True))

    def _refused(
        self, rows: Rows, checked: Checked, positions: Sequence[int]
    ) -> dict[int, Result]:
        if not checked.problems:
            return {}
        chunk, intake = rows.chunk, self.intake
        ids = cells(chunk.frame[rows.columns.face_id])
        return {
            position: refuse(
                checked.problems[position],
                ids[position],
                intake.face_set_name,
                chunk.source,
                chunk.first_row + position,
                values=intake.include_values,
            )
            for position in positions
            if position in checked.problems
        }

    def _tasks(
        self, rows: Rows, checked: Checked, positions: Sequence[int]
    ) -> Iterator[Task]:
        chunk, name = rows.chunk, self.intake.face_set_name
        maker = TaskMaker(name, chunk.source, rows.columns, self._types)
        return maker.make(chunk.frame, checked, positions, chunk.first_row)

    def _planned(self, task: Task, result: Result | None) -> PlanRow:
        if result is None:
            return plan_row(task.update, None, self._types.types)
        if result.outcome is not Outcome.EXPORTED:
            return row_without_face(result)
        return plan_row(task.update, _sight(result), self._types.types)


def _sight(result: Result) -> Sight:
    """Return what the journal says of a face: of a listing when nobody asked for it."""
    faces = read_faces(result.payload)
    if not faces:
        raise RunDirectoryError(
            f"the journal is damaged: the result of {result.source} row "
            f"{result.row_number} holds no face",
            hint="Put the journal back as the run wrote it, or plan again.",
        )
    return sight_of(faces[0], "face" if result.attempts else "listing")
