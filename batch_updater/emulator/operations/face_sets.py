"""What the operations on face sets do."""

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.operations import checks
from batch_updater.emulator.operations.calls import Call, Json, face_set_of
from batch_updater.emulator.rules import Rules
from batch_updater.emulator.state.face_sets import State

MAX_FACE_SETS = 10  # for one user, page 0088


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
