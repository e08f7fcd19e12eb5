"""
A row and what is known of its face to a row of a plan; pure.

Old values, new values and faces stand in a plan as JSON, readable in any script: a
text that says 12 and a number that is 12 are not the same there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import Any, NamedTuple

import pyarrow as pa

from batch_updater.files.plan_file import PLAN_SCHEMA
from batch_updater.mapping.comparison import (
    ABSENT,
    IMAGE_ID,
    fields_of,
    held_in,
    kind_of,
    same,
)
from batch_updater.models import (
    FaceUpdate,
    FieldType,
    Outcome,
    PlanStatus,
    Result,
)

LISTING, FACE, STATE = "listing", "face", "state"
"""Where the face of a row was seen."""

Types = Mapping[str, FieldType]
"""Of custom fields, by their own names."""


@dataclass(frozen=True, slots=True)
class Sight:
    """
    What is known of a face.

    Args:
        seen_in: where it was seen.
        held: what it held there, by field.
        before: the whole face as JSON, where it was read.
    """

    seen_in: str
    held: Mapping[str, Any]
    before: str | None = None


class Change(NamedTuple):
    """A field that would change, its values as JSON; `old` is None without one."""

    field: str
    old: str | None
    new: str


class PlanRow(NamedTuple):
    """A row of a plan, but for where it stands; named as the plan's columns."""

    face_id: str | None
    status: PlanStatus
    changes: Sequence[Change] | None = None
    update: str | None = None
    before: str | None = None
    seen_in: str | None = None
    error_code: str | None = None
    error_msg: str | None = None


def plan_row(update: FaceUpdate, sight: Sight | None, types: Types) -> PlanRow:
    """
    Return what becomes of a face.

    Args:
        sight: None when nobody knows what it holds. The state may know some of its
            fields only: a row that names another one changes all that it names, from
            nobody knows what.
    """
    wanted = fields_of(update)
    if sight is None or not _answers(sight, wanted):
        changes = [
            Change(field, None, as_json(value)) for field, value in wanted.items()
        ]
        said = update_as_json(update)
        return PlanRow(update.face_id, PlanStatus.CHANGE, changes, said)
    held, before, seen_in = sight.held, sight.before, sight.seen_in
    changes = [
        Change(field, as_json(held[field]) if field in held else None, as_json(value))
        for field, value in wanted.items()
        # Almost all are the same at sight, and a million rows are to be compared.
        if ((now := held.get(field, ABSENT)) != value or type(now) is not type(value))
        and not same(value, now, kind_of(field, types))
    ]
    if not changes:
        return PlanRow(update.face_id, PlanStatus.SAME, (), None, before, seen_in)
    said = update_as_json(update)
    return PlanRow(update.face_id, PlanStatus.CHANGE, changes, said, before, seen_in)


def _answers(sight: Sight, wanted: Mapping[str, Any]) -> bool:
    # A field that the state does not name may well be there; of a face it is not.
    return sight.seen_in != STATE or wanted.keys() <= sight.held.keys()


def update_as_json(update: FaceUpdate) -> str:
    """Return what a row wants as JSON: the body of its PUT without the face id."""
    wanted: dict[str, Any] = {}
    if update.external_image_id is not None:
        wanted[IMAGE_ID] = update.external_image_id
    if update.external_fields:
        wanted["external_fields"] = dict(update.external_fields)
    return as_json(wanted)


def as_json(value: Any) -> str:
    """Return a value as JSON, with its letters as they are where UTF-8 has them."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, which FRS may hold
        return json.dumps(value)
    return text


def sight_of(face: Mapping[str, Any], seen_in: str) -> Sight:
    """Return what is known of a face that FRS showed."""
    return Sight(seen_in, held_in(face), as_json(face))


_STATUSES = {
    Outcome.MISSING: PlanStatus.MISSING,
    Outcome.INVALID: PlanStatus.INVALID,
    Outcome.DUPLICATE: PlanStatus.INVALID,
}


def row_without_face(result: Result) -> PlanRow:
    """Return the row of one that may not be sent, or whose face could not be read."""
    return PlanRow(
        result.face_id or None,
        _STATUSES.get(result.outcome, PlanStatus.FAILED),
        error_code=result.error_code or result.rule or None,
        error_msg=_whole(result.error_msg) or None,
    )


def _whole(text: str) -> str:
    return text.encode(errors="replace").decode()


def as_batch(
    source: str, numbers: Sequence[int], face_set_name: str, rows: Sequence[PlanRow]
) -> pa.RecordBatch:
    """Return rows of one source as columns of a plan."""
    columns: dict[str, Any] = dict(
        zip(PlanRow._fields, zip(*rows, strict=True), strict=True)
    )
    columns |= {
        "source": pa.repeat(source, len(rows)),
        "row_number": numbers,
        "face_set_name": pa.repeat(face_set_name, len(rows)),
        "changes": _as_lists(columns["changes"]),
        "kept": pa.nulls(len(rows), PLAN_SCHEMA.field("kept").type),
    }
    arrays = [_column(columns[field.name], field.type) for field in PLAN_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=PLAN_SCHEMA)


def _as_lists(changes: Sequence[Sequence[Change] | None]) -> pa.Array:
    counts = (len(each) if each else 0 for each in changes)
    ends = list(accumulate(counts, initial=0))
    starts = [
        None if each is None else end for each, end in zip(changes, ends, strict=False)
    ]
    flat = [change for each in changes if each for change in each]
    columns = zip(*flat, strict=True) if flat else repeat((), len(Change._fields))
    structs = pa.StructArray.from_arrays(
        [pa.array(column, pa.string()) for column in columns], Change._fields
    )
    offsets = pa.array([*starts, ends[-1]], pa.int32())
    return pa.ListArray.from_arrays(offsets, structs)


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def sliced(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Yield parts of no more than so many."""
    return (rows[first : first + size] for first in range(0, len(rows), size))
