"""Runs as a state sees them: directories with a run.json and a journal, no network."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batch_updater.files.inputs import Input, InputFormat
from batch_updater.files.journal import Journal
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.state_rows import Owner, SessionRow
from batch_updater.files.state_store import StateStore
from batch_updater.frs.protocol import encode_update
from batch_updater.manifest import Manifest
from batch_updater.mapping.comparison import update_of
from batch_updater.models import Attempt, FieldType, Outcome, Result
from batch_updater.states.catching_up import Clock, catch_up, now
from batch_updater.states.opening import State, open_state
from batch_updater.states.places import StatePlace
from batch_updater.states.registering import Beginning, register

OWNER = Owner("https://face.example.com", "project", "staff")
TYPES = {"age": FieldType.INTEGER, "team": FieldType.STRING}
SOURCE = "rows.csv"
LATENCY = 0.1
NOON = 1_800_000_000.0


@dataclass
class Book:
    """A run directory with an open journal; what it notes is on disk at once."""

    directory: RunDirectory
    journal: Journal
    manifest: Manifest

    def sending(self, rows: Mapping[int, str]) -> None:
        """Note rows that may be sent from now on: face ids by row number."""
        facts = {"source": SOURCE, "faces": [*rows.values()], "rows": [*rows]}
        self.journal.note("sending", facts)

    def result(
        self,
        row: int,
        face_id: str,
        fields: Mapping[str, Any] | None = None,
        outcome: Outcome = Outcome.UPDATED,
        at: float = NOON,
        **facts: Any,
    ) -> None:
        """Write down how a row ended; with fields it was sent."""
        payload = "" if fields is None else encode_update(update_of(face_id, fields))
        attempts = (Attempt(at, LATENCY, 200),)
        result = Result(
            source=SOURCE,
            row_number=row,
            face_set_name=OWNER.face_set_name,
            face_id=face_id,
            outcome=outcome,
            attempts=attempts,
            payload=payload if isinstance(payload, str) else payload.decode(),
        )
        self.journal.write(replace(result, **facts))

    def clock(self) -> float:
        """Return when an attempt was begun that is answered just now."""
        return datetime.now(UTC).timestamp() - LATENCY

    def end(self, stop: Mapping[str, Any] | None = None) -> None:
        """Note the end of a session."""
        self.journal.note("end", {"stop": stop})

    def close(self) -> None:
        """Let go of the journal, as a process that ends or is killed."""
        self.journal.close()


def open_book(
    folder: Path, name: str, created_at: str = "2026-11-25T00:00:00Z"
) -> Book:
    """Begin a run."""
    path = folder / name
    path.mkdir()
    directory = RunDirectory(path)
    journal = Journal(directory.journal, new=True)
    manifest = Manifest(
        tool_version="1",
        run_id=name,
        created_at=created_at,
        settings={"face-set": (OWNER.face_set_name,)},
        inputs=(Input(Path(SOURCE), SOURCE, InputFormat.CSV, None, 1, "0"),),
        rows={SOURCE: 1_000_000},
        declared=TYPES,
        header=("face_id",),
    )
    manifest.save(directory)
    journal.note("session", {"command": "run", "version": "1", "format": 1})
    return Book(directory, journal, manifest)


def go_on(book: Book) -> Book:
    """Resume a run."""
    journal = Journal(book.directory.journal)
    journal.note("session", {"command": "resume", "version": "1", "format": 1})
    return replace(book, journal=journal)


def keep(
    folder: Path, book: Book, clock: Clock = now, **facts: Any
) -> list[SessionRow]:
    """Let the state in a folder know of a run, as one that keeps it does."""
    beginning = Beginning(
        key=book.manifest.key,
        directory=book.directory.path,
        start=book.directory.journal.stat().st_size,
        declared=TYPES,
        face_set_id="set1",
        merges=False,
    )
    with opened_store(folder) as store:
        catch_up(store, clock)
        return register(store, replace(beginning, **facts), clock)


@contextmanager
def opened_store(folder: Path) -> Iterator[StateStore]:
    """Open the file of the state in a folder."""
    store = StateStore(StatePlace(folder / "state", OWNER).path, OWNER)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def opened(folder: Path) -> Iterator[State]:
    """Open the state in a folder."""
    parts = (OWNER.endpoint, OWNER.project_id, OWNER.face_set_name)
    with open_state(folder / "state", *parts) as state:
        yield state


def known(
    folder: Path, *face_ids: str, clock: Clock = now
) -> dict[str, Mapping[str, Any]]:
    """Return the fields of those of these faces that are known by now."""
    with opened(folder) as state:
        state.catch_up(clock)
        found = state.look_up(face_ids)
        return {face_id: found[face_id].fields for face_id in found}
