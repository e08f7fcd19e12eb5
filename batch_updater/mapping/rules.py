"""
FRS's rules for one value (API pages 0095 and 0012), and its conversion.

These functions are the authority: the checks over whole columns only pass what
is surely fine, and ask here about everything else.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from batch_updater.mapping.columns import MAX_FIELDS, FieldTypes, field_name_problem
from batch_updater.models import FaceUpdate, FieldType, FieldValue

# Rules that the documents disagree about: warnings, errors with --strict.
SOFT_RULES = frozenset({"face_id_shape", "string_charset"})

_FACE_ID = re.compile(r"[A-Za-z0-9]{8}")
_IMAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WHOLE = re.compile(r"-?[0-9]+")
_LEADING_ZERO = re.compile(r"-?0[0-9]")
_DECIMAL = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)

_RANGES = {
    FieldType.INTEGER: (-(2**31), 2**31 - 1, "32-bit"),
    FieldType.LONG: (-(2**63), 2**63 - 1, "64-bit"),
}
_FLOAT_MAX = 3.4028234663852886e38
_EXACT_FLOAT = 2**53
_MAX_DIGITS = 40
MAX_TEXT = 256
_EXCERPT = 40

# What each rule wants: the sentence that results carry, since it has no values.
RULES: Mapping[str, str] = {
    "face_id_missing": "a face id is wanted",
    "face_id_type": "the face id must be text",
    "face_id_shape": "a face id has 8 letters or digits",
    "external_image_id": "1 to 36 letters, digits, '_' or '-' are wanted",
    "nothing_to_update": "an external image id or a custom field is wanted",
    "external_fields_json": "a JSON object without repeated keys is wanted",
    "field_name": "a field name has 1 to 36 letters, digits, '_' or '-'",
    "field_reserved": "the field name is reserved by FRS",
    "field_undeclared": "the face set does not declare this field",
    "field_given_twice": "the field is also in the column external_fields",
    "field_kind": "text, a number or a boolean is wanted",
    "too_many_fields": "a face set has at most 10 custom fields",
    "string": "text is wanted",
    "string_length": "1 to 256 characters are wanted",
    "string_unicode": "the text has half a surrogate pair",
    "string_charset": "letters, digits, '_' and '-' are wanted",
    "integer": "a whole number without leading zeros is wanted",
    "integer_range": "the number does not fit 32 bits",
    "long_range": "the number does not fit 64 bits",
    "number": "a number without suffix or leading zeros is wanted",
    "number_finite": "a finite number is wanted",
    "float_range": "the number does not fit single precision",
    "double_range": "the number does not fit double precision",
    "boolean": "true or false is wanted",
}

Broken = tuple[str, str]
"""A rule's name and what breaks it, in words."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule, the column that breaks it, and the sentence for people."""

    rule: str
    column: str
    message: str


def face_id_problem(value: object) -> Broken | None:
    """Return what is wrong with a face id; its shape alone is a soft rule."""
    if value is None or value == "":
        return "face_id_missing", "the face id is empty"
    if not isinstance(value, str):
        return "face_id_type", f"{_show(value)} is not text; ids are kept as text"
    if _FACE_ID.fullmatch(value):
        return None
    if _SURROGATE.search(value):
        return "face_id_type", f"{_show(value)} has half a surrogate pair"
    return "face_id_shape", f"{_show(value)} is not 8 letters or digits"


def image_id_problem(value: object) -> Broken | None:
    """Return what is wrong with an external image id (page 0095)."""
    if isinstance(value, str) and _IMAGE_ID.fullmatch(value):
        return None
    said = f"{_show(value)} is not 1 to 36 letters, digits, '_' or '-'"
    return "external_image_id", said


