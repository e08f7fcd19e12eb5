"""Checked rows to tasks, and refused rows to the results they already are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from batch_updater.mapping.checks import Checked, cells, is_missing
from batch_updater.mapping.columns import BoundColumns, FieldTypes
from batch_updater.mapping.rules import (
    RULES,
    SOFT_RULES,
    Problem,
    convert,
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
        positions: Iterable[int],
        first_row: int,
    ) -> Iterator[Task]:
        """
        Yield a task for each position; all of them must have passed the checks.

        Args:
            first_row: row number of the frame's first row.
        """
        columns = self.columns
        face_ids = _cells(frame, columns.face_id)
        image_ids = _cells(frame, columns.external_image_id)
        fields = [
            (bound.name, self.types.types.get(bound.name), _cells(frame, bound.index))
            for bound in columns.fields
        ]
        for position in positions:
            values = _row_fields(fields, position)
            for name, value in checked.objects.get(position, {}).items():
                values[name] = convert(value, self.types.types.get(name))
            update = FaceUpdate(face_ids[position], image_ids[position] or None, values)
            yield Task(update, self.face_set_name, self.source, first_row + position)


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


def _row_fields(
    fields: list[tuple[str, FieldType | None, Any]], position: int
) -> dict[str, FieldValue]:
    return {
        name: convert(column[position], kind)
        for name, kind, column in fields
        if column[position] is not None
    }


def _cells(frame: pd.DataFrame, index: int | None) -> Any:
    return [None] * len(frame) if index is None else cells(frame[index])
