"""What SQLite and the disk say of a state, in words and with a remedy."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch_updater.errors import StateDamaged, StateError


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
    if code in _DAMAGED:
        return StateDamaged(f"the state {path} is damaged, or no state", hint=_AGAIN)
    if code in _REMEDIES:
        said, hint = _REMEDIES[code]
        return StateError(f"the state {path} {said}", hint=hint)
    return StateError(
        f"the state {path} cannot be used: {error}",
        hint="See what is wrong with the disk, or keep it elsewhere with --state DIR.",
    )


_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_AGAIN = (
    "Forget it: batch-updater state forget. What journals of runs tell can be taken "
    "in again: batch-updater state rebuild RUN_DIR..."
)
_REMEDIES = {
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


def not_ours(path: Path) -> StateError:
    """Return the error that says that a database is none of ours."""
    return StateError(
        f"{path} is no state of batch-updater",
        hint="Move it away, or keep the state elsewhere with --state DIR.",
    )
