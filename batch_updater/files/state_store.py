"""
What was last applied, per face, in one SQLite file.

SQLite's own locks make it safe for several processes, and its rollback journal safe
for a process that is killed and a machine that loses power. A face takes the bytes of
its id, of its values and some ten more: which fields it has is a number (its shape),
shared by all faces with the same fields.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from itertools import starmap
from pathlib import Path
from typing import Any

import orjson

from batch_updater.errors import StateError
from batch_updater.files.disk import sync_directory
from batch_updater.files.private import create_private, make_private_folder
from batch_updater.files.state_rows import (
    FORGOTTEN,
    UNSURE,
    Counts,
    DoubtKey,
    DoubtRow,
    FaceRow,
    Owner,
    SessionRow,
)
from batch_updater.files.state_trouble import naming_trouble, not_ours

VERSION = 1
OURS = 0x46525331
"""What SQLite keeps at byte 68 of the file: whose it is."""

_PATIENCE = 60.0  # seconds that another process may take for a step of its own
_CACHE = 64 << 10  # KiB
_UNKNOWN = 0  # the shape of a face of which nothing is known
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE fields (
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, live INTEGER NOT NULL);
CREATE TABLE shapes (
  number INTEGER PRIMARY KEY AUTOINCREMENT, fields TEXT NOT NULL UNIQUE);
CREATE TABLE sessions (
  number INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL,
  run_id TEXT NOT NULL, created_at TEXT NOT NULL, directory TEXT NOT NULL,
  start INTEGER NOT NULL, absorbed INTEGER NOT NULL, over INTEGER NOT NULL,
  merges INTEGER NOT NULL);
CREATE TABLE faces (
  id TEXT PRIMARY KEY, shape INTEGER NOT NULL, held TEXT NOT NULL,
  at INTEGER NOT NULL, run INTEGER NOT NULL, mark INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE doubts (
  face TEXT NOT NULL, run INTEGER NOT NULL, source TEXT NOT NULL,
  row_number INTEGER NOT NULL, session INTEGER NOT NULL, until REAL,
  mark INTEGER NOT NULL, carried INTEGER NOT NULL, PRIMARY KEY (face, run, source, row_number)) WITHOUT ROWID;
CREATE INDEX doubts_by_session ON doubts (session);
"""
_KNOWN = f"""
SELECT f.id, f.shape, f.held, f.at FROM json_each(?) AS asked
CROSS JOIN faces AS f ON f.id = asked.value
WHERE f.shape > 0 AND NOT EXISTS (SELECT 1 FROM doubts AS d WHERE d.face = f.id)
AND NOT EXISTS (SELECT 1 FROM meta WHERE name IN ('{UNSURE}', '{FORGOTTEN}') AND value <> '')
"""  # noqa: S608  (names of ours)
_COUNTED = """
SELECT count(*), min(at), max(at) FROM faces
WHERE shape > 0 AND id NOT IN (SELECT face FROM doubts)
"""
_ROWS = """
SELECT f.id, f.shape, f.held, f.at, f.run, f.mark FROM json_each(?) AS asked
CROSS JOIN faces AS f ON f.id = asked.value
"""
_DOUBTS = """
SELECT d.face, d.run, d.source, d.row_number, d.session, d.until, d.mark, d.carried
FROM json_each(?) AS asked CROSS JOIN doubts AS d ON d.face = asked.value
"""

_DROP_DOUBT = """
DELETE FROM doubts WHERE face = ? AND run = ? AND source = ? AND row_number = ?
"""