def value_problem(value: object, kind: FieldType | None) -> Broken | None:
    """
    Return what is wrong with a custom field's value, or None.

    Args:
        value: text as read from CSV, or a value that has a type of its own.
        kind: the type it must have; None takes its own (64 bit for integers).
    """
    if isinstance(value, str):
        return _TEXT_RULES[kind or FieldType.STRING](value)
    if isinstance(value, bool):
        fine = kind in {None, FieldType.BOOLEAN}
        return None if fine else _mismatch(value, kind)
    if isinstance(value, int):
        return _integer_problem(value, kind)
    if isinstance(value, float):
        return _float_problem(value, kind)
    said = "null" if value is None else f"a value of type {type(value).__name__}"
    return "field_kind", f"{said}: FRS documents only text, numbers and booleans"


def convert(value: FieldValue, kind: FieldType | None) -> FieldValue:
    """Return the value as JSON will carry it; value_problem must have passed it."""
    match kind:
        case FieldType.INTEGER | FieldType.LONG:
            return int(value)
        case FieldType.FLOAT | FieldType.DOUBLE:
            return float(value)
        case FieldType.BOOLEAN:
            return value.lower() == "true" if isinstance(value, str) else value
        case FieldType.STRING:
            return str(value)
        case None:
            return value


def convert_all(
    values: list[FieldValue | None], kind: FieldType | None
) -> list[FieldValue | None]:
    """Return a column's values as JSON will carry them; None stays what it is."""
    match kind:
        case None:
            return values
        case FieldType.STRING:  # as most of them are already
            return [v if v is None or type(v) is str else str(v) for v in values]
        case FieldType.INTEGER | FieldType.LONG if None not in values:
            return list(map(int, values))  # type: ignore[arg-type]  # None is not in it
        case FieldType.FLOAT | FieldType.DOUBLE if None not in values:
            return list(map(float, values))  # type: ignore[arg-type]  # the same
    return [None if value is None else convert(value, kind) for value in values]


def fields_problems(
    fields: Mapping[str, object], types: FieldTypes, column: str
) -> list[Problem]:
    """Return every problem of a row's custom fields that came as one object."""
    problems = []
    for name, value in fields.items():
        broken = member_problem(name, value, types)
        if broken:
            said = f"{_show(name)}: {broken[1]}"
            problems.append(Problem(broken[0], column, said))
    return problems


def count_problem(count: int, column: str) -> Problem | None:
    """Return the problem of more custom fields than a face set can have."""
    if count <= MAX_FIELDS:
        return None
    said = f"{count} custom fields; a face set has at most {MAX_FIELDS}"
    return Problem("too_many_fields", column, said)


def update_problems(update: FaceUpdate, types: FieldTypes) -> list[Problem]:
    """Return the problems of an update that comes from a program, not a file."""
    checks = [("face_id", face_id_problem(update.face_id))]
    if update.external_image_id is not None:
        problem = image_id_problem(update.external_image_id)
        checks.append(("external_image_id", problem))
    elif not update.external_fields:
        checks.append(("", ("nothing_to_update", NOTHING_TO_UPDATE)))
    problems = [Problem(b[0], column, b[1]) for column, b in checks if b]
    problems += fields_problems(update.external_fields, types, "external_fields")
    too_many = count_problem(len(update.external_fields), "external_fields")
    return [*problems, too_many] if too_many else problems


NOTHING_TO_UPDATE = "neither an external image id nor a custom field is given"


def member_problem(name: str, value: object, types: FieldTypes) -> Broken | None:
    """Return what is wrong with one custom field: its name, or else its value."""
    if problem := field_name_problem(name):
        return problem
    if not types.allows(name):
        return "field_undeclared", "the face set does not declare this field"
    return value_problem(value, types.types.get(name))


def _string_problem(text: str) -> Broken | None:
    if not 1 <= len(text) <= MAX_TEXT:
        return "string_length", f"{len(text)} characters; 1 to {MAX_TEXT} are allowed"
    if _WORD.fullmatch(text):
        return None
    if _SURROGATE.search(text):
        return "string_unicode", f"{_show(text)} has half a surrogate pair"
    said = f"{_show(text)} has more than letters, digits, '_' and '-'"
    return "string_charset", said


