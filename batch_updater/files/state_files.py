"""Files of states that are looked at, or done away with, without being opened as one."""

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from batch_updater.files.state_rows import Owner
from batch_updater.files.state_store import OURS
from batch_updater.files.state_trouble import naming_trouble, not_ours


def read_owner(path: Path) -> Owner:
    """
    Return whose state a file is.

    Raises:
        StateError: it is no state, newer, or damaged.
    """
    with naming_trouble(path):
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True)) as db:
            if db.execute("PRAGMA application_id").fetchone()[0] != OURS:
                raise not_ours(path)
            said = dict(db.execute("SELECT name, value FROM meta").fetchall())
    try:
        return Owner(**{field.name: said[field.name] for field in fields(Owner)})
    except KeyError:
        raise not_ours(path) from None


def discard_state(path: Path) -> None:
    """Delete a file that is no state any more, and what SQLite left beside it."""
    with naming_trouble(path):
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