class StateStore:
    """
    The file of one state, open; one thread at a time may use it.

    Args:
        path: made (0600) when it is missing.
        owner: whose state it is, and has to be.
        patience: seconds to wait for another process.

    Raises:
        StateError: it cannot be used: somebody else's, newer, damaged, or no room.
    """

    def __init__(
        self, path: Path, owner: Owner, *, patience: float = _PATIENCE
    ) -> None:
        self.path = path
        self.owner = owner
        self._shapes: dict[int, tuple[str | None, ...]] = {}
        self._numbers: dict[tuple[str, ...], int] = {}
        with naming_trouble(path):
            _make(path)
            self._db = sqlite3.connect(
                path, timeout=patience, isolation_level=None, check_same_thread=False
            )
            try:
                self._settle()
            except BaseException:
                self._db.close()
                raise

    def _settle(self) -> None:
        self._db.execute(f"PRAGMA cache_size = -{_CACHE}")
        self._db.execute("PRAGMA synchronous = FULL")
        if self._pragma("user_version") == 0:
            with self.transaction():
                if self._pragma("user_version") == 0:
                    self._begin_file()
        version, maker = self._pragma("user_version"), self._pragma("application_id")
        if maker != OURS:
            raise not_ours(self.path)
        if version > VERSION:
            raise StateError(
                f"{self.path} is a state of version {version}, and this version of "
                f"batch-updater reads up to {VERSION}",
                hint="Use the version that made it or a later one, or forget it: "
                "batch-updater state forget",
            )
        self._refuse_other_owner()

    def _begin_file(self) -> None:
        if self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
            return  # somebody else's database
        for statement in _TABLES.split(";"):
            self._db.execute(statement)
        self.note("endpoint", self.owner.endpoint)
        self.note("project_id", self.owner.project_id)
        self.note("face_set_name", self.owner.face_set_name)
        self._db.execute(f"PRAGMA application_id = {OURS}")
        self._db.execute(f"PRAGMA user_version = {VERSION}")

    def _refuse_other_owner(self) -> None:
        said = [
            self.noted(name) for name in ("endpoint", "project_id", "face_set_name")
        ]
        if Owner(*said) != self.owner:
            raise StateError(
                f"{self.path} is the state of face set {said[2]} of project {said[1]} "
                f"at {said[0]}",
                hint="A state belongs to one face set: put the file back where it "
                "was, or delete this copy.",
            )

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """
        Do all that the block does, or nothing; no other process writes meanwhile.

        Raises:
            StateError: it cannot be done.
        """
        with naming_trouble(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            # Another process may have begun anew since.
            self._shapes.clear()
            self._numbers.clear()
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._shapes.clear()
                self._numbers.clear()
                raise

    def noted(self, name: str) -> str:
        """Return what was noted under a name, or nothing."""
        found = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,))
        return next((str(value) for (value,) in found), "")

    def note(self, name: str, value: str) -> None:
        """Note something about the state itself."""
        self._db.execute("REPLACE INTO meta VALUES (?, ?)", (name, value))

    def counts(self) -> Counts:
        """Return how many faces there are, and how old what is known is."""
        with naming_trouble(self.path):
            count, oldest, newest = self._db.execute(_COUNTED).fetchone()
            doubts = self._db.execute("SELECT count(DISTINCT face) FROM doubts")
            return Counts(count, oldest, newest, in_doubt=doubts.fetchone()[0])

    def known(
        self, face_ids: Sequence[str]
    ) -> Iterator[tuple[str, dict[str, Any], int]]:
        """Yield (id, fields, when) of those of these faces that are known."""
        with naming_trouble(self.path):
            for face_id, shape, held, at in self._db.execute(_KNOWN, _listed(face_ids)):
                yield face_id, self._unpack(shape, held), at

    def faces(self, face_ids: Sequence[str]) -> Iterator[FaceRow]:
        """Yield all that is kept of these faces, but for doubts."""
        for face_id, shape, held, *rest in self._db.execute(_ROWS, _listed(face_ids)):
            fields = None if shape == _UNKNOWN else self._unpack(shape, held)
            yield FaceRow(face_id, fields, *rest)

    def put_faces(self, faces: Iterable[FaceRow]) -> None:
        """Replace what is kept of faces; in order of their ids is fastest."""
        self._db.executemany(
            "REPLACE INTO faces VALUES (?, ?, ?, ?, ?, ?)",
            ((f.face_id, *self._pack(f.fields), f.at, f.run, f.mark) for f in faces),
        )

    def doubts(self, face_ids: Sequence[str]) -> Iterator[DoubtRow]:
        """Yield the rows of these faces that are in doubt."""
        yield from starmap(DoubtRow, self._db.execute(_DOUBTS, _listed(face_ids)))

    def put_doubts(self, doubts: Iterable[DoubtRow]) -> None:
        """Add rows that are in doubt."""
        self._db.executemany(
            "REPLACE INTO doubts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(astuple, doubts)
        )

    def drop_doubts(self, keys: Iterable[DoubtKey]) -> None:
        """Remove rows that are in doubt no more."""
        self._db.executemany(_DROP_DOUBT, keys)

    def drop_unsent(self, keys: Iterable[DoubtKey]) -> None:
        """Remove rows that were never sent, unless an earlier session may have."""
        self._db.executemany(f"{_DROP_DOUBT} AND NOT carried", keys)

    def drop_unanswered(self, session: int) -> None:
        """Remove the rows of a session without an outcome: it has sent none of them."""
        self._db.execute(
            "DELETE FROM doubts WHERE session = ? AND until IS NULL AND NOT carried",
            (session,),
        )

    def settle_doubts(self, session: int, until: float) -> None:
        """Let no row of a session be under way after a moment."""
        self._db.execute(
            "UPDATE doubts SET until = ?, mark = ? WHERE session = ? AND until IS NULL",
            (until, self.last_session(), session),
        )

    def sessions(self, run: int | None = None) -> list[SessionRow]:
        """Return all sessions, or those of a run, in the order in which they began."""
        found = self._db.execute(
            "SELECT * FROM sessions WHERE run = ifnull(?, run) ORDER BY number", (run,)
        )
        return [SessionRow(*row[:7], *map(bool, row[7:])) for row in found]

    def last_session(self) -> int:
        """Return the number of the latest session, or 0."""
        found = self._db.execute("SELECT max(number) FROM sessions").fetchone()
        return int(found[0] or 0)

    def add_session(self, session: SessionRow) -> SessionRow:
        """Add a session and return it with its number; run 0 means that it is new."""
        s = session
        facts = (s.run_id, s.created_at, s.directory, s.start, s.absorbed)
        cursor = self._db.execute(
            "INSERT INTO sessions (run, run_id, created_at, directory, start, absorbed, "
            "over, merges) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (s.run, *facts, s.over, s.merges),
        )
        number = int(cursor.lastrowid or 0)
        added = replace(session, number=number, run=session.run or number)
        self.join_run(number, added.run)
        return added

    def join_run(self, session: int, run: int) -> None:
        """Note whose session it is."""
        self._db.execute("UPDATE sessions SET run = ? WHERE number = ?", (run, session))

    def advance(self, session: int, absorbed: int) -> None:
        """Note up to where a session's journal has been taken in."""
        self._db.execute(
            "UPDATE sessions SET absorbed = ? WHERE number = ?", (absorbed, session)
        )

    def end_session(self, session: int) -> None:
        """Note that a session sends nothing more."""
        self._db.execute("UPDATE sessions SET over = 1 WHERE number = ?", (session,))

    def forget_fields(self, names: Iterable[str]) -> None:
        """Let the values of fields be unknown for all faces."""
        rows = ((name,) for name in names)
        self._db.executemany("UPDATE fields SET live = 0 WHERE name = ?", rows)
        self._shapes.clear()
        self._numbers.clear()

    def forget_values(self) -> None:
        """Let all faces be unknown; those in doubt stay so."""
        self._db.execute("UPDATE faces SET shape = ?, held = ''", (_UNKNOWN,))

    def forget_faces(self) -> None:
        """Let all faces be unknown, and none in doubt."""
        # Shapes stay: who is reading meanwhile has still to make sense of a row.
        self._db.execute("DELETE FROM faces")
        self._db.execute("DELETE FROM doubts")

    def forget_sessions(self, numbers: Iterable[int]) -> None:
        """Remove sessions."""
        rows = ((number,) for number in numbers)
        self._db.executemany("DELETE FROM sessions WHERE number = ?", rows)

    def shrink(self) -> None:
        """Give back the room of what was deleted."""
        with naming_trouble(self.path):
            self._db.execute("VACUUM")

    def _pack(self, fields: Mapping[str, Any] | None) -> tuple[int, str]:
        if fields is None:
            return _UNKNOWN, ""
        names = tuple(sorted(fields))
        held = orjson.dumps([fields[name] for name in names]).decode()
        number = self._numbers.get(names)
        if number is None:
            number = self._numbers[names] = self._shape_of(names)
        return number, held[1:-1]

    def _shape_of(self, names: tuple[str, ...]) -> int:
        numbers = orjson.dumps([self._field_number(name) for name in names]).decode()
        self._db.execute("INSERT OR IGNORE INTO shapes (fields) VALUES (?)", (numbers,))
        found = self._db.execute(
            "SELECT number FROM shapes WHERE fields = ?", (numbers,)
        )
        return int(found.fetchone()[0])

    def _field_number(self, name: str) -> int:
        found = self._db.execute(
            "SELECT number FROM fields WHERE name = ? AND live", (name,)
        ).fetchone()
        if found:
            return int(found[0])
        added = self._db.execute(
            "INSERT INTO fields (name, live) VALUES (?, 1)", (name,)
        )
        return int(added.lastrowid or 0)

    def _unpack(self, shape: int, held: str) -> dict[str, Any]:
        names = self._shapes.get(shape)
        if names is None:
            names = self._shapes[shape] = self._names_of(shape)
        values = orjson.loads(f"[{held}]")
        return {n: v for n, v in zip(names, values, strict=True) if n is not None}

    def _names_of(self, shape: int) -> tuple[str | None, ...]:
        """Return a shape's fields; None for one whose values are not to be believed."""
        (numbers,) = self._db.execute(
            "SELECT fields FROM shapes WHERE number = ?", (shape,)
        ).fetchone()
        live = dict(self._db.execute("SELECT number, name FROM fields WHERE live"))
        return tuple(live.get(number) for number in orjson.loads(numbers))


def _listed(face_ids: Sequence[str]) -> tuple[str]:
    return (orjson.dumps(list(face_ids)).decode(),)


def _make(path: Path) -> None:
    make_private_folder(path.parent)
    try:
        fd = create_private(path)
    except FileExistsError:
        return
    os.close(fd)
    sync_directory(path.parent)
