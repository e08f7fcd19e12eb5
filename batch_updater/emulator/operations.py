"""What each FRS operation does to the state: checks first, then one change; pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from batch_updater.emulator import checks
from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.face import Face, FaceSet
from batch_updater.emulator.settings import Rules
from batch_updater.emulator.state import State

MAX_FACE_SETS = 10  # for one user, page 0088

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Call:
    """One FRS request that passed the gate."""

    operation: str
    face_set_name: str
    query: Mapping[str, str]
    content: Mapping[str, object]

    @property
    def face_id(self) -> str | None:
        """The face it is about, if it names one."""
        named = self.content.get("face_id", self.query.get("face_id"))
        return named if isinstance(named, str) else None


@dataclass(frozen=True, slots=True)
class Update:
    """A checked UpdateFace, ready to be committed."""

    face_set: FaceSet
    face: Face


def create_face_set(state: State, rules: Rules, call: Call) -> Json:
    """Make a face set (page 0088)."""
    name = checks.face_set_name(call.content)
    capacity = checks.capacity(call.content)
    fields = checks.declared_fields(call.content)
    if name in state.face_sets:
        raise Refusal("FRS.0301")
    if len(state.face_sets) >= MAX_FACE_SETS:
        raise Refusal("FRS.0305")
    made = state.add_face_set(name, external_fields=fields, capacity=capacity)
    return {"face_set_info": made.as_json()}


def show_all_face_sets(state: State, rules: Rules, call: Call) -> Json:
    """List the face sets (page 0089)."""
    return {"face_sets_info": [each.as_json() for each in state.face_sets.values()]}


def show_face_set(state: State, rules: Rules, call: Call) -> Json:
    """Show one face set (page 0090); a missing one as the switch says."""
    if rules.missing_face_set == "empty" and call.face_set_name not in state.face_sets:
        return {"face_set_info": {}}
    return {"face_set_info": face_set_of(state, call).as_json()}


def delete_face_set(state: State, rules: Rules, call: Call) -> Json:
    """Drop a face set and its faces (page 0091)."""
    state.delete_face_set(face_set_of(state, call).name)
    return {"face_set_name": call.face_set_name}


def add_face(state: State, rules: Rules, call: Call) -> Json:
    """Add the one face that any valid base64 is taken to show (page 0093)."""
    checks.image(call.content)
    image_id = checks.external_image_id(call.content)
    fields = checks.external_fields(call.content) or {}
    face_set = face_set_of(state, call)
    _check_values(face_set, fields, rules)
    if len(face_set.faces) >= face_set.capacity:
        raise Refusal("FRS.0306")
    return _faces(face_set, [state.add_face(face_set, fields, image_id)])


def show_faces_by_limit(state: State, rules: Rules, call: Call) -> Json:
    """List a page of the faces, oldest first (page 0094)."""
    offset, limit = checks.page(call.query)
    face_set = face_set_of(state, call)
    return _faces(face_set, list(face_set.faces.values())[offset : offset + limit])


def show_face(state: State, rules: Rules, call: Call) -> Json:
    """Show one face by its id (page 0094)."""
    face_set = face_set_of(state, call)
    return _faces(face_set, [_face_of(face_set, call.query["face_id"], rules)])


def update_face(state: State, rules: Rules, call: Call) -> Json:
    """Update one face (page 0095)."""
    update = checked_update(state, rules, call)
    state.put_face(update.face_set, update.face)
    return updated(update.face_set, 1)


def checked_update(state: State, rules: Rules, call: Call) -> Update:
    """Make every check of UpdateFace and return the face as it would become."""
    face_id = checks.required_text(call.content, "face_id")
    image_id = checks.external_image_id(call.content)
    fields = checks.external_fields(call.content)
    if image_id is None and fields is None:
        both = "Both external_image_id and external_fields are missing."
        raise Refusal("FRS.0011", both)
    face_set = face_set_of(state, call)
    _check_values(face_set, fields or {}, rules)
    face = _face_of(face_set, face_id, rules)
    return Update(face_set, changed(face, image_id, fields, rules))


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
    return replace(
        face,
        external_image_id=image_id or face.external_image_id,
        external_fields=kept,
    )


def updated(face_set: FaceSet, face_number: int) -> Json:
    """Return the success body of UpdateFace (page 0095)."""
    return {"face_number": face_number, **_identity(face_set)}


def face_set_of(state: State, call: Call) -> FaceSet:
    """Return the face set a call names, or refuse with FRS.0302."""
    face_set = state.face_sets.get(call.face_set_name)
    if face_set is None:
        raise Refusal("FRS.0302")
    return face_set


def _face_of(face_set: FaceSet, face_id: str, rules: Rules) -> Face:
    face = face_set.faces.get(face_id)
    if face is None:
        raise Refusal(rules.missing_face_code)
    return face


def _check_values(
    face_set: FaceSet, fields: Mapping[str, object], rules: Rules
) -> None:
    declared = face_set.external_fields
    checks.field_values(fields, declared, rules.field_types, rules.string_values)


def _faces(face_set: FaceSet, faces: list[Face]) -> Json:
    return {**_identity(face_set), "faces": [face.as_json() for face in faces]}


def _identity(face_set: FaceSet) -> Json:
    return {"face_set_id": face_set.face_set_id, "face_set_name": face_set.name}


OPERATIONS: Mapping[str, Callable[[State, Rules, Call], Json]] = {
    "CreateFaceSet": create_face_set,
    "ShowAllFaceSets": show_all_face_sets,
    "ShowFaceSet": show_face_set,
    "DeleteFaceSet": delete_face_set,
    "AddFacesByBase64": add_face,
    "ShowFacesByLimit": show_faces_by_limit,
    "ShowFacesByFaceId": show_face,
    "UpdateFace": update_face,
}
