"""
The journal: one JSON object a line, appended the moment a fact is known.

It is the only source of truth of a run; every other file is a view of it. What
becomes known at one moment is one write(), so a killed process loses at most that; a
torn line is cut off when the journal is opened again. So is what a power loss may
leave at the end: zeros, or anything else without an end of line.
"""

import fcntl
import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from batch_updater.errors import JournalFailed, RunDirectoryError
from batch_updater.files.appended import Appended
from batch_updater.files.disk import DISK, NO_ROOM, RESERVE, Disk, Reserve, remedy
from batch_updater.files.lines import encode_result, format_time
from batch_updater.files.lock import cannot_open, open_locked
from batch_updater.files.private import create_private
from batch_updater.files.replay import replay
from batch_updater.models import Result

_LINE = orjson.OPT_APPEND_NEWLINE


class Journal:
    """
    An open journal, locked against every other process.

    The lock is the kernel's and ends with the process, however it ends. Once
    something could not be written or synced, `trouble` says what: nothing more may
    be sent then, but what was in flight is still taken.

    Args:
        new: make it; only a new run does, since a run whose journal is gone would
            send every row again.
        disk: what writes and syncs.

    Raises:
        RunDirectoryError: it is in use, or cannot be read and written.
    """

    def __init__(self, path: Path, *, new: bool = False, disk: Disk = DISK) -> None:
        self._path = path
        self._disk = disk
        self._reserve = Reserve(path.with_name(RESERVE), disk)
        if new:
            _create(path)
        self._fd = open_locked(path, os.O_RDWR, fcntl.LOCK_EX)
        self._dirty = False
        self._written, self._safe = 0, 0  # results; the second is the syncing thread's
        self.trouble: JournalFailed | None = None
        try:
            self._file = self._settled()
        except BaseException:
            os.close(self._fd)
            raise

    def start_over(self) -> None:
        """
        Empty what a run left behind that was killed before it sent anything.

        Raises:
            RunDirectoryError: it did send something.
        """
        if any(record.kind == "result" for record in replay(self._path)):
            raise RunDirectoryError(
                f"{self._path.parent} is the directory of a run whose run.json is gone",
                hint="Put run.json back and resume, or give another --run-dir.",
            )
        os.fchmod(self._fd, 0o600)
        self._file.empty()

    def keep_room(self, size: int) -> None:
        """
        Hold room on the disk for what may be in flight when it fills up.

        Raises:
            OSError: there is less room than that.
        """
        self._reserve.take(size)

    def give_room_back(self) -> None:
        """Give back what keep_room held: nothing is in flight any more."""
        self._reserve.give_back()

    def write(self, *results: Result) -> None:
        """Append results; JournalFailed when not all can be written: then none is."""
        self._append(*({"kind": "result", **encode_result(each)} for each in results))
        self._written += len(results)

    def note(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Append a fact about the run itself (`session`, `selection`, `end`)."""
        stamp = format_time(datetime.now(UTC).timestamp())
        self._append({"kind": kind, "at": stamp, **facts})

    def sync(self) -> None:
        """
        Make all that was written survive a power loss.

        Raises:
            JournalFailed: it may not. That a later sync works says nothing about
                what this one was to save: the kernel forgets what it could not
                write.
        """
        if not self._dirty:
            return
        self._dirty, written = False, self._written
        try:
            self._file.sync()
        except OSError as error:
            self._gains_room(error)  # on some network disks only this says so
            said = (
                f"cannot sync {self._path}: {error.strerror}; outcomes that may not "
                f"survive a power loss: {written - self._safe:,}"
            )
            raise self._failed(error, said) from error
        self._safe = written

    def close(self) -> None:
        """Sync and let go of the lock."""
        try:
            self.sync()
        finally:
            self._reserve.give_back()
            os.close(self._fd)

    def _append(self, *records: Mapping[str, Any]) -> None:
        lines = b"".join(orjson.dumps(each, option=_LINE) for each in records)
        try:
            self._file.put(lines)
        except OSError as error:
            failure = self._cannot_write(error)
            if not self._gains_room(error):
                raise failure from error
            try:
                self._file.put(lines)
            except OSError as again:
                raise self._cannot_write(again) from again
        self._dirty = True

    def _gains_room(self, error: OSError) -> bool:
        return error.errno in NO_ROOM and self._reserve.give_back()

    def _cannot_write(self, error: OSError) -> JournalFailed:
        return self._failed(error, f"cannot write {self._path}: {error.strerror}")

    def _failed(self, error: OSError, said: str) -> JournalFailed:
        again = shlex.join(["batch-updater", "resume", str(self._path.parent)])
        failure = JournalFailed(said, hint=f"{remedy(error)}, then: {again}")
        self.trouble = self.trouble or failure
        return failure

    def _settled(self) -> Appended:
        try:
            return Appended(self._fd, self._disk)
        except OSError as error:
            raise RunDirectoryError(
                f"cannot write {self._path}: {error.strerror}; nothing was sent",
                hint=f"{remedy(error)}, then try again.",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _create(path: Path) -> None:
    try:
        os.close(create_private(path))
    except FileExistsError:
        return  # left by a run that was killed before it began
    except OSError as error:
        raise cannot_open(path, error) from None
