"""
The journal: one JSON object a line, appended the moment a fact is known.

It is the only source of truth of a run; every other file is a view of it. A line
is one write(), so a killed process loses at most the line it was writing; that
torn line is cut off when the journal is opened again.
"""

import fcntl
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt
import orjson

from batch_updater.errors import JournalFailed, RunDirectoryError
from batch_updater.files.lines import decode_result, encode_result, format_time
from batch_updater.models import Result, RowLayout

_TAIL = 1 << 16


class Journal:
    """
    An open journal, locked against every other process.

    The lock is the kernel's and ends with the process, however it ends.

    Args:
        new: make it; only a new run does, since a run whose journal is gone would
            send every row again.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self._path = path
        made = os.O_CREAT | os.O_EXCL if new else 0
        self._fd = _open_locked(path, os.O_RDWR | os.O_APPEND | made, fcntl.LOCK_EX)
        self._size = _cut_torn_line(self._fd)
        self._dirty = False

    def write(self, result: Result) -> None:
        """Append a result; JournalFailed when it cannot be written whole."""
        self._append({"kind": "result", **encode_result(result)})

    def note(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Append a fact about the run itself (`session`, `selection`, `end`)."""
        stamp = format_time(datetime.now(UTC).timestamp())
        self._append({"kind": kind, "at": stamp, **facts})

    def sync(self) -> None:
        """Make all that was written survive a power loss."""
        if not self._dirty:
            return
        self._dirty = False
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Sync and let go of the lock."""
        try:
            self.sync()
        finally:
            os.close(self._fd)

    def _append(self, record: Mapping[str, Any]) -> None:
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        try:
            written = os.write(self._fd, line)
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)  # no half line before a later one
            raise self._failure(error) from error
        self._size += len(line)
        self._dirty = True

    def _failure(self, error: OSError) -> JournalFailed:
        return JournalFailed(
            f"cannot write {self._path}: {error.strerror}",
            hint=f"Make room, then: batch-updater resume {self._path.parent}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """
    Hold a journal's lock without writing to it.

    Args:
        shared: let others read too; nobody may be writing either way.
    """
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    fd = _open_locked(path, os.O_RDONLY if shared else os.O_RDWR, how)
    try:
        yield
    finally:
        os.close(fd)


def _open_locked(path: Path, flags: int, how: int) -> int:
    try:
        fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot_open(path, error) from None
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise RunDirectoryError(
            f"{path.parent} is in use by another process",
            hint="Wait for it to end, or stop it with Ctrl-C.",
        ) from None
    except OSError as error:  # some network file systems have no locks
        os.close(fd)
        raise RunDirectoryError(f"cannot lock {path}: {error.strerror}") from None
    return fd


def _cannot_open(path: Path, error: OSError) -> RunDirectoryError:
    if isinstance(error, FileNotFoundError) and path.parent.is_dir():
        return RunDirectoryError(
            f"{path.parent} is no run directory: {path.name}: {error.strerror}",
            hint="The journal says which rows were sent. Put it back, or start a new "
            "run: all rows are sent again then.",
        )
    return RunDirectoryError(f"cannot open {path}: {error.strerror}")


def _cut_torn_line(fd: int) -> int:
    """Truncate after the last newline; return the size that is left."""
    size = os.fstat(fd).st_size
    end = size
    while end > 0:
        start = max(0, end - _TAIL)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end != size:
        os.ftruncate(fd, end)
    return end


@dataclass(frozen=True, slots=True)
class Record:
    """
    A line of the journal, and where it is.

    Args:
        offset: where the line starts, in bytes.
        number: of the line, from 1.
    """

    offset: int
    facts: Mapping[str, Any]
    path: Path
    number: int

    @property
    def kind(self) -> str:
        """What the line tells: `session`, `selection`, `result`, `end`."""
        return str(self.facts["kind"])

    def result(self) -> Result:
        """Return the result that the line tells."""
        try:
            return decode_result(self.facts)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self.damage() from None

    def ordinal(self, layout: RowLayout) -> int:
        """Return the position of the row that the line is about."""
        try:
            row_number = operator.index(self.facts["row_number"])
            return layout.ordinal(self.facts["source"], row_number)
        except (KeyError, TypeError):
            raise self.damage() from None

    def selection(self, total: int) -> npt.NDArray[np.bool_]:
        """Return the selection that the line tells."""
        try:
            rows = self.facts["rows"]
            if not all(0 <= first <= last < total for first, last in rows):
                raise self.damage()
            return selected_rows(rows, total)
        except (KeyError, TypeError, ValueError):
            raise self.damage() from None

    def damage(self) -> RunDirectoryError:
        """Return the error that says that the line is not one of ours."""
        return _damage(self.path, self.number)


def select_rows(selection: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Return the positions set in a selection as [first, last] ranges."""
    edges = np.flatnonzero(np.diff(np.r_[False, selection, False]))
    return [[int(a), int(b) - 1] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def selected_rows(ranges: Sequence[Sequence[int]], total: int) -> npt.NDArray[np.bool_]:
    """Return the selection that select_rows wrote."""
    selection = np.zeros(total, dtype=np.bool_)
    for first, last in ranges:
        selection[first : last + 1] = True
    return selection


def replay(path: Path) -> Iterator[Record]:
    """
    Yield every whole line of a journal; a torn last one is passed over.

    Raises:
        RunDirectoryError: a line in the middle is not what we write.
    """
    offset = 0
    with open_journal(path) as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            yield Record(offset, _parse_line(line, path, number), path, number)
            offset += len(line)


def open_journal(path: Path) -> IO[bytes]:
    """Open a journal for reading; RunDirectoryError when it is not there."""
    try:
        return path.open("rb")
    except OSError as error:
        raise _cannot_open(path, error) from None


def _parse_line(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        facts = orjson.loads(line)
    except orjson.JSONDecodeError:
        facts = None
    if not isinstance(facts, dict) or "kind" not in facts:
        raise _damage(path, number)
    if facts["kind"] == "result" and not facts.keys() >= _RESULT_KEYS:
        raise _damage(path, number)
    return facts


_RESULT_KEYS = frozenset({"source", "row_number", "outcome"})


def _damage(path: Path, number: int) -> RunDirectoryError:
    return RunDirectoryError(
        f"{path}, line {number} is damaged",
        hint="Nothing after that line can be trusted. Keep a copy, cut the file "
        "before the line, and resume: rows after it are sent again.",
    )


def result_at(file: IO[bytes], offset: int) -> Result:
    """Return the result on the line that starts at an offset, in bytes."""
    file.seek(offset)
    return decode_result(orjson.loads(file.readline()))


class OutcomeIndex:
    """
    The last result of every row, found by the row's position.

    Keeps 8 bytes a row; the results themselves stay in the file.
    """

    def __init__(self, path: Path, layout: RowLayout) -> None:
        self._layout = layout
        self._offsets = np.full(layout.total, -1, dtype=np.int64)
        self._file = open_journal(path)

    def note(self, record: Record) -> None:
        """Take a line of the journal; the last line of a row counts."""
        self._offsets[record.ordinal(self._layout)] = record.offset

    def result(self, ordinal: int) -> Result | None:
        """Return the last result of a row, or None when it has none."""
        offset = int(self._offsets[ordinal])
        if offset < 0:
            return None
        return result_at(self._file, offset)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
