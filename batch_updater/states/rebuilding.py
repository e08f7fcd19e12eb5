"""Making a state again from the journals of runs, and forgetting one."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from batch_updater.errors import RunDirectoryError, StateError
from batch_updater.files.lines import parse_time
from batch_updater.files.lock import locked
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.search import notes
from batch_updater.files.state_rows import FORGOTTEN, UNSURE, SessionRow
from batch_updater.files.state_store import StateStore
from batch_updater.manifest import Manifest
from batch_updater.models import UpdateMode
from batch_updater.states.absorbing import absorb
from batch_updater.states.catching_up import (
    catch_up,
    end_sessions,
    is_live,
    now,
    runs_of,
)
from batch_updater.states.faces import LINGERING
from batch_updater.states.seeing import renew

_HALF_DONE = (
    "it was being made again, and that did not end: repeat `batch-updater state "
    "rebuild RUN_DIR...`, or `batch-updater state forget`"
)


@dataclass(frozen=True, slots=True)
class Volume:
    """A run whose journal a state is made from."""

    directory: RunDirectory
    manifest: Manifest


@dataclass(slots=True)
class _Part:
    """A session in a journal: where it begins, when, and how it ends."""

    volume: Volume
    start: int
    began: float
    ended: float | None = None
    told: bool = False  # whether it says what it hands out
    whole: bool = False  # whether no row of the run is left at its end


def rebuild(store: StateStore, volumes: Sequence[Volume]) -> None:
    """
    Make a state again from nothing but journals.

    A row whose values are not on record, as those of a run that kept no state, makes
    its face unknown. What began later counts as later, by the journals' own stamps.

    Raises:
        RunDirectoryError: a journal is in use, damaged, or does not say what its run
            had under way when it was killed; nothing is changed.
        StateError: a run that keeps the state is not among them, and gone.
    """
    with ExitStack() as held:
        for volume in volumes:
            held.enter_context(locked(volume.directory.journal, shared=True))
        parts = sorted(
            (part for volume in volumes for part in _parts(volume)),
            key=lambda part: part.began,
        )
        with store.transaction():
            _clear(store, volumes)
            added = [_add(store, part) for part in parts]
            runs = _in_runs(store, added)
            store.note(UNSURE, _HALF_DONE)
        latest_at = _latest_at(parts, added)
        for sessions in runs:
            volume = next(v for v in volumes if _is_of(sessions[0], v))
            with store.transaction():  # values of another type are not taken for these
                renew(store, volume.manifest.declared, "", now())
            absorb(store, sessions[0].run, volume.directory.journal, latest_at)
            with store.transaction():
                end_sessions(store, sessions, _end_of(parts))
        with store.transaction():
            store.note(UNSURE, "")
            store.note(FORGOTTEN, "")
    catch_up(store)
    store.shrink()


def _parts(volume: Volume) -> list[_Part]:
    parts: list[_Part] = []
    for record in notes(volume.directory.journal):
        match record.kind:
            case "session":
                began = parse_time(record.facts["at"])
                parts.append(_Part(volume, record.offset, began))
            case "end" if parts:
                parts[-1].ended = parse_time(record.facts["at"])
                parts[-1].whole = record.facts.get("stop") is None
            case "state" | "sending" if parts:
                parts[-1].told = True
    _refuse_untold(parts)
    return parts


def _refuse_untold(parts: Sequence[_Part]) -> None:
    """Refuse a run of which nobody knows what it had sent when it was killed."""
    for part in parts:
        # Whatever had no outcome has been sent again by one that left no row.
        again = any(later.whole and later.start > part.start for later in parts)
        if part.ended is None and not part.told and not again:
            path = part.volume.directory.path
            raise RunDirectoryError(
                f"{path} was killed, and its journal does not say what it was sending "
                "then",
                hint=f"Let it end first: batch-updater resume {path}",
            )


def _clear(store: StateStore, volumes: Sequence[Volume]) -> None:
    """Forget all but the runs that may still do something, which are taken in again."""
    for run in runs_of(store):
        among = any(_is_of(run[-1], volume) for volume in volumes)
        if not (run[-1].over or among or is_live(run[-1])):
            raise StateError(
                f"the run {run[-1].run_id} kept this state, and what it did is not "
                "known: it is not among these",
                hint=f"Give its directory too (it was {run[-1].directory}); or, if it "
                "is gone for good, first: batch-updater state forget",
            )
        if run[-1].over or among:
            store.forget_sessions(session.number for session in run)
        else:
            store.advance(run[-1].number, min(session.start for session in run))
    store.forget_faces()


def _is_of(session: SessionRow, volume: Volume) -> bool:
    key = volume.manifest.key
    return (session.run_id, session.created_at) == (key.run_id, key.created_at)


def _add(store: StateStore, part: _Part) -> SessionRow:
    key, merges = part.volume.manifest.key, UpdateMode.MERGE
    return store.add_session(
        SessionRow(
            number=0,
            run=0,
            run_id=key.run_id,
            created_at=key.created_at,
            directory=str(part.volume.directory.path.absolute()),
            start=part.start,
            absorbed=0,
            over=False,
            merges=part.volume.manifest.settings.get("update-mode") == (merges,),
        )
    )


def _in_runs(store: StateStore, added: Sequence[SessionRow]) -> list[list[SessionRow]]:
    """Let sessions of one run know of one another."""
    runs: dict[tuple[str, str], list[SessionRow]] = {}
    for session in added:
        run = runs.setdefault((session.run_id, session.created_at), [])
        run.append(replace(session, run=run[0].number if run else session.number))
        store.join_run(session.number, run[0].number)
    return list(runs.values())


def _latest_at(
    parts: Sequence[_Part], added: Sequence[SessionRow]
) -> Callable[[float], int]:
    began = [part.began for part in parts]
    numbers = [session.number for session in added]
    return lambda moment: numbers[max(0, bisect_right(began, moment) - 1)]


def _end_of(parts: Sequence[_Part]) -> float:
    return max(part.ended or part.began for part in parts) + LINGERING


def forget(store: StateStore) -> None:
    """
    Forget all that was applied; no run keeps the state until one makes it again.

    A run that is going on stays known, so that what it does is not overlooked then.
    """
    with store.transaction():
        for run in runs_of(store):
            if not run[-1].over and is_live(run[-1]):
                store.advance(run[-1].number, min(session.start for session in run))
            else:
                store.forget_sessions(session.number for session in run)
        store.forget_faces()
        store.note(UNSURE, "")
        store.note(FORGOTTEN, "yes")
    store.shrink()
