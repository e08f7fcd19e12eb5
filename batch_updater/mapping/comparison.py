"""
What a face holds against what an update wants; pure.

Fields go by the names of columns: ``external_image_id``, and ``external_fields.NAME``
for a custom field. FRS may hand a value back in another type than it was sent in (a
face set that declares an integer has been seen to hold text), so values are compared
by the declared type: 12 is "12", and 1 is 1.0.
"""

import json
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from batch_updater.mapping.columns import FIELD_PREFIX
from batch_updater.mapping.rules import SOFT_RULES, convert, value_problem
from batch_updater.models import FaceUpdate, FieldType, FieldValue

IMAGE_ID = "external_image_id"


class Absent(Enum):
    """A field that a face does not have."""

    ABSENT = "absent"


ABSENT: Literal[Absent.ABSENT] = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Difference:
    """A field whose value would change; `held` is ABSENT when there is none."""

    field: str
    held: Any
    wanted: FieldValue


def fields_of(update: FaceUpdate) -> dict[str, FieldValue]:
    """Return what an update wants, by field."""
    fields = {
        f"{FIELD_PREFIX}{name}": value for name, value in update.external_fields.items()
    }
    if update.external_image_id is None:
        return fields
    return {IMAGE_ID: update.external_image_id, **fields}


def update_of(face_id: str, fields: Mapping[str, Any]) -> FaceUpdate:
    """Return the update that wants these fields."""
    custom = {
        name.removeprefix(FIELD_PREFIX): value
        for name, value in fields.items()
        if name != IMAGE_ID
    }
    return FaceUpdate(face_id, fields.get(IMAGE_ID), custom)


def held_in(face: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what a face holds, by field.

    Args:
        face: a FaceSetFace (API page 0018) as FRS wrote it.
    """
    members = face.get("external_fields")
    custom = members if isinstance(members, dict) else {}
    fields = {f"{FIELD_PREFIX}{name}": value for name, value in custom.items()}
    if IMAGE_ID not in face:
        return fields
    return {IMAGE_ID: face[IMAGE_ID], **fields}


def with_older(
    face: Mapping[str, Any], older: Mapping[str, Any], fields: Collection[str]
) -> dict[str, Any]:
    """Return a face with some fields as an older picture of it has them, or without."""
    held = {k: value for k, value in held_in(face).items() if k not in fields}
    held |= {k: value for k, value in held_in(older).items() if k in fields}
    custom = {k.removeprefix(FIELD_PREFIX): v for k, v in held.items() if k != IMAGE_ID}
    image = {IMAGE_ID: held[IMAGE_ID]} if IMAGE_ID in held else {}
    rest = {name: value for name, value in face.items() if name != IMAGE_ID}
    return {**rest, **image, "external_fields": custom}


def kind_of(field: str, types: Mapping[str, FieldType]) -> FieldType | None:
    """Return the type of a field; None when nobody has said it."""
    if field == IMAGE_ID:
        return FieldType.STRING
    return types.get(field.removeprefix(FIELD_PREFIX))


def same(wanted: FieldValue, held: Any, kind: FieldType | None) -> bool:
    """Return whether a face holds what is wanted, whatever type it came back in."""
    if type(wanted) is type(held) and wanted == held:
        return True
    if held is ABSENT or held is None:
        return False
    if kind in {None, FieldType.STRING}:
        return _same_at_sight(wanted, held)
    fine = all(_fits(value, kind) for value in (wanted, held))
    return fine and _settled(wanted, kind) == _settled(held, kind)


def _fits(value: Any, kind: FieldType) -> bool:
    broken = value_problem(value, kind)
    return broken is None or broken[0] in SOFT_RULES


def _settled(value: FieldValue, kind: FieldType) -> Any:
    settled = convert(value, kind)
    if kind is not FieldType.FLOAT:
        return settled
    # In single precision 0.1 comes back as 0.10000000149.
    return struct.unpack("f", struct.pack("f", settled))


def _same_at_sight(wanted: FieldValue, held: Any) -> bool:
    """Compare texts, and values of no known type: text with the number it spells."""
    if not isinstance(held, str | int | float):
        return False
    if isinstance(wanted, str) or isinstance(held, str):
        return _spelled(wanted) == _spelled(held)
    return isinstance(wanted, bool) == isinstance(held, bool) and wanted == held


def _spelled(value: FieldValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def differences(
    update: FaceUpdate, held: Mapping[str, Any], types: Mapping[str, FieldType]
) -> tuple[Difference, ...]:
    """
    Return the fields of an update that a face does not hold yet.

    Args:
        held: what the face holds, by field.
        types: of custom fields, by their own names.
    """
    return tuple(
        Difference(field, held.get(field, ABSENT), wanted)
        for field, wanted in fields_of(update).items()
        if not same(wanted, held.get(field, ABSENT), kind_of(field, types))
    )


def changed_since(
    update: FaceUpdate,
    seen: Mapping[str, Any],
    held: Mapping[str, Any],
    types: Mapping[str, FieldType],
) -> tuple[str, ...]:
    """
    Return the fields of an update that no longer hold what was seen.

    Args:
        seen: by field; one that is not there counts as ABSENT.
        held: what the face holds now, by field.
        types: of custom fields, by their own names.
    """
    return tuple(
        field
        for field in fields_of(update)
        if not _still(
            seen.get(field, ABSENT), held.get(field, ABSENT), kind_of(field, types)
        )
    )


def _still(seen: Any, held: Any, kind: FieldType | None) -> bool:
    if seen is ABSENT or held is ABSENT:
        return seen is held
    return same(seen, held, kind)


def write_differences(found: Iterable[Difference]) -> str:
    """Return differences as text that read_differences reads, in ASCII whatever is held."""
    return json.dumps(
        {"differences": [_told(each) for each in found]}, separators=(",", ":")
    )


def _told(found: Difference) -> dict[str, Any]:
    told = {"field": found.field, "wanted": found.wanted}
    return told if found.held is ABSENT else {**told, "held": found.held}


def read_differences(text: str) -> tuple[Difference, ...]:
    """
    Return the differences that write_differences wrote.

    Raises:
        KeyError, TypeError, ValueError: it did not write this.
    """
    return tuple(
        Difference(each["field"], each.get("held", ABSENT), each["wanted"])
        for each in json.loads(text)["differences"]
    )
