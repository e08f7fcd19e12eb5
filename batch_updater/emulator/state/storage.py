"""The states on disk: one SQLite file, written in batches by one emulator at a time."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from os.path import samestat
from pathlib import Path
from typing import Any

from batch_updater.emulator.answers import encode
from batch_updater.emulator.state.changes import SetChange
from batch_updater.emulator.state.face import Face, check_declared
from batch_updater.emulator.state.face_set import FaceSet
from batch_updater.emulator.state.projects import Scope

APPLICATION = 0x46525345  # "FRSE", in the head of the file
FORMAT = 1
PRIMARY = 0xFF  # the part of SQLite's error codes that the kinds below are in
ADVICE = "it is left as it is: move it away, or name another one"

SCHEMA = f"""
CREATE TABLE face_set (
  id INTEGER PRIMARY KEY, project_id TEXT NOT NULL, version TEXT NOT NULL,
  name TEXT NOT NULL, face_set_id TEXT NOT NULL, create_date TEXT NOT NULL,
  capacity INTEGER NOT NULL, external_fields TEXT NOT NULL,
  UNIQUE (project_id, version, name)
);
CREATE TABLE face (
  face_set INTEGER NOT NULL, face_id TEXT NOT NULL, external_image_id TEXT NOT NULL,
  bounding_box TEXT NOT NULL, external_fields TEXT NOT NULL, fingerprint BLOB NOT NULL,
  UNIQUE (face_set, face_id)
);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
"""
# An upsert keeps the row's number, and with it the order of arrival.
PUT_SET = """
INSERT INTO face_set (project_id, version, name, face_set_id, create_date, capacity,
  external_fields) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (project_id, version, name) DO UPDATE SET
  external_fields = excluded.external_fields
"""
PUT_FACE = """
INSERT INTO face VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (face_set, face_id) DO UPDATE SET
  external_image_id = excluded.external_image_id,
  bounding_box = excluded.bounding_box,
  external_fields = excluded.external_fields, fingerprint = excluded.fingerprint
