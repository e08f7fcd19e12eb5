"""A state, open: what was last applied to a face set, as far as it is sure."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from batch_updater.files.state_rows import FORGOTTEN, Counts
from batch_updater.files.state_store import StateStore
from batch_updater.models import FieldType
from batch_updater.states.catching_up import Clock, catch_up, now, runs_of
from batch_updater.states.places import (
    DECLARED,
    StatePlace,
    place_of,
    state_directory,
)
from batch_updater.states.seeing import SeenFace, renew, take_seen

__all__ = ["Known", "State", "StateFacts", "open_state", "state_directory"]


@dataclass(frozen=True, slots=True)
class StateFacts:
    """
    Whose state it is, and what of.

    Args:
        declared: types of the face set's custom fields when a run last asked.
        faces: how many faces are known.
    """

    endpoint: str
    project_id: str
    face_set_name: str
    declared: Mapping[str, FieldType]
    faces: int


@dataclass(frozen=True, slots=True)
class Known:
    """
    What a face was last given.

    Args:
        fields: by the names of mapping/comparison.
        at: when, in seconds since the epoch.
    """

    fields: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class Runs:
    """How many runs have kept a state; those that are open may still change faces."""

    all: int
    open: int


class State:
    """
    What was last applied, per face.

    A face of which anything is open is not known: its row is under way, or may have
    been applied without an answer; or two runs changed it at the same time.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._sure = True

    @property
    def facts(self) -> StateFacts:
        """Whose state it is, and how many faces it knows."""
        owner = self._store.owner
        return StateFacts(
            endpoint=owner.endpoint,
            project_id=owner.project_id,
            face_set_name=owner.face_set_name,
            declared=declared_in(self._store),
            faces=self._store.counts().known if self._sure else 0,
        )

    @property
    def is_kept(self) -> bool:
        """Whether runs keep it: it has not been forgotten since the last that did."""
        return not self._store.noted(FORGOTTEN)

    @property
    def is_begun(self) -> bool:
        """Whether a run or a plan has begun it, and nobody has forgotten it since."""
        return self.is_kept and bool(self._store.noted(DECLARED))

    @property
    def is_sure(self) -> bool:
        """Whether all that runs did is known, as of the last catching up."""
        return self._sure

    @property
    def counts(self) -> Counts:
        """How many faces are known, since when, and how many are in doubt."""
        return self._store.counts()

    @property
    def runs(self) -> Runs:
        """How many runs have kept it."""
        runs = runs_of(self._store)
        return Runs(len(runs), sum(not run[-1].over for run in runs))

    def catch_up(self, clock: Clock = now) -> list[str]:
        """
        Take in the journals of runs that keep this state; to be called first.

        Returns:
            Remarks for people: a journal is gone or damaged. Nothing is known then.
        """
        remarks = catch_up(self._store, clock)
        self._sure = not remarks
        return remarks

    def renew(
        self, declared: Mapping[str, FieldType], face_set_id: str, clock: Clock = now
    ) -> None:
        """Begin the state anew if it is forgotten; forget what the face set cannot hold."""
        with self._store.transaction():
            renew(self._store, declared, face_set_id, clock())

    def see(self, seen: Mapping[str, SeenFace]) -> None:
        """Take in what faces were seen to hold, unless nothing here is sure."""
        if self._sure:
            take_seen(self._store, seen)

    def look_up(self, face_ids: Sequence[str]) -> dict[str, Known]:
        """Return what is known of faces; those that are not, or in doubt, are absent."""
        if not self._sure:
            return {}
        return {
            face_id: Known(fields, float(at))
            for face_id, fields, at in self._store.known(face_ids)
        }


def declared_in(store: StateStore) -> dict[str, FieldType]:
    """Return the types that a face set declared when a run last asked."""
    said = store.noted(DECLARED)
    types = orjson.loads(said) if said else {}
    return {name: FieldType(kind) for name, kind in types.items()}


@contextmanager
def open_state(
    directory: Path, endpoint: str, project_id: str, face_set_name: str
) -> Iterator[State]:
    """
    Open the state of a face set, and make it if it is missing.

    Args:
        directory: of all states, as state_directory gives it.

    Raises:
        StateError: it is somebody else's, newer, damaged, or cannot be written.
    """
    with open_place(place_of(directory, endpoint, project_id, face_set_name)) as state:
        yield state


@contextmanager
def open_place(place: StatePlace) -> Iterator[State]:
    """Open the state in its place, as open_state does."""
    with closing(StateStore(place.path, place.owner)) as store:
        yield State(store)
