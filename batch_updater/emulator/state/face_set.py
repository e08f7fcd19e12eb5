"""One face set: its declaration, its faces, and what readers see of them already."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from batch_updater.emulator.state.face import Face

MAX_CAPACITY = 100_000  # features in one face set, page 0088

Late = tuple[float, int, Face]  # when it is due, its place in the queue, the face


@dataclass(slots=True)
class FaceSet:
    """
    A face set; its faces by face id, in order of arrival.

    `faces` holds the truth, `shown` what a reader finds: the two differ by the
    changes whose time has not come (frs-api.md 3.4).
    """

    name: str
    face_set_id: str
    create_date: str
    capacity: int = MAX_CAPACITY
    external_fields: dict[str, str] = field(default_factory=dict)
    faces: dict[str, Face] = field(default_factory=dict)
    shown: dict[str, Face] = field(init=False, compare=False, repr=False)
    _late: list[Late] = field(
        init=False, compare=False, repr=False, default_factory=list
    )
    _queued: int = field(init=False, compare=False, repr=False, default=0)

    def __post_init__(self) -> None:
        self.shown = dict(self.faces)

    def as_json(self) -> dict[str, object]:
        """Return FRS's FaceSetInfo object (page 0020)."""
        fields = {name: {"type": kind} for name, kind in self.external_fields.items()}
        return {
            "face_number": len(self.faces),
            "face_set_id": self.face_set_id,
            "face_set_name": self.name,
            "create_date": self.create_date,
            "face_set_capacity": self.capacity,
            "external_fields": fields,
        }

    def put(self, face: Face) -> None:
        """Store a face for everybody to see."""
        self.faces[face.face_id] = self.shown[face.face_id] = face

    def put_late(self, face: Face, due: float) -> None:
        """Store a face that readers see as it is now once the clock says `due`."""
        self.faces[face.face_id] = face
        self._queued += 1
        heapq.heappush(self._late, (due, self._queued, face))

    def put_all(self, faces: Iterable[Face]) -> None:
        """Store faces for everybody to see, whatever was to be shown later."""
        added = {face.face_id: face for face in faces}
        self._late = [late for late in self._late if late[2].face_id not in added]
        heapq.heapify(self._late)
        self.faces |= added
        self.shown |= added

    def remove(self, face_id: str) -> None:
        """Drop a face that is shown."""
        del self.faces[face_id], self.shown[face_id]

    def settle(self, now: float) -> None:
        """Show everything that is due."""
        while self._late and self._late[0][0] <= now:
            face = heapq.heappop(self._late)[2]
            if face.face_id in self.faces:
                self.shown[face.face_id] = face
