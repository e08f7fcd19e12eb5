"""Which column feeds what, and of what type each custom field is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from batch_updater.errors import InputError, UsageError
from batch_updater.models import FieldType

FIELD_PREFIX = "external_fields."
MAX_FIELDS = 10
RESERVED_NAMES = frozenset(
    {
        "external_image_id",
        "bounding_box",
        "similarity",
        "face_id",
        "create_time",
        "vector",
        "_id",
        "_all",
        "_source",
    }
)
_MOST_NAMES = 30
_FIELD_NAME = re.compile(r"[A-Za-z0-9_-]{1,36}")


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """
    A custom field asked for by the user.

    Args:
        name: the field's name in FRS.
        column: the column that feeds it; empty when only the type is said.
        type: the type the user says it has, or None.
    """

    name: str
    column: str
    type: FieldType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """
    What the user said about columns; what is None is taken by its own name.

    Args:
        ids_only: rows are asked about, not updated: no column but the face id's
            is taken.
    """

    face_id: str | None = None
    external_image_id: str | None = None
    fields: tuple[FieldColumn, ...] = ()
    ids_only: bool = False


@dataclass(frozen=True, slots=True)
class BoundField:
    """A custom field and the position of its column."""

    name: str
    index: int
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundColumns:
    """Positions of the columns that matter in one header."""

    header: tuple[str, ...]
    face_id: int
    external_image_id: int | None
    external_fields: int | None
    fields: tuple[BoundField, ...]

    @property
    def ids_only(self) -> bool:
        """Whether there is nothing to update."""
        other = (self.external_image_id, self.external_fields)
        return not self.fields and other == (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTypes:
    """
    Types of the custom fields of one run.

    Args:
        types: by field name; a field that is missing here keeps its own type.
        allowed: names that may be sent, or None when nobody knows.
    """

    types: Mapping[str, FieldType] = field(default_factory=dict)
    allowed: frozenset[str] | None = None

    def allows(self, name: str) -> bool:
        """Return whether a field of this name may be sent."""
        return self.allowed is None or name in self.allowed

    def knows(self, name: str) -> bool:
        """Return whether the type of this field has been said by anybody."""
        return self.allowed is not None or name in self.types


def field_name_problem(name: str) -> tuple[str, str] | None:
    """Return (rule, message) when FRS would not take this field name (page 0012)."""
    if not _FIELD_NAME.fullmatch(name):
        said = f"field name {name!r} is not 1 to 36 letters, digits, '_' or '-'"
        return "field_name", said
    if name in RESERVED_NAMES:
        return "field_reserved", f"field name {name!r} is reserved by FRS"
    return None


def bind(header: Sequence[str], mapping: ColumnMapping, source: str) -> BoundColumns:
    """Find the mapped columns in a header; InputError names what is missing."""
    face_id = _find(header, mapping.face_id or "face_id", source, flag="--face-id")
    if mapping.ids_only:
        return BoundColumns(
            header=tuple(header),
            face_id=face_id,
            external_image_id=None,
            external_fields=None,
            fields=(),
        )
    image_id = _find_optional(
        header, mapping.external_image_id, "external_image_id", source
    )
    json_column = _find_optional(header, None, "external_fields", source)
    fields = _bind_fields(header, mapping.fields, source)
    if image_id is None and json_column is None and not fields:
        raise InputError(
            f"{source}: no column says what to update",
            hint="Name a column external_image_id, external_fields or "
            "external_fields.NAME, or give --external-image-id or --field. "
            + _list_columns(header),
        )
    return BoundColumns(
        header=tuple(header),
        face_id=face_id,
        external_image_id=image_id,
        external_fields=json_column,
        fields=fields,
    )


def _bind_fields(
    header: Sequence[str], asked: Sequence[FieldColumn], source: str
) -> tuple[BoundField, ...]:
    columns = {
        name.removeprefix(FIELD_PREFIX): name
        for name in header
        if name.startswith(FIELD_PREFIX)
    }
    columns |= {spec.name: spec.column for spec in asked if spec.column}
    for name, column in columns.items():
        if problem := field_name_problem(name):
            raise InputError(f"{source}: column {column!r}: {problem[1]}")
    return tuple(
        BoundField(name, _find(header, column, source, flag="--field"), column)
        for name, column in columns.items()
    )


def _find_optional(
    header: Sequence[str], asked: str | None, default: str, source: str
) -> int | None:
    if asked is None and default not in header:
        return None
    flag = "--" + default.replace("_", "-")
    return _find(header, asked or default, source, flag=flag)


def _find(header: Sequence[str], column: str, source: str, *, flag: str) -> int:
    found = [i for i, name in enumerate(header) if name == column]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{source}: {len(found)} columns are called {column!r}",
            hint="Rename all but one of them.",
        )
    close = get_close_matches(column, header, n=1)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    raise InputError(
        f"{source}: there is no column {column!r}",
        hint=f"{guess}Say which with {flag}. {_list_columns(header)}",
    )


def _list_columns(header: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in header[:20])
    more = f" and {len(header) - 20} more" if len(header) > 20 else ""
    return f"The columns are {shown}{more}."


def resolve_types(
    fields: Sequence[BoundField],
    asked: Sequence[FieldColumn],
    declared: Mapping[str, FieldType] | None,
    own: Mapping[str, FieldType],
) -> FieldTypes:
    """
    Settle each field's type: said by the user, declared, the column's own, text.

    Args:
        declared: what the face set declares; None when nobody asked it.
        own: types that the input's own columns have, by field name.

    Raises:
        UsageError: a column feeds a field that the face set does not declare and
            that the user gave no type either. FRS would refuse every row
            (FRS.0402), since fields are fixed when a face set is created.
    """
    said = {spec.name: spec.type for spec in asked if spec.type is not None}
    if declared is None:
        return FieldTypes(types={**own, **said})
    for bound in fields:
        if bound.name not in declared and bound.name not in said:
            names = ", ".join(sorted(declared)[:_MOST_NAMES]) or "none"
            raise UsageError(
                f"column {bound.column!r}: the face set declares no custom field "
                f"{bound.name!r}",
                hint=f"Declared fields: {names}. To send it all the same, say its "
                f"type: --field {bound.name}:TYPE={bound.column}",
            )
    allowed = frozenset(declared) | frozenset(said)
    return FieldTypes(types={**own, **declared, **said}, allowed=allowed)
