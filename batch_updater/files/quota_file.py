"""
The starts of all runs on this machine that share one quota, in one small file.

A head and a ring of the latest starts, read and written in place under a lock that
is held for microseconds and is the kernel's: it ends with the process, however that
ends. The head goes out in one write with its checksum, after the start it counts, so
a process that dies in between leaves the file as it was. Nothing is synced: moments
are those of a clock that begins with the boot, and so does the file, by its name.
"""

import fcntl
import hashlib
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from struct import Struct
from time import time_ns
from urllib.parse import urlsplit

from batch_updater.errors import QuotaFailed, UsageError

CAPACITY = 1 << 17  # above the largest rate
_MAGIC = b"BUQUOTA1"
_HEAD = Struct("<8s3Q6d")
_CHECKSUM = Struct("<I")
_START = Struct("<2d")
_RING = 128  # where it begins in the file
_TRIES = 3
_OLD = 7 * 86_400 * 10**9
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_LOCKS = Path("/proc/locks")
_HOME_STATE = Path("~/.local/state")


@dataclass(frozen=True, slots=True)
class Start:
    """
    One start: its moment on the machine's clock, and how late it may have arrived.

    Moments are seconds of time.monotonic(); -inf is one that was never made.
    """

    at: float
    late: float


@dataclass(frozen=True, slots=True)
class Head:
    """
    What all starts come to.

    Args:
        count: starts that have been given away; each has its number, from 0.
        freed: starts below this number have had their places given away again.
        starts: how many starts the cap allows in `window` seconds.
        until: when a run with a smaller cap may forget this one.
        born: when the file was begun.
        last: the moment of the last start that was given away.
        spaced: when the next one is due if they are to be evenly spaced.
        not_before: nobody starts before this moment.
    """

    count: int
    freed: int
    starts: int
    window: float
    until: float
    born: float
    last: float
    spaced: float
    not_before: float


_VALUES = attrgetter(*(field.name for field in fields(Head)))


class QuotaFile:
    """
    The file of one quota, open.

    Args:
        path: it is made (0600) when it is missing.

    Raises:
        UsageError: it cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = _open(path)
        except OSError as error:
            raise _unusable(path, error.strerror) from None

    @contextmanager
    def locked(self) -> Iterator["QuotaFile | None"]:
        """
        Hold the file while the block runs; None while another process does.

        Raises:
            QuotaFailed: the file cannot be read, written or locked any more.
        """
        try:
            if not self._lock():
                yield None
                return
            try:
                yield self
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        except OSError as error:
            raise QuotaFailed(
                f"cannot keep the shared quota in {self.path}: {error.strerror}",
                hint="Make room there, or give all runs another --quota-dir.",
            ) from error

    def read_head(self) -> Head | None:
        """Return the head; None when there is none, or it is damaged."""
        raw = os.pread(self._fd, _HEAD.size + _CHECKSUM.size, 0)
        if raw[_HEAD.size :] != _checksum(raw[: _HEAD.size]):
            return None
        magic, *fields = _HEAD.unpack_from(raw)
        head = Head(*fields)
        kept = (os.fstat(self._fd).st_size - _RING) // _START.size
        whole = magic == _MAGIC and kept >= min(head.count, CAPACITY)
        return head if whole else None

    def write_head(self, head: Head) -> None:
        """Replace the head."""
        raw = _HEAD.pack(_MAGIC, *_VALUES(head))
        os.pwrite(self._fd, (raw + _checksum(raw)).ljust(_RING, b"\0"), 0)

    def read(self, number: int) -> Start:
        """Return a start that is not CAPACITY or more behind the count."""
        return Start(*_START.unpack(os.pread(self._fd, _START.size, _place(number))))

    def write(self, number: int, start: Start) -> None:
        """Put a start into its place."""
        os.pwrite(self._fd, _START.pack(start.at, start.late), _place(number))

    def holder(self) -> int | None:
        """Return the id of the process that holds the file, if that can be told."""
        inode = f":{os.fstat(self._fd).st_ino}"
        with suppress(OSError, ValueError):
            for line in _LOCKS.read_text("ascii").splitlines():
                words = line.split()
                if words[1] == "FLOCK" and words[5].endswith(inode):
                    return int(words[4])
        return None

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _lock(self) -> bool:
        for _ in range(_TRIES):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if os.fstat(self._fd).st_nlink:
                return True
            self._reopen()
        return False

    def _reopen(self) -> None:
        # It was deleted, and others may have begun it anew.
        fd = _open(self.path)
        os.close(self._fd)
        self._fd = fd


def quota_directory(asked: Path | None, environ: Mapping[str, str]) -> Path:
    """
    Return the directory of the shared quotas, which is made (0700) if need be.

    Raises:
        UsageError: it cannot be made.
    """
    state = environ.get("XDG_STATE_HOME", "")
    home = Path(state) if Path(state).is_absolute() else _HOME_STATE
    path = asked or home / "batch-updater" / "quota"
    try:
        path = path.expanduser()
        _make_directory(path)
    except RuntimeError:  # there is no home
        raise _unusable(path, "there is no home directory") from None
    except OSError as error:
        raise _unusable(path, error.strerror) from None
    return path


def open_quota_file(directory: Path, endpoint: str, project_id: str) -> QuotaFile:
    """
    Open the file of a quota; those of earlier boots are swept up after a week.

    Raises:
        UsageError: there can be no such file here.
    """
    stem = _stem(endpoint, project_id)
    path = directory / f"{stem}-{_boot()}.quota"
    file = QuotaFile(path)
    with suppress(OSError):
        for other in directory.glob(f"{stem}-*.quota"):
            if other != path and time_ns() - other.stat().st_mtime_ns > _OLD:
                other.unlink()
    return file


def _stem(endpoint: str, project_id: str) -> str:
    url = urlsplit(endpoint)
    whole = f"{url.scheme}://{url.netloc.lower()}{url.path.rstrip('/')}\0{project_id}"
    readable = re.sub(r"[^a-z0-9.]+", "-", (url.hostname or "").lower())[:60]
    return f"{readable}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def _boot() -> str:
    try:
        return _BOOT.read_text("ascii").strip()[:8]
    except OSError:
        raise UsageError(
            f"--share-quota needs to know when this machine was started: no {_BOOT}",
            hint="It works on Linux; elsewhere, divide --rate among the runs.",
        ) from None


def _open(path: Path) -> int:
    _make_directory(path.parent)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    fd = os.open(path, flags, 0o600)
    with suppress(OSError):  # whoever may write it may not own it
        os.fchmod(fd, 0o600)  # whatever the umask
    return fd


def _make_directory(path: Path) -> None:
    if not path.is_dir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)  # whatever the umask


def _unusable(path: Path, why: str | None) -> UsageError:
    return UsageError(
        f"the shared quota cannot be kept in {path}: {why}",
        hint="Give a directory that this user can write with --quota-dir DIR, the "
        "same for all runs that share.",
    )


def _place(number: int) -> int:
    return _RING + number % CAPACITY * _START.size


def _checksum(raw: bytes) -> bytes:
    return _CHECKSUM.pack(zlib.crc32(raw))
