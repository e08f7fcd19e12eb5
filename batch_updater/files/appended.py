"""A file that only grows, by whole lines."""

import os
from contextlib import suppress

from batch_updater.files.disk import Disk

_TAIL = 1 << 16
# A second of results is less; it is the most that a sync may have lost.
_UNSURE = 4 << 20


class Appended:
    """
    An open file whose every line is whole; whoever opened it closes it.

    Args:
        fd: to read and write, of a file that nobody else writes to.

    Raises:
        OSError: it cannot be read, written or synced.
    """

    def __init__(self, fd: int, disk: Disk) -> None:
        self._fd = fd
        self._disk = disk
        self._size = self._settled()

    def put(self, lines: bytes) -> None:
        """
        Append lines; OSError when not all can be written: then none is.

        Always at the end of the last whole line: no half one gets between two.
        """
        written = 0
        try:
            while written < len(lines):
                place = self._size + written
                written += self._disk.write(self._fd, lines[written:], place)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise
        self._size += len(lines)

    def sync(self) -> None:
        """Make all that was put survive a power loss, or raise OSError."""
        self._disk.sync(self._fd)

    def empty(self) -> None:
        """Take back all lines."""
        os.ftruncate(self._fd, 0)
        self._size = 0

    def _settled(self) -> int:
        """
        Cut a torn line; make sure of what is believed; return the size.

        After a sync that failed, the kernel may show lines that never reached the
        disk and call them clean, so they are written once more.
        """
        size = _cut_torn_line(self._fd)
        place = max(0, size - _UNSURE)
        while block := os.pread(self._fd, _TAIL, place):
            place += self._disk.write(self._fd, block, place)
        if size:
            self._disk.sync(self._fd)
        return size


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
