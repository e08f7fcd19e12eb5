"""Checked rows to tasks, and refused rows to the results they already are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import pandas as pd

from batch_updater.mapping.checks import Checked, cells, is_missing
from batch_updater.mapping.columns import BoundColumns, FieldTypes
from batch_updater.mapping.rules import (
    RULES,
    SOFT_RULES,
    Problem,
    convert,
    convert_all,
    update_problems,
)
from batch_updater.models import (
    ErrorClass,
    FaceUpdate,
    FieldType,
    FieldValue,
    Outcome,
    Result,
    Task,
)


@dataclass(frozen=True, slots=True)
class TaskMaker:
    """
    Turns the rows of one source into tasks.

    Args:
        face_set_name: where the faces are.
        source: the input's name, which becomes the task's.
    """

    face_set_name: str
    source: str
    columns: BoundColumns
    types: FieldTypes

    def make(
        self,
        frame: pd.DataFrame,
        checked: Checked,
        positions: Sequence[int],
        first_row: int,
    ) -> Iterator[Task]:
        """
        Yield a task for each position; all of them must have passed the checks.

        Goes through the columns, not the rows: a row costs a tenth of what looking up
        its cells would.

        Args:
            first_row: row number of the frame's first row.
        """
        if len(positions) < len(frame):
            frame = frame.iloc[list(positions)]
        face_set_name, source = self.face_set_name, self.source
        face_ids = cells(frame[self.columns.face_id]).tolist()
        updates: Iterable[FaceUpdate] = map(
            FaceUpdate, face_ids, self._image_ids(frame), self._fields(frame)
        )
        if checked.objects:
            updates = self._with_objects(updates, checked, positions)
        for position, update in zip(positions, updates, strict=True):
            yield Task(update, face_set_name, source, first_row + position)

    def _image_ids(self, frame: pd.DataFrame) -> Iterable[str | None]:
        index = self.columns.external_image_id
        return repeat(None) if index is None else cells(frame[index]).tolist()

    def _fields(self, frame: pd.DataFrame) -> Iterator[dict[str, FieldValue]]:
        names = [bound.name for bound in self.columns.fields]
        if not names:
            return ({} for _ in range(len(frame)))
        columns = [
            convert_all(cells(frame[bound.index]).tolist(), self._kind(bound.name))
            for bound in self.columns.fields
        ]
        rows = zip(*columns, strict=True)
        if any(None in column for column in columns):
            return (
                {k: v for k, v in zip(names, row, strict=True) if v is not None}
                for row in rows
            )
        return (dict(zip(names, row, strict=True)) for row in rows)

    def _with_objects(
        self, updates: Iterable[FaceUpdate], checked: Checked, positions: Sequence[int]
    ) -> Iterator[FaceUpdate]:
        """Yield the updates with what their ``external_fields`` cells hold, too."""
        for position, update in zip(positions, updates, strict=True):
            members = {
                name: convert(value, self._kind(name))
                for name, value in checked.objects.get(position, {}).items()
            }
            fields = {**update.external_fields, **members}
            yield replace(update, external_fields=fields)

    def _kind(self, name: str) -> FieldType | None:
        return self.types.types.get(name)


DUPLICATE_RULE = "duplicate_face"


def make_task(
    update: FaceUpdate,
    face_set_name: str,
    number: int,
    types: FieldTypes,
    *,
    strict: bool = False,
) -> Task | Result:
    """Return the task of an update that a program made, or its invalid result."""
    problems = [
        problem
        for problem in update_problems(update, types)
        if strict or problem.rule not in SOFT_RULES
    ]
    if not problems:
        fields = {
            name: convert(value, types.types.get(name))
            for name, value in update.external_fields.items()
        }
        return Task(replace(update, external_fields=fields), face_set_name, "", number)
    return refuse(problems, update.face_id, face_set_name, "", number)


def refuse(
    problems: Iterable[Problem],
    face_id: object,
    face_set_name: str,
    source: str,
    row_number: int,
    *,
    values: bool = True,
) -> Result:
    """
    Return the result of a row that may not be sent.

    Args:
        values: whether its message may show the values that break the rules.
    """
    listed = list(problems)
    duplicate = any(problem.rule == DUPLICATE_RULE for problem in listed)
    return Result(
        source=source,
        row_number=row_number,
        face_set_name=face_set_name,
        face_id="" if is_missing(face_id) else str(face_id),
        outcome=Outcome.DUPLICATE if duplicate else Outcome.INVALID,
        error_msg="; ".join(_say(problem, values=values) for problem in listed),
        error_class=ErrorClass.PERMANENT,
        rule="; ".join(problem.rule for problem in listed),
        column="; ".join(problem.column for problem in listed),
    )


def _say(problem: Problem, *, values: bool) -> str:
    if values:
        return problem.message
    # A duplicate's message names the other row, which the rule alone cannot.
    return RULES.get(problem.rule, problem.message)
