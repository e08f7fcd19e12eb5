"""All face sets of one project, in memory; knows neither the wire nor the disk."""

import random
import string
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from batch_updater.emulator.state.changes import Changes, SetChange
from batch_updater.emulator.state.face import (
    Face,
    SeedError,
    as_bytes,
    check_declared,
    face_from_json,
)
from batch_updater.emulator.state.face_set import MAX_CAPACITY, FaceSet
from batch_updater.emulator.state.picture import Portrait

ID_LETTERS = string.ascii_letters + string.digits


def utc_now() -> datetime:
    """Return the wall clock in UTC."""
    return datetime.now(UTC)


class Chance:
    """Ids from a seeded source: two runs of a test see the same ones."""

    def __init__(self, seed: int | str = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def face_id(self, taken: Collection[str] = ()) -> str:
        """Return 8 letters and digits that are not in `taken`."""
        while (made := "".join(self._random.choices(ID_LETTERS, k=8))) in taken:
            pass
        return made

    def image_id(self) -> str:
        """Return an id like those FRS makes up: a UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds until readers see a face just added, and values just updated."""

    added: float = 0.0
    updated: float = 0.0


class State:
    """Face sets by name; `changes`, when there are any, are kept for a data file."""

    def __init__(
        self,
        seed: int | str = 0,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        lag: Lag = Lag(),
        changes: Changes | None = None,
    ) -> None:
        self._chance = Chance(seed)
        self._now, self._clock, self._lag = now, clock, lag
        self._lagging = lag != Lag()
        self.face_sets: dict[str, FaceSet] = {}
        self.changes = changes

    def face(self, face_set_name: str, face_id: str) -> Face:
        """Return one face; KeyError when the set or the face is unknown."""
        return self.face_sets[face_set_name].faces[face_id]

    def faces(self, face_set_name: str) -> list[Face]:
        """Return the faces of a set in order; KeyError when the set is unknown."""
        return list(self.face_sets[face_set_name].faces.values())

    def find(self, name: str) -> FaceSet | None:
        """Return a face set, if there is one, with everything shown that is due."""
        face_set = self.face_sets.get(name)
        if self._lagging and face_set is not None:
            face_set.settle(self._clock())
        return face_set

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
        as_bytes(name, "the name of a face set")
        fields = dict(external_fields or {})
        check_declared(f"face set {name!r}", fields)
        made = f"{self._now():%Y-%m-%d %H:%M:%S}"
        taken = {each.face_set_id for each in self.face_sets.values()}
        set_id = self._chance.face_id(taken)
        face_set = FaceSet(name, set_id, made, capacity, fields)
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
        if self.changes is not None:
            self.changes.declared(name)
        return face_set

    def put_face_set(self, face_set: FaceSet) -> None:
        """Take in a ready face set, replacing one of that name."""
        self.face_sets[face_set.name] = face_set
        if self.changes is not None:
            self.changes.made(face_set)

    def restore(self, face_set: FaceSet) -> None:
        """Take in a face set that the data file has, replacing one of that name."""
        self.face_sets[face_set.name] = face_set
        if self.changes is not None:
            self.changes.forget(face_set.name)

    def take_changes(self) -> list[SetChange]:
        """Return what changed since the last time, for the data file."""
        return [] if self.changes is None else self.changes.take(self.face_sets)

    def delete_face_set(self, name: str) -> None:
        """Drop a face set with all its faces."""
        del self.face_sets[name]
        if self.changes is not None:
            self.changes.dropped(name)

    def add_faces(
        self,
        face_set: FaceSet,
        portraits: Iterable[Portrait],
        external_fields: Mapping[str, object],
        external_image_id: str | None = None,
    ) -> list[Face]:
        """Add the faces of one picture; they share an image id, made up if None."""
        image_id = external_image_id or self._chance.image_id()
        added = []
        for each in portraits:
            face_id = self._chance.face_id(face_set.faces)
            face = Face(face_id, image_id, each.box, external_fields, each.fingerprint)
            self._put(face_set, face, self._lag.added)
            added.append(face)
        return added

    def put_face(self, face_set: FaceSet, face: Face) -> None:
        """Store an updated face under its id."""
        self._put(face_set, face, self._lag.updated)

    def remove_face(self, face_set: FaceSet, face_id: str) -> None:
        """Drop one face that is shown."""
        face_set.remove(face_id)
        self._touched(face_set, face_id)

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
        number = len(face_set.faces.keys() | {face.face_id for face in seeds})
        if number > face_set.capacity:
            limit = f"holds {face_set.capacity} faces at most, not {number}"
            raise SeedError(f"face set {face_set_name!r} {limit}")
        face_set.put_all(seeds)
        for face in seeds:
            self._touched(face_set, face.face_id)
        return len(seeds)

    def _put(self, face_set: FaceSet, face: Face, lag: float) -> None:
        if lag:
            face_set.put_late(face, self._clock() + lag)
        else:
            face_set.put(face)
        self._touched(face_set, face.face_id)

    def _touched(self, face_set: FaceSet, face_id: str) -> None:
        if self.changes is not None:
            self.changes.touched(face_set.name, face_id)

    def _seed(self, face_set: FaceSet, raw: object) -> Face:
        image_id = self._chance.image_id()
        return face_from_json(raw, face_set.external_fields, image_id)
