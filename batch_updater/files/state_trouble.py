"""What SQLite and the disk say of a state, in words and with a remedy."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch_updater.errors import StateError


@contextmanager
def naming_trouble(path: Path) -> Iterator[None]:
    """Raise what SQLite or the disk says of a state as a StateError."""
    try:
        yield
    except sqlite3.Error as error:
        raise _trouble(path, error) from error
    except OSError as error:
        raise StateError(
            f"the state {path} cannot be used: {error.strerror}",
            hint="Keep it where this user can write, with --state DIR.",
        ) from error


def _trouble(path: Path, error: sqlite3.Error) -> StateError:
    # Extended codes carry the plain one in their lowest byte.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _REMEDIES:
        said, hint = _REMEDIES[code]
        return StateError(f"the state {path} {said}", hint=hint)
    return StateError(
        f"the state {path} cannot be used: {error}",
        hint="See what is wrong with the disk, or keep it elsewhere with --state DIR.",
    )


_MAKE_AGAIN = (
    "Forget it: batch-updater state forget. What journals of runs tell can be taken "
    "in again: batch-updater state rebuild RUN_DIR..."
)
_DAMAGED = ("is damaged, or no state", _MAKE_AGAIN)
_REMEDIES = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_BUSY: (
        "is in use by another process",
        "Try again once that one has taken in its journal.",
    ),
    sqlite3.SQLITE_FULL: ("cannot be written: no room is left", "Make room there."),
    sqlite3.SQLITE_READONLY: (
        "cannot be written: it is read-only",
        "Keep it where this user can write, with --state DIR.",
    ),
}
