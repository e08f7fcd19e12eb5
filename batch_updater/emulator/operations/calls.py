"""A request to a face set, and the words its answers share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.rules import Rules
from batch_updater.emulator.state.face_set import FaceSet
from batch_updater.emulator.state.face_sets import State

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Call:
    """One FRS request that passed the gate; `operation` as the SDK names it."""

    operation: str
    face_set_name: str
    query: Mapping[str, str]
    content: Mapping[str, object]

    @property
    def face_id(self) -> str | None:
        """The face it is about, if it names one."""
        named = self.content.get("face_id", self.query.get("face_id"))
        return named if isinstance(named, str) else None


# Checks first, then one change; a Refusal means that nothing changed.
Operation = Callable[[State, Rules, Call], Json]


def face_set_of(state: State, call: Call) -> FaceSet:
    """Return the face set a call names, or refuse with FRS.0302."""
    face_set = state.find(call.face_set_name)
    if face_set is None:
        raise Refusal("FRS.0302")
    return face_set


def identity(face_set: FaceSet) -> Json:
    """Return how an answer names its face set."""
    return {"face_set_id": face_set.face_set_id, "face_set_name": face_set.name}


def counted(face_set: FaceSet, face_number: int) -> Json:
    """Return the success body of an update or a delete (pages 0095 to 0097)."""
    return {"face_number": face_number, **identity(face_set)}
