"""Which rows the state can answer for, and what it says of their faces."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from batch_updater.intake.items import examine
from batch_updater.intake.rows import Intake, Rows
from batch_updater.intake.survey import Survey
from batch_updater.mapping.checks import Checked
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.comparison import fields_of
from batch_updater.mapping.tasks import TaskMaker
from batch_updater.models import Task
from batch_updater.selection import Selection


class KnownFace(Protocol):
    """What is known of a face: its fields, and since when (seconds since the epoch)."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """By the names of mapping/comparison."""

    @property
    def at(self) -> float:
        """When it was last applied."""


class Faces(Protocol):
    """What the state is asked."""

    def look_up(self, face_ids: Sequence[str]) -> Mapping[str, KnownFace]:
        """Return what is known of faces; those that are not are absent."""


def fresh_rows(
    intake: Intake, types: FieldTypes, found: Survey, faces: Faces, oldest: float
) -> Selection:
    """
    Return the rows that the state can answer for.

    Args:
        found: what the survey of the same inputs returned.
        oldest: what was applied before is not believed; seconds since the epoch.
    """
    fresh = Selection.none(found.total)
    for rows, checked in examine(intake, types, found):
        known = _known(intake, types, rows, checked, faces, oldest)
        fresh.add(rows.start + np.array([place for place, _ in known], np.int64))
    return fresh


def known_fields(
    intake: Intake, types: FieldTypes, found: Survey, faces: Faces, chosen: Selection
) -> Iterator[tuple[list[int], list[Mapping[str, Any]]]]:
    """Yield chosen rows, in order, with what the state says of their faces by now."""
    wanted = chosen.within

    def is_wanted(rows: Rows) -> bool:
        return bool(wanted(rows.start, rows.stop).any())

    for rows, checked in examine(intake, types, found, is_wanted):
        known = _known(intake, types, rows, checked, faces, 0.0)
        flags = wanted(rows.start, rows.stop)
        some = [(place, fields) for place, fields in known if flags[place]]
        yield [rows.start + place for place, _ in some], [f for _, f in some]


def _known(
    intake: Intake,
    types: FieldTypes,
    rows: Rows,
    checked: Checked,
    faces: Faces,
    oldest: float,
) -> list[tuple[int, Mapping[str, Any]]]:
    chunk = rows.chunk
    clean = [n for n in range(len(rows)) if n not in checked.problems]
    maker = TaskMaker(intake.face_set_name, chunk.source, rows.columns, types)
    tasks = list(maker.make(chunk.frame, checked, clean, chunk.first_row))
    known = faces.look_up([task.update.face_id for task in tasks])
    return [
        (task.row_number - chunk.first_row, face.fields)
        for task in tasks
        if (face := known.get(task.update.face_id)) and _answers(face, task, oldest)
    ]


def _answers(face: KnownFace, task: Task, oldest: float) -> bool:
    return face.at >= oldest and fields_of(task.update).keys() <= face.fields.keys()
