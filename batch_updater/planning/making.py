"""Rows of the input to rows of a plan, some thousand at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from batch_updater.files.plan_file import PlanWriter
from batch_updater.intake.rows import Intake, Rows
from batch_updater.mapping.checks import Checked, cells
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.tasks import TaskMaker, refuse
from batch_updater.models import Outcome, Result, Task
from batch_updater.planning.counts import Counts
from batch_updater.planning.rows import (
    PlanRow,
    Sight,
    as_batch,
    plan_row,
    row_without_face,
)

Seen = Mapping[int, Sight | Result]
"""
What is known of rows, by their position in a chunk: of a face, or why there is none.
"""

_REFUSED = frozenset({Outcome.INVALID, Outcome.DUPLICATE})


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes the rows of a plan, counts them and writes them."""

    intake: Intake
    types: FieldTypes
    plan: PlanWriter
    counts: Counts = field(default_factory=Counts)

    def write(
        self, rows: Rows, checked: Checked, positions: Sequence[int], seen: Seen
    ) -> None:
        """Write the rows at some positions of a chunk."""
        made = list(self._made(rows, checked, positions, seen))
        self.counts.take(made)
        first, source = rows.chunk.first_row, rows.chunk.source
        numbers = [first + position for position in positions]
        name = self.intake.face_set_name
        self.plan.write(as_batch(source, numbers, name, made))

    def tasks(
        self, rows: Rows, checked: Checked, positions: Sequence[int]
    ) -> Iterator[Task]:
        """Return what the rows at some positions want; they break no rule."""
        chunk, name = rows.chunk, self.intake.face_set_name
        maker = TaskMaker(name, chunk.source, rows.columns, self.types)
        return maker.make(chunk.frame, checked, positions, chunk.first_row)

    def _made(
        self, rows: Rows, checked: Checked, positions: Sequence[int], seen: Seen
    ) -> Iterator[PlanRow]:
        refused = self._refused(rows, checked, positions, seen)
        clean = [p for p in positions if p not in refused] if refused else positions
        tasks = self.tasks(rows, checked, clean)
        for position in positions:
            if position in refused:
                yield row_without_face(refused[position])
                continue
            task, known = next(tasks), seen.get(position)
            if isinstance(known, Result):
                yield row_without_face(known)
            else:
                yield plan_row(task.update, known, self.types.types)

    def _refused(
        self, rows: Rows, checked: Checked, positions: Sequence[int], seen: Seen
    ) -> dict[int, Result]:
        refused = {
            position: known
            for position, known in seen.items()
            if isinstance(known, Result) and known.outcome in _REFUSED
        }
        if not checked.problems:
            return refused
        chunk, intake = rows.chunk, self.intake
        ids = cells(chunk.frame[rows.columns.face_id])
        wanted = checked.problems.keys() & set(positions)
        return refused | {
            position: refuse(
                checked.problems[position],
                ids[position],
                intake.face_set_name,
                chunk.source,
                chunk.first_row + position,
                values=intake.include_values,
            )
            for position in wanted
        }
