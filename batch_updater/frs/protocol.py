"""How FRS is spoken: paths, bodies and envelopes, without any network."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import orjson

from batch_updater.models import FaceUpdate, FieldType

Face = Mapping[str, Any]
"""A FaceSetFace (API page 0018) as FRS wrote it; `face_id` is sure to be text."""

LIST_WINDOW = 10_000
"""The most that offset and limit of a listing may come to (API page 0094)."""

_EXCERPT = 200
_DIGITS = 18  # of a number of faces that could be


@dataclass(frozen=True, slots=True)
class ServiceError:
    """An error envelope: the service's code and text, and its request id."""

    code: str
    message: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class FaceSet:
    """
    What ShowFaceSet tells that an update needs to know (API page 0033).

    Args:
        id: tells a face set from an earlier one of the same name; empty when it is
            not said.
    """

    name: str
    fields: Mapping[str, FieldType]
    face_number: int
    capacity: int
    id: str = ""


def face_sets_path(project_id: str) -> str:
    """Return the path of all face sets of a project."""
    return f"/v2/{quote(project_id, safe='')}/face-sets"


def face_set_path(project_id: str, face_set_name: str) -> str:
    """Return the path of one face set."""
    return f"{face_sets_path(project_id)}/{quote(face_set_name, safe='')}"


def faces_path(project_id: str, face_set_name: str) -> str:
    """Return the path that UpdateFace is PUT to (API page 0095)."""
    return f"{face_set_path(project_id, face_set_name)}/faces"


def face_query(path: str, face_id: str) -> str:
    """Return the path and query of ShowFacesByFaceId (API page 0094)."""
    return f"{path}?face_id={quote(face_id, safe='')}"


def page_query(path: str, offset: int, limit: int) -> str:
    """Return the path and query of ShowFacesByLimit (API page 0094)."""
    return f"{path}?limit={limit}&offset={offset}"


def encode_update(update: FaceUpdate) -> bytes:
    """Return the body of one UpdateFace call; what is None or empty is left out."""
    body: dict[str, Any] = {"face_id": update.face_id}
    if update.external_image_id is not None:
        body["external_image_id"] = update.external_image_id
    if update.external_fields:
        body["external_fields"] = dict(update.external_fields)
    return orjson.dumps(body)


def payload_hash(body: bytes) -> str:
    """Return the SHA-256 of a body in hex: what results carry instead of values."""
    return hashlib.sha256(body).hexdigest()


def read_json(body: bytes) -> Any:
    """Return the parsed body, or None when it is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def read_face_number(body: bytes) -> int | None:
    """Return ``face_number`` of a success body, or None when there is none."""
    answer = read_json(body)
    number = answer.get("face_number") if isinstance(answer, dict) else None
    return number if type(number) is int else None


def read_error(body: bytes) -> ServiceError | None:
    """
    Return the error in one of the three envelopes, or None.

    FRS and the gateway put ``error_code`` and ``error_msg`` at the top, the
    gateway with ``request_id``; IAM's token API nests ``code`` (a number) and
    ``message`` under ``error``.
    """
    answer = read_json(body)
    if not isinstance(answer, dict):
        return None
    nested = answer.get("error")
    if isinstance(nested, dict) and "code" in nested:
        return ServiceError(f"IAM.{nested['code']}", str(nested.get("message") or ""))
    code = answer.get("error_code")
    if not isinstance(code, str) or not code:
        return None
    request_id = str(answer.get("request_id") or "")
    return ServiceError(code, str(answer.get("error_msg") or ""), request_id)


def read_face_set(body: bytes) -> FaceSet | None:
    """
    Return the face set of a ShowFaceSet reply, or None when it tells of none.

    An absent face set has been seen as 200 with an empty ``face_set_info``:
    tells_of_no_face_set knows that one.
    Field types that are not documented are left out: their values go as text.
    """
    answer = read_json(body)
    info = answer.get("face_set_info") if isinstance(answer, dict) else None
    if not isinstance(info, dict) or not info.get("face_set_name"):
        return None
    return FaceSet(
        name=str(info["face_set_name"])[:_EXCERPT],
        fields=_read_types(info.get("external_fields")),
        face_number=_number(info.get("face_number")),
        capacity=_number(info.get("face_set_capacity")),
        id=str(info.get("face_set_id") or "")[:_EXCERPT],
    )


def tells_of_no_face_set(body: bytes) -> bool:
    """Return whether a ShowFaceSet reply is the empty one of an absent face set."""
    answer = read_json(body)
    return isinstance(answer, dict) and answer.get("face_set_info") == {}


def read_face_set_names(body: bytes) -> list[str] | None:
    """Return the names in a ShowAllFaceSets reply (API page 0032), or None."""
    answer = read_json(body)
    listed = answer.get("face_sets_info") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        return None
    return [str(each["face_set_name"]) for each in listed if _has_name(each)]


def _has_name(info: object) -> bool:
    return isinstance(info, dict) and bool(info.get("face_set_name"))


def read_faces(body: bytes | str) -> list[Face] | None:
    """
    Return the faces of a listing or of one face, or None when there is no list.

    Python's own parser, because whatever stands in a face has to survive: integers
    of any length, and halves of surrogate pairs.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    faces = answer.get("faces") if isinstance(answer, dict) else None
    if not isinstance(faces, list):
        return None
    whole = all(
        isinstance(face, dict)
        and isinstance(face.get("face_id"), str)
        and face["face_id"]
        for face in faces
    )
    return faces if whole else None


def write_faces(faces: Sequence[Face]) -> str:
    """Return faces as text that read_faces reads, in ASCII whatever stands in them."""
    return json.dumps({"faces": faces}, separators=(",", ":"))


def _read_types(declared: object) -> dict[str, FieldType]:
    if not isinstance(declared, dict):
        return {}
    known = {str(kind): kind for kind in FieldType}
    types = {
        name: spec.get("type") if isinstance(spec, dict) else spec
        for name, spec in declared.items()
    }
    return {
        name: known.get(str(kind).lower(), FieldType.STRING)
        for name, kind in types.items()
    }


def _number(value: object) -> int:
    text = str(value)[: _DIGITS + 1]
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else 0


def parse_date(header: str) -> datetime | None:
    """Return the moment that a Date header tells, or None."""
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_retry_after(header: str, now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks for: a number or a date."""
    if header.strip().isdecimal():
        return float(header)
    moment = parse_date(header)
    return max(0.0, (moment - now).total_seconds()) if moment else None


def excerpt(body: bytes) -> str:
    """Return the start of a body that is no envelope, for a message."""
    text = body[:_EXCERPT].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
