"""
Rows of a plan: what each is to send, or the result that it is already.

A plan has looked at every row and every face, so nothing is checked here again: its
file is known to be as it was written. What is left is one pass that counts.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from batch_updater.errors import InputError
from batch_updater.files.formats import PLAN_COLUMNS
from batch_updater.files.inputs import Input
from batch_updater.files.plan_file import read_rows
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import Survey
from batch_updater.mapping.comparison import ABSENT, fields_of, held_in
from batch_updater.mapping.rules import RULES
from batch_updater.mapping.tasks import DUPLICATE_RULE
from batch_updater.models import (
    ErrorClass,
    FaceUpdate,
    Outcome,
    Planned,
    PlanStatus,
    Result,
    Task,
)
from batch_updater.selection import Selection

_MISSING = "PLAN.MISSING"
_UNREADABLE = "PLAN.UNREADABLE"

_FIELDS = "changes.list.element.field"

Row = Mapping[str, Any]
"""A row of a plan, by the names of its columns."""


def survey_plan(intake: Intake, stopped: Callable[[], bool] = lambda: False) -> Survey:
    """
    Count the rows of a plan; no two of them change the same face.

    Args:
        stopped: asked between chunks; what was found until then is returned.

    Raises:
        InputError: the plan cannot be read to its end.
    """
    [source] = intake.inputs
    found = Survey(rows={source.name: 0}, header=PLAN_COLUMNS)
    for rows in _read(source, ("status", "error_code", _FIELDS)):
        if stopped():
            return found
        _count(found.statuses, rows["status"])
        _count(found.changes, rows["changes"].flatten().field("field"))
        found.rules.update(_rules(rows))
        found.rows[source.name] += rows.num_rows
    found.repeats = found.rules[DUPLICATE_RULE]
    found.invalid = found.statuses[PlanStatus.INVALID] - found.repeats
    found.repeated = Selection.none(found.total)
    return found


def _rules(rows: pa.RecordBatch) -> Iterator[str]:
    refused = rows.filter(pc.equal(rows["status"], PlanStatus.INVALID))
    for broken in refused["error_code"].to_pylist():
        yield from set((broken or "").split("; "))


def _count(counts: Any, texts: pa.Array) -> None:
    for each in pc.value_counts(texts).to_pylist():
        counts[each["values"]] += each["counts"]


def _read(
    source: Input, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    try:
        yield from read_rows(source.path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{source.name} cannot be read any more: {error}",
            hint="Put the plan back as it was, or plan again.",
        ) from None


def planned_items(intake: Intake, pending: Selection) -> Iterator[list[Task | Result]]:
    """
    Yield the pending rows of a plan in its order: tasks, and results of the others.

    Raises:
        InputError: the plan cannot be read to its end.
    """
    [source] = intake.inputs
    start = 0
    for rows in _read(source):
        stop = start + rows.num_rows
        wanted = np.flatnonzero(pending.within(start, stop))
        chosen = rows.take(pa.array(wanted)).to_pylist()
        numbers = (start + 1 + wanted).tolist()
        if numbers:
            yield [
                _item(row, source.name, number, values=intake.include_values)
                for row, number in zip(chosen, numbers, strict=True)
            ]
        start = stop


def _item(row: Row, source: str, number: int, *, values: bool) -> Task | Result:
    if row["status"] == PlanStatus.CHANGE:
        return Task(
            update := _update_of(row),
            row["face_set_name"],
            source,
            number,
            planned=planned_of(row, update),
        )
    return Result(
        source=source,
        row_number=number,
        face_set_name=row["face_set_name"],
        face_id=row["face_id"] or "",
        **_end_of(row, values=values),
    )


def _update_of(row: Row) -> FaceUpdate:
    wanted = json.loads(row["update"])
    fields = wanted.get("external_fields", {})
    return FaceUpdate(row["face_id"], wanted.get("external_image_id"), fields)


def planned_of(row: Row, update: FaceUpdate) -> Planned:
    """Return what a plan saw of the face that a row is about."""
    before = json.loads(row["before"]) if row["before"] is not None else None
    kept = tuple(row["kept"] or ())
    if row["seen_in"] is None:
        return Planned(None, None, kept)
    wanted = fields_of(update)
    if before is not None:
        held = held_in(before)
        seen = {field: held.get(field, ABSENT) for field in wanted}
    else:
        seen = wanted | {each["field"]: _old(each) for each in row["changes"]}
    return Planned(seen, before, kept)


def _old(change: Mapping[str, Any]) -> Any:
    return ABSENT if change["old"] is None else json.loads(change["old"])


def _end_of(row: Row, *, values: bool) -> dict[str, Any]:
    """Return how a row ended that has nothing to send."""
    code, said = row["error_code"] or "", row["error_msg"] or ""
    match PlanStatus(row["status"]):
        case PlanStatus.SAME:
            return {"outcome": Outcome.UNCHANGED}
        case PlanStatus.INVALID:
            return _refused(code, said, values=values)
        case PlanStatus.MISSING:
            code = code or _MISSING
            said = said or "the face was not there when the plan was made"
        case _:
            code = code or _UNREADABLE
            said = said or "the face could not be read when the plan was made"
    return {
        "outcome": Outcome.FAILED,
        "error_code": code,
        "error_msg": said,
        # Sending again does not help: only planning again looks at the face again.
        "error_class": ErrorClass.PERMANENT,
    }


def _refused(rules: str, said: str, *, values: bool) -> dict[str, Any]:
    broken = rules.split("; ")
    wanted = "; ".join(RULES.get(rule, said) for rule in broken)
    return {
        "outcome": (Outcome.DUPLICATE if DUPLICATE_RULE in broken else Outcome.INVALID),
        "error_msg": said if values else wanted,
        "error_class": ErrorClass.PERMANENT,
        "rule": rules,
    }