def _whole_problem(text: str, kind: FieldType) -> Broken | None:
    if not _WHOLE.fullmatch(text):
        return "integer", f"{_show(text)} is not a whole number"
    if _LEADING_ZERO.match(text):
        return "integer", f"{_show(text)} would lose its leading zeros as {kind}"
    if len(text) > _MAX_DIGITS:
        return f"{kind}_range", f"{_show(text)} does not fit {_RANGES[kind][2]}"
    return _integer_problem(int(text), kind)


def _decimal_problem(text: str, kind: FieldType) -> Broken | None:
    if _NOT_FINITE.fullmatch(text):
        return "number_finite", f"{text} is not a finite number"
    if not _DECIMAL.fullmatch(text):
        return "number", f"{_show(text)} is not a number"
    if _LEADING_ZERO.match(text):
        return "number", f"{_show(text)} would lose its leading zeros as {kind}"
    value = float(text)
    return _size_problem(value, kind, text)


def _boolean_problem(text: str) -> Broken | None:
    if text.lower() in {"true", "false"}:
        return None
    return "boolean", f"{_show(text)} is neither true nor false"


_TEXT_RULES = {
    FieldType.STRING: _string_problem,
    FieldType.INTEGER: lambda text: _whole_problem(text, FieldType.INTEGER),
    FieldType.LONG: lambda text: _whole_problem(text, FieldType.LONG),
    FieldType.FLOAT: lambda text: _decimal_problem(text, FieldType.FLOAT),
    FieldType.DOUBLE: lambda text: _decimal_problem(text, FieldType.DOUBLE),
    FieldType.BOOLEAN: _boolean_problem,
}


def _integer_problem(value: int, kind: FieldType | None) -> Broken | None:
    if kind is FieldType.STRING:
        if -(10 ** (MAX_TEXT - 1)) < value < 10**MAX_TEXT:
            return None
        return "string_length", f"{_show(value)} has more than {MAX_TEXT} characters"
    if kind in {FieldType.FLOAT, FieldType.DOUBLE}:
        return _size_problem(value, kind, value)
    if kind is FieldType.BOOLEAN:
        return _mismatch(value, kind)
    kind = kind or FieldType.LONG
    low, high, width = _RANGES[kind]
    if low <= value <= high:
        return None
    return f"{kind}_range", f"{_show(value)} does not fit {width}"


def _float_problem(value: float, kind: FieldType | None) -> Broken | None:
    if not math.isfinite(value):
        return "number_finite", f"{value} is not a finite number"
    if kind in {FieldType.STRING, FieldType.BOOLEAN}:
        return _mismatch(value, kind)
    if kind in _RANGES:
        if value.is_integer() and abs(value) < _EXACT_FLOAT:
            return _integer_problem(int(value), kind)
        return "integer", f"{value} is not a whole number that a float holds exactly"
    return _size_problem(value, kind, value)


def _size_problem(value: float, kind: FieldType | None, shown: object) -> Broken | None:
    limit = _FLOAT_MAX if kind is FieldType.FLOAT else math.inf
    if abs(value) <= limit and (limit != math.inf or _fits_double(value)):
        return None
    return f"{kind or FieldType.DOUBLE}_range", f"{_show(shown)} is too large"


def _fits_double(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _mismatch(value: object, kind: FieldType | None) -> Broken:
    rule = {
        FieldType.STRING: "string",
        FieldType.BOOLEAN: "boolean",
        FieldType.INTEGER: "integer",
        FieldType.LONG: "integer",
    }.get(kind or FieldType.STRING, "number")
    return rule, f"{_show(value)} is a {type(value).__name__}, not a {kind}"


def _show(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**_MAX_DIGITS:
        return f"a number of more than {_MAX_DIGITS} digits"  # str() may refuse it
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 3] + "..."
