"""What the record of a run asks of a disk: room for it, and that it stays there."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batch_updater.files.private import replace_private

RESERVE = ".reserve"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

_LINE = 16 << 10  # far above a usual line of the journal, which is half a KiB
_ENOUGH = 4 << 20
_BLOCK = 1 << 16
_REMEDIES = {
    errno.ENOSPC: "Make room",
    errno.EDQUOT: "Make room, or ask for a larger quota",
    errno.EFBIG: "Allow larger files (ulimit -f)",
    errno.EROFS: "Make the file system writable again",
}
# Some file systems do not sync directories; there is nothing to be done about it.
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})


def write_zeros(fd: int, offset: int, size: int) -> None:
    """Make room on disk for a part of a file, where there is no call for that."""
    end = offset + size
    while offset < end:
        offset += os.pwrite(fd, bytes(min(_BLOCK, end - offset)), offset)


_ALLOCATE = getattr(os, "posix_fallocate", write_zeros)
_SYNC = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Disk:
    """What a journal asks of the operating system; tests give it a worse one."""

    write: Callable[[int, bytes, int], int] = os.pwrite
    sync: Callable[[int], None] = _SYNC
    allocate: Callable[[int, int, int], None] = _ALLOCATE


DISK = Disk()


def room_for(in_flight: int) -> int:
    """
    Return the bytes to keep for what may be in flight when the disk fills up.

    Twice as many results as requests may wait to be written, and their lines are
    seldom longer than half a KiB: this is enough for lines of 8 KiB.
    """
    return min(_ENOUGH, _LINE * (in_flight + 4))


def remedy(error: OSError) -> str:
    """Return what to do about a disk that does not take what is written."""
    return _REMEDIES.get(error.errno or 0, "See what is wrong with the disk")


class Reserve:
    """
    Room on a disk that is ours until it is needed: a file that is all ballast.

    Args:
        path: where it lies while it is held.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk

    def take(self, size: int) -> None:
        """Hold this many bytes; OSError when there are not as many."""
        try:
            with replace_private(self._path) as file:
                self._disk.allocate(file.fileno(), 0, size)
        except OSError:
            self.give_back()
            raise

    def give_back(self) -> bool:
        """Give the room back to the disk; return whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power loss."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Make a file's content survive a power loss, whoever wrote it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def discard(path: Path) -> None:
    """Remove a file that is in the way; what was being done matters more."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
