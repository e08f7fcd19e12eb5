"""A run goes on record: its directory, its journal, and run.json, in that order."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batch_updater.errors import JournalFailed, RunDirectoryError
from batch_updater.files.journal import Journal, select_rows
from batch_updater.files.lines import format_time
from batch_updater.files.run_dir import RunDirectory, create_run_directory
from batch_updater.intake.rows import Selection
from batch_updater.manifest import Manifest, load_manifest
from batch_updater.retrying import Retry
from batch_updater.version import __version__
from batch_updater.views import naming_trouble


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
        with naming_trouble(resumed.directory, RunDirectoryError):
            yield resumed
        return
    directory = create_run_directory(run_dir)
    ours: list[Path] = []
    try:
        journal = held.enter_context(Journal(directory.journal, new=True))
        ours += [directory.journal, directory.spool, directory.mended]
        yield Opened(directory, journal)
    except BaseException as error:
        directory.discard(ours)
        if isinstance(error, OSError | JournalFailed):
            raise RunDirectoryError(
                f"cannot begin a run in {directory.path}: {error}; nothing was sent",
                hint="Make room, or give another place with --run-dir.",
            ) from error
        raise


def write_down(
    run: Opened,
    manifest: Manifest,
    command: str,
    selection: Selection | None = None,
    retry: Retry | None = None,
) -> None:
    """
    Note a session and what it is about; from here on it can be resumed.

    Args:
        selection: the rows that a new run is about; None means all.
        retry: why it is about them, of a new retry.
    """
    run.journal.note("session", {"command": command, "version": __version__})
    if selection is not None:
        run.journal.note("selection", {"rows": select_rows(selection)})
    if retry is not None:
        run.journal.note("retry", retry.facts())
    # Last: with run.json there, but no selection, a resume would send all rows.
    run.journal.sync()
    manifest.save(run.directory)
