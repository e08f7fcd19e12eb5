"""
A face to a row of a snapshot: columns that `run` takes back as they are; pure.

What fits its column stands there, with the type that the face set declares. What
does not, such as the empty text that a real face set held in an integer field, or a
field that is not declared, stands as FRS wrote it in the column `other`, which a
run does not read: sending it back could only be refused, or change it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch_updater.mapping.columns import FIELD_PREFIX, field_name_problem
from batch_updater.mapping.rules import SOFT_RULES, value_problem
from batch_updater.models import FieldType

_BOX = ("width", "height", "top_left_x", "top_left_y")
_IDS = ("face_id", "external_image_id")
_OTHER = "other"

# Floats as doubles: single precision would write 0.1 back as 0.10000000149.
_ARROW = {
    FieldType.STRING: "string",
    FieldType.INTEGER: "int32",
    FieldType.LONG: "int64",
    FieldType.FLOAT: "float64",
    FieldType.DOUBLE: "float64",
    FieldType.BOOLEAN: "bool",
}
_PYTHON: Mapping[FieldType, tuple[type, ...]] = {
    FieldType.STRING: (str,),
    FieldType.INTEGER: (int,),
    FieldType.LONG: (int,),
    FieldType.FLOAT: (float, int),
    FieldType.DOUBLE: (float, int),
    FieldType.BOOLEAN: (bool,),
}


@dataclass(frozen=True, slots=True)
class SnapshotColumns:
    """
    The columns of one face set's snapshot.

    Args:
        declared: the custom fields that the face set declares.
    """

    declared: Mapping[str, FieldType]

    @property
    def types(self) -> Mapping[str, str]:
        """Every column's name, in order, with its type as Arrow calls it."""
        columns = dict.fromkeys(_IDS, "string")
        columns |= {f"{FIELD_PREFIX}{k}": _ARROW[v] for k, v in self._fields.items()}
        columns |= {f"bounding_box.{name}": "int64" for name in _BOX}
        return {**columns, _OTHER: "string"}

    @property
    def _fields(self) -> Mapping[str, FieldType]:
        # A run refuses a whole file for a column of such a name.
        return {k: v for k, v in self.declared.items() if not field_name_problem(k)}

    def row(self, face: Mapping[str, Any]) -> list[Any]:
        """
        Return a face's cells; the last one is None when everything has its column.

        Args:
            face: a FaceSetFace (API page 0018) as FRS wrote it.
        """
        rest = dict(face)
        ids = [_take_text(rest, name) for name in _IDS]
        fields = _take_object(rest, "external_fields", self._fields, _field_cell)
        box = _take_object(rest, "bounding_box", dict.fromkeys(_BOX), _pixels)
        other = json.dumps(rest) if rest else None
        return [*ids, *fields, *box, other]


def _take_text(rest: dict[str, Any], name: str) -> str | None:
    value = rest.get(name)
    if not isinstance(value, str) or not _is_whole(value):
        return None
    del rest[name]
    return value


def _take_object(
    rest: dict[str, Any], name: str, wanted: Mapping[str, Any], cell: Any
) -> list[Any]:
    """Move the members that fit into cells; what is left of the object stays."""
    members = rest.get(name)
    if not isinstance(members, dict):
        if members is None:
            rest.pop(name, None)
        return [None] * len(wanted)
    cells = {k: cell(members[k], kind) for k, kind in wanted.items() if k in members}
    left = {k: value for k, value in members.items() if cells.get(k) is None}
    if left:
        rest[name] = left
    else:
        del rest[name]
    return [cells.get(k) for k in wanted]


def _field_cell(value: object, kind: FieldType) -> object:
    """Return the value if a run would send it back as it is, or None."""
    if type(value) not in _PYTHON[kind] or value == "":
        return None
    broken = value_problem(value, kind)
    if broken and broken[0] not in SOFT_RULES:
        return None
    if isinstance(value, int) and float in _PYTHON[kind]:
        return float(value) if float(value) == value else None
    if isinstance(value, str) and not _is_whole(value):
        return None
    return value


def _pixels(value: object, _: object) -> object:
    return value if type(value) is int and abs(value) < 2**63 else None


def _is_whole(text: str) -> bool:
    """Return whether any file can hold a text: no NUL, no half a surrogate pair."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