"""
SETS = "SELECT * FROM face_set ORDER BY id"
FACES = "SELECT * FROM face WHERE face_set = ? ORDER BY rowid"
UNREADABLE = (ValueError, TypeError, LookupError, RecursionError)
SET_ID = "SELECT id FROM face_set WHERE project_id = ? AND version = ? AND name = ?"


class DataError(ValueError):
    """A data file cannot be opened, read or written; says what to do."""


class DataFile:
    """The file of one emulator: locked and its owner's alone (0600) while it is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _connect(path)
        try:
            _take_possession(self._connection, path)
            self._file = _make_private(path)
        except BaseException:
            self._connection.close()
            raise

    def read(self) -> list[tuple[Scope, FaceSet]]:
        """Return every face set with its scope, in order; DataError when damaged."""
        try:
            return list(_face_sets(self._connection))
        except (sqlite3.Error, *UNREADABLE) as problem:
            raise _damaged(self._path, problem) from problem

    def write(self, batches: Iterable[tuple[Scope, list[SetChange]]]) -> None:
        """Write all of them or, with a DataError, none; on disk when it returns."""
        self._check_place()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for scope, changes in batches:
                for change in changes:
                    _write(self._connection, scope, change)
            self._connection.execute("COMMIT")
        except (sqlite3.Error, *UNREADABLE) as problem:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise DataError(
                f"data file {self._path} cannot be written: {problem}"
            ) from problem

    def _check_place(self) -> None:
        # SQLite goes on writing to a file that has been deleted.
        if not self._path.exists() or not samestat(self._path.stat(), self._file):
            raise DataError(
                f"data file {self._path} cannot be written: it was moved or deleted "
                "while in use; start the emulator anew"
            )

    def close(self) -> None:
        """Let another emulator have it."""
        self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    if not path.parent.is_dir():
        raise DataError(f"data file {path}: its folder does not exist")
    try:
        # SQLite would make it readable for others. One that exists is not opened here:
        # closing it would lift the locks that this process has on it.
        if not path.exists():
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            os.fchmod(handle, 0o600)  # what a narrow umask has taken away
            os.close(handle)
        return sqlite3.connect(
            path, timeout=0, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as problem:
        raise _closed(path, problem) from problem


def _take_possession(connection: sqlite3.Connection, path: Path) -> None:
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        _check_format(connection, path)
        connection.execute("COMMIT")
    except sqlite3.Error as problem:
        raise _refusal(path, problem) from problem


def _make_private(path: Path) -> os.stat_result:
    try:
        path.chmod(0o600)
        return path.stat()
    except OSError as problem:  # a disk that is read-only, or a file of somebody else
        raise _closed(path, problem) from problem


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    if not _number(connection, "SELECT count(*) FROM sqlite_master"):
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        return
    if _number(connection, "PRAGMA application_id") != APPLICATION:
        raise DataError(f"data file {path} is another program's; {ADVICE}")
    if (found := _number(connection, "PRAGMA user_version")) > FORMAT:
        raise DataError(
            f"data file {path} was written by a newer version (format {found}, known "
            f"is {FORMAT}); {ADVICE}"
        )
    [(verdict,)] = connection.execute("PRAGMA quick_check(1)")
    if verdict != "ok":
        raise _damaged(path, verdict)


def _number(connection: sqlite3.Connection, query: str) -> int:
    [(number,)] = connection.execute(query)
    return int(number)


def _refusal(path: Path, problem: sqlite3.Error) -> DataError:
    code = problem.sqlite_errorcode & PRIMARY
    if code == sqlite3.SQLITE_BUSY:
        return DataError(
            f"data file {path} is in use by another emulator: stop that one, "
            "or name another file"
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return _closed(path, problem)
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return DataError(
            f"data file {path} cannot be written ({problem}): make room on its disk, "
            "or name another one"
        )
    return _damaged(path, problem)


def _closed(path: Path, problem: Exception) -> DataError:
    return DataError(
        f"data file {path} cannot be opened ({problem}): make it readable and writable, "
        "or name another one"
    )


def _damaged(path: Path, problem: object) -> DataError:
    return DataError(
        f"data file {path} is no data file of an emulator, or is damaged ({problem}); "
        f"{ADVICE}"
    )


def _write(connection: sqlite3.Connection, scope: Scope, change: SetChange) -> None:
    if change.anew:
        _drop(connection, scope, change.name)
    if change.info is None:
        return
    info = change.info
    fields = encode(info["external_fields"]).decode()
    about = (info["face_set_id"], info["create_date"], info["face_set_capacity"])
    connection.execute(PUT_SET, (*scope, change.name, *about, fields))
    [(number,)] = connection.execute(SET_ID, (*scope, change.name))
    gone = ((number, face_id) for face_id in change.dropped)
    connection.executemany("DELETE FROM face WHERE face_set = ? AND face_id = ?", gone)
    connection.executemany(PUT_FACE, (_row(number, face) for face in change.stored))


def _drop(connection: sqlite3.Connection, scope: Scope, name: str) -> None:
    for (number,) in connection.execute(SET_ID, (*scope, name)).fetchall():
        connection.execute("DELETE FROM face WHERE face_set = ?", (number,))
        connection.execute("DELETE FROM face_set WHERE id = ?", (number,))


def _row(face_set: int, face: Face) -> tuple[object, ...]:
    box = encode(face.bounding_box).decode()
    fields = encode(face.external_fields).decode()
    looks = face.fingerprint.to_bytes(8)
    return (face_set, face.face_id, face.external_image_id, box, fields, looks)


def _face_sets(connection: sqlite3.Connection) -> Iterator[tuple[Scope, FaceSet]]:
    for row in connection.execute(SETS):
        number, project_id, version, name, set_id, made, capacity, fields = row
        declared = {key: spec["type"] for key, spec in _object(fields).items()}
        check_declared(f"face set {name!r}", declared)
        rows = connection.execute(FACES, (number,))
        faces = {face_id: _face(face_id, *rest) for _, face_id, *rest in rows}
        yield (
            (project_id, version),
            FaceSet(name, set_id, made, capacity, declared, faces),
        )


def _face(face_id: str, image_id: str, box: str, fields: str, looks: bytes) -> Face:
    width, left, top, height = json.loads(box)
    values = _object(fields)
    return Face(
        face_id, image_id, (width, left, top, height), values, int.from_bytes(looks)
    )


def _object(text: str) -> dict[str, Any]:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise TypeError("a value is no JSON object")
    return content
