"""
Files and folders for their owner alone, whatever the umask.

What is made is 0600 or 0700 from its first moment on: a wide umask adds nothing to
the mode given, and what a narrow one takes away is given back.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

_FILE, _FOLDER = 0o600, 0o700


def create_private(path: Path) -> int:
    """Return a descriptor, to read and write, of a new file; FileExistsError if it is there."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, _FILE)
    os.fchmod(fd, _FILE)
    return fd


def replace_private(path: Path) -> IO[bytes]:
    """
    Open a new file in place of one that was left there, by a kill or by somebody else.

    Never the old one: its mode, and where a link of that name leads, are not ours.
    """
    path.unlink(missing_ok=True)
    return os.fdopen(create_private(path), "wb")


def move_private(path: Path, into: Path) -> None:
    """Move a file, also to another disk, where the copy is private from the start."""
    with suppress(OSError):
        path.rename(into)
        return
    copy_private(path, into)
    path.unlink()


def copy_private(path: Path, into: Path) -> None:
    """Copy a file to a new one, in place of what was left there."""
    with path.open("rb") as source, replace_private(into) as target:
        shutil.copyfileobj(source, target, 1 << 20)


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; one that is there stays."""
    if not path.parent.is_dir():
        make_private_folder(path.parent)
    with suppress(FileExistsError):
        path.mkdir(_FOLDER)
        path.chmod(_FOLDER)
