"""What adding, listing, showing and deleting faces does."""

import zlib
from collections.abc import Callable, Iterable
from itertools import islice

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.operations import checks
from batch_updater.emulator.operations.calls import (
    Call,
    Json,
    counted,
    face_set_of,
    identity,
)
from batch_updater.emulator.operations.filter import Test, compile_filter, equals
from batch_updater.emulator.operations.image import portraits_of
from batch_updater.emulator.operations.values import check_values, cleared
from batch_updater.emulator.rules import ListOrder, Rules
from batch_updater.emulator.state.face import Face
from batch_updater.emulator.state.face_set import FaceSet
from batch_updater.emulator.state.face_sets import State


def add_faces(state: State, rules: Rules, call: Call) -> Json:
    """Add every face of a picture, or the largest alone (page 0093)."""
    found = portraits_of(call.content, rules.image_format)
    if checks.single(call.content):
        found = found[:1]
    image_id = checks.external_image_id(call.content)
    fields = checks.external_fields(call.content) or {}
    face_set = face_set_of(state, call)
    check_values(fields, face_set.external_fields, rules)
    if not found:
        raise Refusal("FRS.0404")
    if len(face_set.faces) + len(found) > face_set.capacity:
        raise Refusal("FRS.0306")
    gone = cleared(fields, rules)
    kept = {name: value for name, value in fields.items() if name not in gone}
    return _faces(face_set, state.add_faces(face_set, found, kept, image_id))


def show_faces_by_limit(state: State, rules: Rules, call: Call) -> Json:
    """List a page of the faces (page 0094), in the order that the switch says."""
    offset, limit = checks.page(call.query, rules.window_code)
    face_set = face_set_of(state, call)
    ordered = ORDERS[rules.list_order](face_set.shown)
    return _faces(
        face_set, (face_set.shown[i] for i in islice(ordered, offset, offset + limit))
    )


def show_face(state: State, rules: Rules, call: Call) -> Json:
    """Show one face by its id (page 0094); a missing one as the switch says."""
    face_set = face_set_of(state, call)
    face = face_set.shown.get(call.query["face_id"])
    if face is not None:
        return _faces(face_set, [face])
    if rules.missing_face_get == "empty":
        return _faces(face_set, [])
    raise Refusal(rules.missing_face_get)


def delete_face(state: State, rules: Rules, call: Call) -> Json:
    """Delete every face with a value in one field (page 0096)."""
    name, value = checks.named_value(call.query)
    face_set = face_set_of(state, call)
    if name == "face_id":
        return _delete(
            state, rules, face_set, [value] if value in face_set.shown else []
        )
    test = equals(name, value, face_set.external_fields)
    return _delete(state, rules, face_set, _matching(face_set, test))


def batch_delete(state: State, rules: Rules, call: Call) -> Json:
    """Delete every face that a filter means (page 0097)."""
    text = checks.required_text(call.content, "filter")
    face_set = face_set_of(state, call)
    test = compile_filter(text, face_set.external_fields)
    return _delete(state, rules, face_set, _matching(face_set, test))


def _matching(face_set: FaceSet, test: Test) -> list[str]:
    return [face_id for face_id, face in face_set.shown.items() if test(face)]


def _delete(state: State, rules: Rules, face_set: FaceSet, face_ids: list[str]) -> Json:
    if not face_ids and rules.missing_face_delete != "zero":
        raise Refusal(rules.missing_face_delete)
    for face_id in face_ids:
        state.remove_face(face_set, face_id)
    return counted(face_set, len(face_ids))


def _faces(face_set: FaceSet, faces: Iterable[Face]) -> Json:
    return {**identity(face_set), "faces": [face.as_json() for face in faces]}


def _shuffled(face_ids: Iterable[str]) -> list[str]:
    # A checksum is as good as chance, and the same for the next page.
    return sorted(face_ids, key=lambda face_id: (zlib.crc32(face_id.encode()), face_id))


ORDERS: dict[ListOrder, Callable[[dict[str, Face]], Iterable[str]]] = {
    "added": iter,
    "reverse": reversed,
    "shuffled": _shuffled,
}
