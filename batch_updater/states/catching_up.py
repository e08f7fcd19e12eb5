"""Bringing a state up to date with the journals of the runs that keep it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from batch_updater.errors import RunDirectoryError
from batch_updater.files.lock import locked
from batch_updater.files.run_dir import RunDirectory, open_run_directory
from batch_updater.files.state_rows import SessionRow
from batch_updater.files.state_store import StateStore
from batch_updater.manifest import RunKey, load_manifest
from batch_updater.states.absorbing import absorb
from batch_updater.states.faces import LINGERING

Run = list[SessionRow]
"""The sessions of one run, in order."""


def catch_up(store: StateStore, held: RunKey | None = None) -> list[str]:
    """
    Take in the journals of all runs that are not over; return what is in the way.

    A run whose journal somebody holds may go on: it is taken in up to its last whole
    line. One that nobody holds was killed, or has ended since.

    Args:
        held: the run whose journal this process holds, and which sends nothing yet.

    Returns:
        Remarks for people; when there are any, nothing the state says is sure.

    Raises:
        StateError: the state cannot be written.
    """
    remarks = []
    for run in runs_of(store):
        if not run[-1].over:
            try:
                _take_in(store, run, held)
            except RunDirectoryError as error:
                remarks.append(_lost(run[-1], error))
    return remarks


def runs_of(store: StateStore) -> list[Run]:
    """Return the sessions of each run."""
    ordered = sorted(store.sessions(), key=lambda s: (s.run, s.number))
    return [list(run) for _, run in groupby(ordered, key=lambda s: s.run)]


def _take_in(store: StateStore, run: Run, held: RunKey | None) -> None:
    directory = directory_of(run[-1])
    key = RunKey(run[-1].run_id, run[-1].created_at)
    with _quiet(directory) as quiet:
        absorb(store, run, directory.journal)
        if quiet or key == held:
            now = datetime.now(UTC).timestamp()
            with store.transaction():
                end_sessions(store, run, now + LINGERING, drained=False)


def end_sessions(store: StateStore, run: Run, until: float, *, drained: bool) -> None:
    """Note that nothing more is sent by sessions; inside a transaction."""
    for session in run:
        store.settle_doubts(session.number, until, drained=drained)
        store.end_session(session.number)


def directory_of(session: SessionRow) -> RunDirectory:
    """
    Return where a run is.

    Raises:
        RunDirectoryError: it is not there, or another run is.
    """
    directory = open_run_directory(Path(session.directory))
    key = load_manifest(directory).key
    if key != RunKey(session.run_id, session.created_at):
        raise RunDirectoryError(f"{directory.path} is the directory of another run now")
    return directory


@contextmanager
def _quiet(directory: RunDirectory) -> Iterator[bool]:
    """Hold a journal still while the block runs, if nobody else has it; say so."""
    with ExitStack() as stack:
        quiet = True
        try:
            stack.enter_context(locked(directory.journal, shared=True))
        except RunDirectoryError:
            quiet = False
        yield quiet


def _lost(session: SessionRow, error: RunDirectoryError) -> str:
    return (
        f"what was last applied is not known: {error.message}. A run that began there "
        f"at {session.created_at} kept the state, and what it did since is not known. "
        "Put its directory back; or `batch-updater state rebuild RUN_DIR...` with "
        "where it is now; or, if it is gone for good, `batch-updater state forget`"
    )
