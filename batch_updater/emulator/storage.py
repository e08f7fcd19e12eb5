"""The state on disk: one JSON line for each face set and each face, whole and atomic."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batch_updater.emulator.answers import encode
from batch_updater.emulator.face import Face, FaceSet, check_declared, face_from_json

FORMAT = "batch-updater emulator state 1"

Json = Mapping[str, object]


class DataError(ValueError):
    """A data file cannot be read or is damaged."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state at one moment; cheap, as faces are shared and never change."""

    face_sets: tuple[tuple[Json, tuple[Face, ...]], ...]

    @classmethod
    def of(cls, face_sets: Mapping[str, FaceSet]) -> "Snapshot":
        """Take a picture of these face sets."""
        each = face_sets.values()
        return cls(tuple((one.as_json(), tuple(one.faces.values())) for one in each))


class DataFile:
    """The file, and the lines already made: an unchanged face is not encoded again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made: dict[int, tuple[Face, bytes]] = {}

    def write(self, snapshot: Snapshot) -> None:
        """Replace the file in one step; it is its owner's alone (0600)."""
        lines = self._lines(snapshot)
        handle, name = tempfile.mkstemp(
            dir=self._path.parent, prefix=f".{self._path.name}."
        )
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        _sync_folder(self._path.parent)

    def _lines(self, snapshot: Snapshot) -> list[bytes]:
        made: dict[int, tuple[Face, bytes]] = {}
        lines = [_line({"format": FORMAT, "face_sets": len(snapshot.face_sets)})]
        for info, faces in snapshot.face_sets:
            lines.append(_line(info))
            # The face is kept beside its line, so its identity stays its own.
            fresh = {id(face): self._face_line(face) for face in faces}
            lines.extend(line for _, line in fresh.values())
            made |= fresh
        self._made = made
        return lines

    def _face_line(self, face: Face) -> tuple[Face, bytes]:
        return self._made.get(id(face)) or (face, _line(face.as_json()))


def read_face_sets(path: Path) -> list[FaceSet]:
    """Read a data file; none when it does not exist DataError when it is damaged."""
    if not path.parent.is_dir():
        raise DataError(f"data file {path}: its folder does not exist")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"data file {path} cannot be read: {problem}") from problem
    try:
        return _parse(iter(lines))
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        raise DataError(
            f"data file {path} is damaged ({type(problem).__name__}: {problem}); "
            "it is left as it is: move it away, or name another one"
        ) from problem


def _parse(lines: Iterator[str]) -> list[FaceSet]:
    head = _object(lines)
    if head.get("format") != FORMAT:
        raise DataError(f"its first line does not say {FORMAT!r}")
    face_sets = [_face_set(lines) for _ in range(_count(head, "face_sets"))]
    if next(lines, None) is not None:
        raise DataError("it has lines beyond the announced number")
    return face_sets


def _face_set(lines: Iterator[str]) -> FaceSet:
    info = _object(lines)
    face_set = FaceSet(
        name=_text(info, "face_set_name"),
        face_set_id=_text(info, "face_set_id"),
        create_date=_text(info, "create_date"),
        capacity=_count(info, "face_set_capacity"),
        external_fields=_declared(info["external_fields"]),
    )
    for _ in range(_count(info, "face_number")):
        face = face_from_json(_object(lines), face_set.external_fields)
        face_set.faces[face.face_id] = face
    return face_set


def _declared(raw: object) -> dict[str, str]:
    if not isinstance(raw, dict):
        raise DataError("external_fields is no object")
    fields = {name: _text(kind, "type") for name, kind in raw.items()}
    check_declared("external_fields", fields)
    return fields


def _object(lines: Iterator[str]) -> Json:
    line = next(lines, None)
    if line is None:
        raise DataError("it ends too early")
    content = json.loads(line)
    if not isinstance(content, dict):
        raise DataError("a line is no object")
    return content


def _text(content: Json, key: str) -> str:
    value = content[key]
    if not isinstance(value, str):
        raise DataError(f"{key} is no text")
    return value


def _count(content: Json, key: str) -> int:
    value = content[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DataError(f"{key} is no count")
    return value


def _line(content: Json) -> bytes:
    return encode(content) + b"\n"


def _sync_folder(folder: Path) -> None:
    # Without it a power cut may undo the rename, though not tear the file.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
