"""What the data file does not know yet of one project's face sets; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from batch_updater.emulator.state.face import Face
from batch_updater.emulator.state.face_set import FaceSet

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class SetChange:
    """
    One face set to write: its declaration, faces to store, and face ids to drop.

    With `anew` everything that was stored under its name goes first; `info` is None
    for a face set that is no more.
    """

    name: str
    anew: bool
    info: Json | None
    stored: tuple[Face, ...] = ()
    dropped: tuple[str, ...] = ()


class Changes:
    """Names and face ids, in order, of what changed since the last `take`."""

    def __init__(self) -> None:
        self._anew: set[str] = set()
        # Face ids as a dict, for a set would lose the order of arrival.
        self._faces: dict[str, dict[str, None]] = {}

    def made(self, face_set: FaceSet) -> None:
        """Write down a face set with all it holds, in place of one of its name."""
        self._anew.add(face_set.name)
        self._faces[face_set.name] = dict.fromkeys(face_set.faces)

    def forget(self, name: str) -> None:
        """Take back what was written down of a face set."""
        self._anew.discard(name)
        self._faces.pop(name, None)

    def dropped(self, name: str) -> None:
        """Write down that a face set is no more."""
        self._anew.add(name)
        self._faces[name] = {}

    def declared(self, name: str) -> None:
        """Write down that the declaration of a face set changed."""
        self._faces.setdefault(name, {})

    def touched(self, name: str, face_id: str) -> None:
        """Write down that one face is new, different or gone."""
        faces = self._faces.get(name)
        if faces is None:
            faces = self._faces[name] = {}
        faces[face_id] = None

    def take(self, face_sets: Mapping[str, FaceSet]) -> list[SetChange]:
        """Return what changed, as it is now, and start again."""
        anew, faces = self._anew, self._faces
        self._anew, self._faces = set(), {}
        return [
            _change(name, name in anew, ids, face_sets.get(name))
            for name, ids in faces.items()
        ]


def _change(
    name: str, anew: bool, ids: Mapping[str, None], face_set: FaceSet | None
) -> SetChange:
    if face_set is None:
        return SetChange(name, anew, None)
    faces = face_set.faces
    stored = tuple(faces[face_id] for face_id in ids if face_id in faces)
    dropped = () if anew else tuple(face_id for face_id in ids if face_id not in faces)
    return SetChange(name, anew, face_set.as_json(), stored, dropped)
