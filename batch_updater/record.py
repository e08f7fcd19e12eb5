"""A run goes on record: its directory, its journal, and run.json, in that order."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from batch_updater.errors import JournalFailed, RunDirectoryError
from batch_updater.files.disk import remedy, room_for
from batch_updater.files.journal import Journal
from batch_updater.files.lines import format_time
from batch_updater.files.run_dir import RunDirectory, create_run_directory
from batch_updater.files.versions import FORMAT
from batch_updater.manifest import Manifest, load_manifest
from batch_updater.selection import Selection
from batch_updater.version import __version__


@dataclass(frozen=True, slots=True)
class Opened:
    """A run's directory, and its journal, which nobody else can open now."""

    directory: RunDirectory
    journal: Journal

    @property
    def created_at(self) -> str:
        """When the run began: now, unless run.json says that it was earlier."""
        if self.directory.manifest.exists():
            return load_manifest(self.directory).created_at
        return format_time(datetime.now(UTC).timestamp())


@contextmanager
def opened(
    resumed: Opened | None, run_dir: Path | None, held: ExitStack
) -> Iterator[Opened]:
    """
    Open the record of a run that goes on or begins; the block writes it down.

    Args:
        run_dir: where a new one goes; None makes up a name.
        held: keeps the journal of a new one open, and with it its lock.

    Raises:
        RunDirectoryError: it cannot be written; a new one is taken back.
    """
    if resumed:
        try:
            yield resumed
        except (OSError, JournalFailed) as error:
            path = str(resumed.directory.path)
            raise RunDirectoryError(
                f"cannot go on with {path}: {_said(error)}; nothing was sent",
                hint=f"{_remedy(error)}, then: "
                + shlex.join(["batch-updater", "resume", path]),
            ) from error
        return
    directory = create_run_directory(run_dir)
    ours: list[Path] = []
    try:
        journal = held.enter_context(Journal(directory.journal, new=True))
        directory.refuse_begun()
        journal.start_over()
        ours += directory.beginnings
        yield Opened(directory, journal)
    except BaseException as error:
        directory.discard(ours)
        if isinstance(error, OSError | JournalFailed):
            raise RunDirectoryError(
                f"cannot begin a run in {directory.path}: {_said(error)}; nothing "
                "was sent",
                hint=f"{_remedy(error)}, or give another place with --run-dir.",
            ) from error
        raise


def _remedy(error: OSError | JournalFailed) -> str:
    cause = error.__cause__ if isinstance(error, JournalFailed) else error
    return remedy(cause) if isinstance(cause, OSError) else "Make room"


def _said(error: OSError | JournalFailed) -> str:
    if isinstance(error, JournalFailed):
        return error.message
    where = error.filename2 or error.filename
    return f"{where}: {error.strerror}" if where else str(error.strerror or error)


def write_down(
    run: Opened,
    manifest: Manifest,
    session: Mapping[str, Any],
    *,
    in_flight: int,
    selection: Selection | None = None,
    reasons: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> None:
    """
    Note a session and what it is about; from here on it can be resumed.

    Args:
        session: what the journal says of it: the command, and what differs.
        in_flight: most requests that may have to be recorded when the disk is full.
        selection: the rows that a new run is about; None means all.
        reasons: why it is about them, by the kind of note that says so.
    """
    run.journal.keep_room(room_for(in_flight))
    run.journal.note("session", {**session, "version": __version__, "format": FORMAT})
    if selection is not None:
        run.journal.note("selection", {"rows": list(selection.ranges())})
    for kind, facts in reasons.items():
        run.journal.note(kind, facts)
    # Last: with run.json there, but no selection, a resume would send all rows.
    run.journal.sync()
    manifest.save(run.directory)
