"""All face sets of one emulator, in memory; knows neither the wire nor the disk."""

import random
import string
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime

from batch_updater.emulator.face import (
    MAX_CAPACITY,
    Box,
    Face,
    FaceSet,
    SeedError,
    check_declared,
    face_from_json,
)

ID_LETTERS = string.ascii_letters + string.digits


def utc_now() -> datetime:
    """Return the wall clock in UTC."""
    return datetime.now(UTC)


class Chance:
    """Ids and boxes from a seeded source: two runs of a test see the same ones."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def face_id(self, taken: Collection[str] = ()) -> str:
        """Return 8 letters and digits that are not in `taken`."""
        while (made := "".join(self._random.choices(ID_LETTERS, k=8))) in taken:
            pass
        return made

    def image_id(self) -> str:
        """Return an id like those FRS makes up: a UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def box(self) -> Box:
        """Return a square somewhere in a picture, in pixels."""
        side, left, top = (self._random.randrange(40, 400) for _ in range(3))
        return (side, left, top, side)


class State:
    """Face sets by name; `version` rises with every change."""

    def __init__(self, seed: int = 0, now: Callable[[], datetime] = utc_now) -> None:
        self._chance = Chance(seed)
        self._now = now
        self.face_sets: dict[str, FaceSet] = {}
        self.version = 0

    def face(self, face_set_name: str, face_id: str) -> Face:
        """Return one face; KeyError when the set or the face is unknown."""
        return self.face_sets[face_set_name].faces[face_id]

    def faces(self, face_set_name: str) -> list[Face]:
        """Return the faces of a set in order; KeyError when the set is unknown."""
        return list(self.face_sets[face_set_name].faces.values())

    def add_face_set(
        self,
        name: str,
        *,
        external_fields: Mapping[str, str] | None = None,
        capacity: int = MAX_CAPACITY,
    ) -> FaceSet:
        """Create a face set; `external_fields` maps a field's name to its FRS type."""
        if name in self.face_sets:
            raise SeedError(f"face set {name!r} exists already")
        fields = dict(external_fields or {})
        check_declared(f"face set {name!r}", fields)
        made = f"{self._now():%Y-%m-%d %H:%M:%S}"
        face_set = FaceSet(name, self._chance.face_id(), made, capacity, fields)
        self.put_face_set(face_set)
        return face_set

    def extend_face_set(self, name: str, external_fields: Mapping[str, str]) -> FaceSet:
        """Create the set, or declare more fields in it; a field keeps its type."""
        if name not in self.face_sets:
            return self.add_face_set(name, external_fields=external_fields)
        face_set = self.face_sets[name]
        fields = {**face_set.external_fields, **external_fields}
        check_declared(f"face set {name!r}", fields)
        for field, kind in face_set.external_fields.items():
            if fields[field] != kind:
                raise SeedError(f"face set {name!r}: field {field!r} is a {kind}")
        face_set.external_fields = fields
        self.version += 1
        return face_set

    def put_face_set(self, face_set: FaceSet) -> None:
        """Take in a ready face set, replacing one of that name."""
        self.face_sets[face_set.name] = face_set
        self.version += 1

    def delete_face_set(self, name: str) -> None:
        """Drop a face set with all its faces."""
        del self.face_sets[name]
        self.version += 1

    def add_face(
        self,
        face_set: FaceSet,
        external_fields: Mapping[str, object],
        external_image_id: str | None = None,
    ) -> Face:
        """Add a face with a fresh id; an image id is made up when there is none."""
        face = Face(
            self._chance.face_id(face_set.faces),
            external_image_id or self._chance.image_id(),
            self._chance.box(),
            external_fields,
        )
        self.put_face(face_set, face)
        return face

    def put_face(self, face_set: FaceSet, face: Face) -> None:
        """Store a face under its id: the one way in which a single face changes."""
        face_set.faces[face.face_id] = face
        self.version += 1

    def seed_faces(
        self, face_set_name: str, faces: Iterable[Mapping[str, object]]
    ) -> int:
        """
        Store ready faces, replacing those with a known face id; return how many.

        A face has `face_id` (required), `external_image_id`, `external_fields` and
        `bounding_box`. On a SeedError nothing is stored.
        """
        face_set = self.face_sets.get(face_set_name)
        if face_set is None:
            raise SeedError(f"face set {face_set_name!r} does not exist")
        seeds = [self._seed(face_set, raw) for raw in faces]
        stored = face_set.faces | {face.face_id: face for face in seeds}
        if len(stored) > face_set.capacity:
            limit = f"holds {face_set.capacity} faces at most, not {len(stored)}"
            raise SeedError(f"face set {face_set_name!r} {limit}")
        face_set.faces = stored
        self.version += 1
        return len(seeds)

    def _seed(self, face_set: FaceSet, raw: object) -> Face:
        image_id, box = self._chance.image_id(), self._chance.box()
        return face_from_json(raw, face_set.external_fields, image_id, box)
