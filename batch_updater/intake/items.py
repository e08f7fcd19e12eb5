"""Checked rows to tasks, and refused rows to the results they already are."""

from collections.abc import Callable, Iterator

import numpy as np

from batch_updater.errors import InputError
from batch_updater.intake.planned import planned_items
from batch_updater.intake.repeats import Refused
from batch_updater.intake.rows import Intake, Rows
from batch_updater.intake.survey import Survey, duplicate_problem
from batch_updater.mapping.checks import Checked, Checker, cells
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.tasks import TaskMaker, refuse
from batch_updater.models import Result, RowLayout, Task
from batch_updater.selection import Selection


def examine(
    intake: Intake,
    types: FieldTypes,
    found: Survey,
    wanted: Callable[[Rows], bool] = lambda rows: True,
) -> Iterator[tuple[Rows, Checked]]:
    """
    Yield chunks with all their problems, duplicates included.

    Args:
        found: what the survey of the same inputs returned.
        wanted: whether a chunk matters; others are read, but not checked again.
    """
    checker, layout = Checker(types, intake.strict, intake.complete), found.layout
    for rows in filter(wanted, intake.rows()):
        checked = checker.check(rows.chunk.frame, rows.columns)
        _refuse_duplicates(rows, checked, found.refused, layout)
        yield rows, checked


def make_items(
    intake: Intake, types: FieldTypes, found: Survey, pending: Selection
) -> Iterator[list[Task | Result]]:
    """
    Yield the pending rows in input order: tasks, and results of refused rows.

    Args:
        found: what the survey of the same inputs returned.
        pending: which rows this run is about.

    Raises:
        InputError: an input is no longer what the survey saw.
    """
    if intake.planned:
        yield from planned_items(intake, pending)
        return
    layout = found.layout

    def is_pending(rows: Rows) -> bool:
        _refuse_other_rows(rows, layout)
        return bool(pending.within(rows.start, rows.stop).any())

    for rows, checked in examine(intake, types, found, is_pending):
        wanted = np.flatnonzero(pending.within(rows.start, rows.stop)).tolist()
        yield list(_items_of(intake, types, rows, checked, wanted))


def _refuse_other_rows(rows: Rows, layout: RowLayout) -> None:
    """Raise InputError unless these rows stand where the survey saw them."""
    source, first = rows.chunk.source, rows.chunk.first_row
    if first + len(rows) - 1 > layout.rows[source]:
        raise InputError(f"{source} has grown while it was being sent")
    if layout.ordinal(source, first) != rows.start:
        raise InputError(f"an input before {source} has fewer rows than it had")


def _refuse_duplicates(
    rows: Rows, checked: Checked, refused: Refused, layout: RowLayout
) -> None:
    column = rows.chunk.header[rows.columns.face_id]
    for ordinal, other in refused.within(rows.start, rows.stop).items():
        problem = duplicate_problem(layout, other, column)
        checked.problems[ordinal - rows.start] = [problem]


def _items_of(
    intake: Intake,
    types: FieldTypes,
    rows: Rows,
    checked: Checked,
    wanted: list[int],
) -> Iterator[Task | Result]:
    chunk = rows.chunk
    maker = TaskMaker(intake.face_set_name, chunk.source, rows.columns, types)
    if not checked.problems:
        yield from maker.make(chunk.frame, checked, wanted, chunk.first_row)
        return
    clean = [position for position in wanted if position not in checked.problems]
    tasks = maker.make(chunk.frame, checked, clean, chunk.first_row)
    ids = cells(chunk.frame[rows.columns.face_id])
    for position in wanted:
        problems = checked.problems.get(position)
        if problems is None:
            yield next(tasks)
        else:
            yield refuse(
                problems,
                ids[position],
                intake.face_set_name,
                chunk.source,
                chunk.first_row + position,
                values=intake.include_values,
            )
