"""The lock of a run directory: the kernel's, on its journal; a dead process has none."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch_updater.errors import RunDirectoryError


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """
    Hold a journal's lock without writing to it.

    Args:
        shared: let others read too; nobody may be writing either way.
    """
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    fd = open_locked(path, os.O_RDONLY if shared else os.O_RDWR, how)
    try:
        yield
    finally:
        os.close(fd)


def open_locked(path: Path, flags: int, how: int) -> int:
    """
    Open a file that nobody else has locked, and lock it until it is closed.

    Args:
        how: `fcntl.LOCK_EX` or `fcntl.LOCK_SH`.

    Raises:
        RunDirectoryError: somebody has, or it cannot be opened.
    """
    try:
        fd = os.open(path, flags | os.O_CLOEXEC)
    except OSError as error:
        raise cannot_open(path, error) from None
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


def cannot_open(path: Path, error: OSError) -> RunDirectoryError:
    """Return the error that says what the operating system said of a journal."""
    if isinstance(error, FileNotFoundError) and path.parent.is_dir():
        return RunDirectoryError(
            f"{path.parent} is no run directory: {path.name}: {error.strerror}",
            hint="The journal says which rows were sent. Put it back, or start a new "
            "run: all rows are sent again then.",
        )
    return RunDirectoryError(f"cannot open {path}: {error.strerror}")
