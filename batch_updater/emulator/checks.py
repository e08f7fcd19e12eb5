"""The documented checks of request bodies: pure, and each names its FRS code."""

import base64
import binascii
import json
import re
import sys
from collections.abc import Mapping

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.face import FIELD_TYPES, MAX_CAPACITY, MAX_FIELDS
from batch_updater.emulator.settings import Strictness

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # page 0088 for the length
IMAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")  # page 0095
FIELD_KEY = re.compile(r"[A-Za-z0-9_-]{1,36}")  # page 0012
STRICT_VALUE = re.compile(r"[A-Za-z0-9_-]{1,256}")  # page 0012 alone
MAX_VALUE = 256
RESERVED = frozenset(
    (
        *("external_image_id", "bounding_box", "similarity", "face_id", "create_time"),
        *("vector", "_id", "_all", "_source"),
    )
)  # page 0012
INTEGER_BITS = {"integer": 32, "long": 64}
LARGEST = {"float": 3.4028234663852886e38, "double": sys.float_info.max}
LIST_WINDOW = 10_000  # offset + limit, page 0094


def json_object(content_type: str | None, body: bytes) -> dict[str, object]:
    """Return the body as an object; FRS.0010 without a type, FRS.0014 if it is none."""
    if not content_type or not content_type.strip():
        raise Refusal("FRS.0010", "The Content-Type header is missing or empty.")
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal("FRS.0014") from None
    if not isinstance(content, dict):
        raise Refusal("FRS.0014")
    return content


def required_text(content: Mapping[str, object], key: str) -> str:
    """Return a mandatory string; FRS.0011 when it is absent or empty."""
    value = content.get(key)
    if value is None or value == "":
        raise Refusal("FRS.0011", f"The parameter {key} is missing.")
    if not isinstance(value, str):
        raise Refusal("FRS.0012", f"The parameter {key} must be a string.")
    return value


def face_set_name(content: Mapping[str, object]) -> str:
    """Return the name of a new face set: 1-64 letters, digits, - and _ (page 0088)."""
    name = required_text(content, "face_set_name")
    if not NAME.fullmatch(name):
        raise Refusal("FRS.0012", "The face_set_name has a wrong format.")
    return name


def capacity(content: Mapping[str, object]) -> int:
    """Return the capacity: a multiple of 10 000 up to 100 000 (page 0088).

    The page's own example writes the number as a string.
    """
    raw = content.get("face_set_capacity")
    if raw is None:
        return MAX_CAPACITY
    if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) <= 6:
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise Refusal("FRS.0012", "The face_set_capacity must be an integer.")
    if not 0 < raw <= MAX_CAPACITY or raw % 10_000:
        raise Refusal("FRS.0012", "The face_set_capacity is out of its range.")
    return raw


def declared_fields(content: Mapping[str, object]) -> dict[str, str]:
    """Return name -> type of a new face set's custom fields (pages 0012, 0088)."""
    fields = _field_object(content.get("external_fields") or {})
    return {name: _declared_type(name, spec) for name, spec in fields.items()}


def external_image_id(content: Mapping[str, object]) -> str | None:
    """Return the image id, if any: 1-36 letters, digits, - and _ (page 0095)."""
    value = content.get("external_image_id")
    if value is None:
        return None
    if not isinstance(value, str) or not IMAGE_ID.fullmatch(value):
        raise Refusal("FRS.0012", "The external_image_id has a wrong format.")
    return value


def external_fields(content: Mapping[str, object]) -> dict[str, object] | None:
    """Return the custom fields, if any, their names checked, their values not yet."""
    value = content.get("external_fields")
    return None if value is None else _field_object(value)


def field_values(
    fields: Mapping[str, object],
    declared: Mapping[str, str],
    types: Strictness,
    strings: Strictness,
) -> None:
    """Hold values against the declaration: FRS.0402 undeclared, FRS.0012 wrong."""
    for name, value in fields.items():
        if name not in declared:
            raise Refusal("FRS.0402", f"The field {name} was not declared.")
        kind = declared[name] if types == "strict" else _own_type(value)
        if not fits(value, kind):
            raise Refusal("FRS.0012", f"The value of {name} is not a valid {kind}.")
        if strings == "strict" and isinstance(value, str):
            _check_charset(name, value)


def fits(value: object, kind: str) -> bool:
    """Say whether a JSON value is a valid value of an FRS field type (page 0012)."""
    if kind == "string":
        return isinstance(value, str) and 1 <= len(value) <= MAX_VALUE
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind in INTEGER_BITS:
        return isinstance(value, int) and _in_bits(value, INTEGER_BITS[kind])
    return kind in LARGEST and _in_range(value, LARGEST[kind])


def image(content: Mapping[str, object]) -> None:
    """Refuse an image that is absent (FRS.0011) or not base64 (FRS.0015)."""
    text = required_text(content, "image_base64")
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("FRS.0015") from None


def page(query: Mapping[str, str]) -> tuple[int, int]:
    """Return offset and limit of a listing; their sum is 10000 at most (page 0094)."""
    offset, limit = _count(query, "offset", 0), _count(query, "limit", 5)
    if offset + limit > LIST_WINDOW:
        raise Refusal("FRS.0012", f"offset + limit must not exceed {LIST_WINDOW}.")
    return offset, limit


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _field_object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Refusal("FRS.0012", "The external_fields must be an object.")
    if len(value) > MAX_FIELDS:
        raise Refusal("FRS.0012", f"At most {MAX_FIELDS} external fields are allowed.")
    for name in value:
        if not FIELD_KEY.fullmatch(name):
            raise Refusal("FRS.0012", f"The field name {name!r} has a wrong format.")
        if name in RESERVED:
            raise Refusal("FRS.0012", f"The field name {name} is reserved.")
    return value


def _declared_type(name: str, spec: object) -> str:
    kind = spec.get("type") if isinstance(spec, dict) else None
    if not isinstance(kind, str) or kind not in FIELD_TYPES:
        raise Refusal("FRS.0012", f"The type of the field {name} is unknown.")
    return kind


def _own_type(value: object) -> str:
    # What a lenient service still needs: a scalar, whatever the field declares.
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    return "double" if isinstance(value, float) else "string"


def _check_charset(name: str, value: str) -> None:
    if not STRICT_VALUE.fullmatch(value):
        raise Refusal("FRS.0012", f"The value of {name} has a forbidden character.")


def _in_bits(value: int, bits: int) -> bool:
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1)


def _in_range(value: float, limit: float) -> bool:
    # Python compares an int of any size with a float exactly, and inf is beyond.
    return -limit <= value <= limit


def _count(query: Mapping[str, str], key: str, default: int) -> int:
    text = query.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Refusal("FRS.0012", f"The parameter {key} must be a count.")
    return int(text)
