"""The documented checks of what a request gives: pure, and each names its FRS code."""

import re
from collections.abc import Mapping

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.rules import WindowCode
from batch_updater.emulator.state.face import FIELD_TYPES, MAX_FIELDS
from batch_updater.emulator.state.face_set import MAX_CAPACITY

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # page 0088 for the length
IMAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")  # page 0095
FIELD_KEY = re.compile(r"[A-Za-z0-9_-]{1,36}")  # page 0012
RESERVED = frozenset(
    (
        *("external_image_id", "bounding_box", "similarity", "face_id", "create_time"),
        *("vector", "_id", "_all", "_source"),
    )
)  # page 0012
LIST_WINDOW = 10_000  # offset + limit, page 0094


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


def page(query: Mapping[str, str], beyond: WindowCode) -> tuple[int, int]:
    """
    Return offset and limit of a listing; their sum is 10000 at most (page 0094).

    A greater one is refused with the code `beyond`, or finds nothing.
    """
    offset, limit = _count(query, "offset", 0), _count(query, "limit", 5)
    if offset + limit <= LIST_WINDOW:
        return offset, limit
    if beyond == "empty":
        return 0, 0
    raise Refusal(beyond, f"offset + limit must not exceed {LIST_WINDOW}.")


def single(content: Mapping[str, object]) -> bool:
    """Say whether only the largest face of a picture is wanted (page 0093)."""
    value = content.get("single")
    if not isinstance(value, bool | None):
        raise Refusal("FRS.0012", "The parameter single must be true or false.")
    return bool(value)


def named_value(query: Mapping[str, str]) -> tuple[str, str]:
    """Return the one field and the value that a delete names (page 0096)."""
    if not query:
        raise Refusal("FRS.0011", "The field and value of the faces are missing.")
    if len(query) > 1:
        raise Refusal("FRS.0012", "Only one field of the faces may be given.")
    [(name, value)] = query.items()
    return name, value


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


def _count(query: Mapping[str, str], key: str, default: int) -> int:
    text = query.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Refusal("FRS.0012", f"The parameter {key} must be a count.")
    return int(text)
