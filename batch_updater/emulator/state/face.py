"""One face: its values, how it looks in JSON, and reading it from there."""

from collections.abc import Mapping
from dataclasses import dataclass

from batch_updater.emulator.state.picture import Box, box_of, fingerprint

MAX_FIELDS = 10  # custom fields of one face set, page 0012
FIELD_TYPES = ("string", "integer", "float", "double", "boolean", "long")
FACE_KEYS = ("face_id", "external_image_id", "bounding_box", "external_fields")
BOX_KEYS = ("width", "top_left_x", "top_left_y", "height")


class SeedError(ValueError):
    """A face or a declaration given from outside is wrong; names it and the key."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face as FRS returns it; `bounding_box` in pixels, ordered as BOX_KEYS.

    `fingerprint` stands for the face's picture: 64 bits, never shown.
    """

    face_id: str
    external_image_id: str
    bounding_box: Box
    external_fields: Mapping[str, object]
    fingerprint: int

    def as_json(self) -> dict[str, object]:
        """Return FRS's FaceSetFace object (page 0018)."""
        return {
            "bounding_box": dict(zip(BOX_KEYS, self.bounding_box, strict=True)),
            "external_fields": self.external_fields,
            "external_image_id": self.external_image_id,
            "face_id": self.face_id,
        }


def face_from_json(raw: object, declared: Mapping[str, str], image_id: str) -> Face:
    """
    Read a face in the shape of `Face.as_json`.

    `image_id` stands in for an absent one; the face's picture is its id. Values are not held against
    their declared types: real face sets contain such values (frs-api.md 1.2).
    SeedError names the face and the key at fault.
    """
    if not isinstance(raw, Mapping):
        raise SeedError(f"a face must be an object: {raw!r}")
    face_id = raw.get("face_id")
    if not isinstance(face_id, str) or not face_id:
        raise SeedError(f"a face needs a face_id, a non-empty string: {raw!r}")
    where = f"face {face_id!r}"
    if unknown := sorted(raw.keys() - set(FACE_KEYS)):
        raise SeedError(f"{where}: unknown key {unknown[0]!r}")
    looks = fingerprint(as_bytes(face_id, where))
    return Face(
        face_id,
        _image_id(raw.get("external_image_id") or image_id, where),
        _box(raw.get("bounding_box") or box_of(looks), where),
        _fields(raw.get("external_fields") or {}, declared, where),
        looks,
    )


def as_bytes(text: str, where: str) -> bytes:
    """Return UTF-8; SeedError for half a surrogate pair, which no file can keep."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise SeedError(f"{where}: {text!r} is not valid Unicode") from None


def check_declared(where: str, fields: Mapping[str, str]) -> None:
    """Refuse more than ten fields, and types FRS does not know (page 0012)."""
    if len(fields) > MAX_FIELDS:
        raise SeedError(f"{where}: at most {MAX_FIELDS} external fields")
    for name, kind in fields.items():
        if kind not in FIELD_TYPES:
            allowed = ", ".join(FIELD_TYPES)
            raise SeedError(f"{where}: field {name!r} must be one of {allowed}")


def _image_id(raw: object, where: str) -> str:
    if not isinstance(raw, str):
        raise SeedError(f"{where}: external_image_id must be a string")
    as_bytes(raw, where)
    return raw


def _box(raw: object, where: str) -> Box:
    if isinstance(raw, tuple):
        return raw
    if not isinstance(raw, Mapping) or any(
        not isinstance(raw.get(key), int) for key in BOX_KEYS
    ):
        raise SeedError(f"{where}: bounding_box needs the integers {BOX_KEYS}")
    return (raw["width"], raw["top_left_x"], raw["top_left_y"], raw["height"])


def _fields(raw: object, declared: Mapping[str, str], where: str) -> dict[str, object]:
    if not isinstance(raw, Mapping):
        raise SeedError(f"{where}: external_fields must be an object")
    for name in raw:
        if name not in declared:
            raise SeedError(f"{where}: field {name!r} is not declared")
    return dict(raw)
