"""Bringing a state up to date with the journals of the runs that keep it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from batch_updater.errors import RunDirectoryError
from batch_updater.files.lock import locked
from batch_updater.files.run_dir import RunDirectory, open_run_directory
from batch_updater.files.state_rows import UNSURE, SessionRow
from batch_updater.files.state_store import StateStore
from batch_updater.manifest import RunKey, load_manifest
from batch_updater.states.absorbing import absorb
from batch_updater.states.faces import LINGERING

Clock = Callable[[], float]
"""Tells the seconds since the epoch."""

Run = list[SessionRow]
"""The sessions of one run, in order."""


def now() -> float:
    """Return this moment, in seconds since the epoch."""
    return datetime.now(UTC).timestamp()


def catch_up(store: StateStore, clock: Clock = now) -> list[str]:
    """
    Take in the journals of all runs that are not over; return what is in the way.

    A run whose journal somebody holds may go on: it is taken in up to its last whole
    line. One that nobody holds was killed, or has ended since.

    Returns:
        Remarks for people; when there are any, nothing the state says is sure.

    Raises:
        StateError: the state cannot be written.
    """
    unsure = store.noted(UNSURE)
    remarks = [f"what was last applied is not known: {unsure}"] if unsure else []
    for run in runs_of(store):
        if not run[-1].over:
            try:
                _take_in(store, run, clock)
            except RunDirectoryError as error:
                remarks.append(_lost(run[-1], error))
    return remarks


def runs_of(store: StateStore) -> list[Run]:
    """Return the sessions of each run."""
    ordered = sorted(store.sessions(), key=lambda s: (s.run, s.number))
    return [list(run) for _, run in groupby(ordered, key=lambda s: s.run)]


def is_live(session: SessionRow) -> bool:
    """Return whether the run of a session is there, and somebody is at it."""
    try:
        with _quiet(directory_of(session)) as quiet:
            return not quiet
    except RunDirectoryError:
        return False


def _take_in(store: StateStore, run: Run, clock: Clock) -> None:
    directory = directory_of(run[-1])
    with _quiet(directory) as quiet:
        absorb(store, run[-1].run, directory.journal)
        if quiet:
            with store.transaction():
                end_sessions(store, run, clock() + LINGERING)


def end_sessions(
    store: StateStore, sessions: Sequence[SessionRow], until: float
) -> None:
    """
    Note that nothing more is sent by sessions; inside a transaction.

    Args:
        until: when it is sure what became of what they sent.
    """
    for session in sessions:
        store.settle_doubts(session.number, until)
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
