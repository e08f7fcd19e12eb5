"""Files that hold secrets: read whole or not at all, and never quoted."""

import os
import stat
from pathlib import Path

from batch_updater.errors import UsageError

_MOST = 1 << 20  # bytes; a token takes a few thousand


def read_secret_file(path: Path, what: str, *, hint: str = "") -> str:
    """
    Return the text of a file, without the mark that Windows puts before UTF-8.

    Args:
        what: names the file in messages, such as `token file`.
        hint: what the file must be, for people.

    Raises:
        UsageError: it cannot be read, is no regular file, is too large, or is no
            text; the message holds nothing of it.
    """
    try:
        content = _read(path, f"{what} {path}")
    except OSError as error:
        raise UsageError(f"{what} {path}: {error.strerror}", hint=hint) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{what} {path}: not UTF-8 text", hint=hint) from None


def _read(path: Path, where: str) -> bytes:
    # A pipe is opened without waiting for its writer: that could be for ever.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):  # /dev/null is no file, too
            raise UsageError(
                f"{where}: it is no regular file",
                hint="It is read again when it changes, so it must be one. What a "
                "command prints can go into a variable instead.",
            )
        content = file.read(_MOST + 1) or b""
    if len(content) > _MOST:
        raise UsageError(f"{where}: it is larger than 1 MiB, so it is another file")
    return content


def find_file(named: str | None, usual: Path, variable: str) -> Path | None:
    """
    Return the file that a variable names, or the usual one if it is there.

    Raises:
        UsageError: the variable speaks of a home that nobody has.
    """
    try:
        path = Path(named or usual).expanduser()
        return path if named or path.exists() else None
    except (RuntimeError, OSError, ValueError):
        if not named:
            return None
        raise UsageError(f"{variable} names no file that could be: {named!r}") from None
