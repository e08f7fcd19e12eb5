"""What the body of a request says: JSON, or a form, as one flat object; pure."""

import json
from collections.abc import Callable, Mapping

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.operations.multipart import FormError, is_form, parts

MAX_BODY = 1 << 20  # FRS.0017 gives no figure; ours
MAX_IMAGE_BODY = 12_000_000  # the gateway's own limit, APIGW.0201

# Operations known from the line and headers alone, as one route may serve several.
WITH_IMAGE = ("AddFaces", "SearchFace")
WITH_BODY = ("CreateFaceSet", "UpdateFace", "BatchDeleteFaces", *WITH_IMAGE)
# What a body must hold one of, and the SDK's name of the operation that it makes.
KINDS: Mapping[str, Mapping[str, str]] = {
    "AddFaces": {
        "image_base64": "AddFacesByBase64",
        "image_url": "AddFacesByUrl",
        "image_file": "AddFacesByFile",
    },
    "SearchFace": {
        "image_base64": "SearchFaceByBase64",
        "image_url": "SearchFaceByUrl",
        "image_file": "SearchFaceByFile",
        "face_id": "SearchFaceByFaceId",
    },
}


def body_limit(operation: str) -> int:
    """Return how many bytes of body a request may have."""
    return MAX_IMAGE_BODY if operation in WITH_IMAGE else MAX_BODY


def content_of(
    operation: str, content_type: str | None, body: bytes
) -> dict[str, object]:
    """
    Return the object in a body; empty for an operation without one.

    A Refusal has FRS.0010 for no Content-Type, FRS.0014 for a body that is no JSON
    object, FRS.0012 for a form that cannot be read. A form's image_file is bytes.
    """
    if operation not in WITH_BODY:
        return {}
    if not content_type or not content_type.strip():
        raise Refusal("FRS.0010", "The Content-Type header is missing or empty.")
    if operation in WITH_IMAGE and is_form(content_type):
        return _form(content_type, body)
    return _json_object(body)


def kind_of(operation: str, content: Mapping[str, object]) -> str:
    """
    Return the SDK's name of an operation, by what its body gives of KINDS.

    FRS.0011 when it gives nothing; FRS.0012 when it gives several, as the pages
    do not say which one counts.
    """
    kinds = KINDS.get(operation)
    if kinds is None:
        return operation
    given = [key for key in kinds if content.get(key) is not None]
    if not given:
        raise Refusal("FRS.0011", f"One of {', '.join(kinds)} is required.")
    if len(given) > 1:
        raise Refusal("FRS.0012", f"Only one of {', '.join(given)} may be given.")
    return kinds[given[0]]


def _json_object(body: bytes) -> dict[str, object]:
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal("FRS.0014") from None
    if not isinstance(content, dict):
        raise Refusal("FRS.0014")
    return content


def _form(content_type: str, body: bytes) -> dict[str, object]:
    try:
        given = list(parts(content_type, body))
    except FormError as problem:
        raise Refusal("FRS.0012", f"The form cannot be read: {problem}.") from None
    return {part.name: _value(part.name, part.value) for part in given}


def _value(name: str, value: bytes) -> object:
    if name == "image_file":
        return value
    read = READERS.get(name, _text)
    try:
        return read(value)
    except (ValueError, RecursionError):
        raise Refusal("FRS.0012", f"The parameter {name} has a wrong format.") from None


def _text(value: bytes) -> str:
    return value.decode("utf-8")


def _json(value: bytes) -> object:
    return json.loads(value.decode("utf-8"), parse_constant=_no_constant)


def _flag(value: bytes) -> bool:
    # The SDK writes Python's True, others write JSON's true.
    text = value.decode("utf-8").lower()
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def _names(value: bytes) -> object:
    # The page says "String" of a form's list; both spellings are taken.
    text = value.decode("utf-8").strip()
    return _json(value) if text.startswith("[") else text.split(",")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


READERS: Mapping[str, Callable[[bytes], object]] = {
    "external_fields": _json,
    "single": _flag,
    "top_n": _json,
    "threshold": _json,
    "sort": _json,
    "return_fields": _names,
}
