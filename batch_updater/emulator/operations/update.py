"""What UpdateFace does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.operations import checks
from batch_updater.emulator.operations.calls import Call, Json, counted, face_set_of
from batch_updater.emulator.operations.values import check_values, cleared
from batch_updater.emulator.rules import Rules
from batch_updater.emulator.state.face import Face
from batch_updater.emulator.state.face_set import FaceSet
from batch_updater.emulator.state.face_sets import State


@dataclass(frozen=True, slots=True)
class Update:
    """A checked UpdateFace, ready to be committed; None for no face to update."""

    face_set: FaceSet
    face: Face | None


def update_face(state: State, rules: Rules, call: Call) -> Json:
    """Update one face (page 0095)."""
    update = checked_update(state, rules, call)
    if update.face is None:
        return counted(update.face_set, 0)
    state.put_face(update.face_set, update.face)
    return counted(update.face_set, 1)


def checked_update(state: State, rules: Rules, call: Call) -> Update:
    """Make every check of UpdateFace and return the face as it would become."""
    face_id = checks.required_text(call.content, "face_id")
    image_id = checks.external_image_id(call.content)
    fields = checks.external_fields(call.content)
    if image_id is None and fields is None:
        both = "Both external_image_id and external_fields are missing."
        raise Refusal("FRS.0011", both)
    face_set = face_set_of(state, call)
    check_values(fields or {}, face_set.external_fields, rules)
    if face_id in face_set.shown:
        face = changed(face_set.faces[face_id], image_id, fields, rules)
        return Update(face_set, face)
    if rules.missing_face_code == "zero":
        return Update(face_set, None)
    raise Refusal(rules.missing_face_code)


def changed(
    face: Face,
    image_id: str | None,
    fields: Mapping[str, object] | None,
    rules: Rules,
) -> Face:
    """Return the face after an update; None leaves a part as it is."""
    kept: Mapping[str, object] = face.external_fields
    if fields is not None:
        kept = fields if rules.external_fields == "replace" else {**kept, **fields}
        if gone := cleared(fields, rules):
            kept = {name: value for name, value in kept.items() if name not in gone}
    return replace(
        face,
        external_image_id=image_id or face.external_image_id,
        external_fields=kept,
    )
