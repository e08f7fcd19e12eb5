"""Runs that keep what was last applied (the state), and send only what differs from it."""

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from batch_updater.delivery.feed import Batch, Item
from batch_updater.delivery.notices import Notices
from batch_updater.errors import (
    RunDirectoryError,
    StateError,
    StateFailed,
    UsageError,
)
from batch_updater.jobs import Job, Ready
from batch_updater.manifest import load_manifest
from batch_updater.mapping.comparison import differences
from batch_updater.models import Outcome, Result, Task, UpdateMode
from batch_updater.states.keeping import Keeper, pieces, sending_facts
from batch_updater.states.opening import Known, open_place
from batch_updater.states.places import StatePlace, place_of, state_directory
from batch_updater.states.registering import Beginning
from batch_updater.states.sightings import seen_faces
from batch_updater.work.work import Batches, Session


def makes_state(job: Job) -> bool:
    """Return whether a run keeps a state even where there is none yet."""
    return job.plan is not None or job.settings.changed_only


def with_state(ready: Ready, notices: Notices) -> Ready:
    """
    Return the job with the state that it keeps: its own kind makes one, all go on.

    Raises:
        StateError: there is one, but it cannot be used.
        UsageError: rows are to be compared that nobody has looked at.
    """
    job = ready.job
    if job.settings.changed_only and not ready.found.ahead:
        raise UsageError(
            "--changed-only has to know which rows update the same face, and "
            "--no-check-ahead does not look",
            hint="Leave out --no-check-ahead.",
        )
    place = _place(ready, makes=makes_state(job))
    if place is None or (job.settings.dry_run and not place.path.exists()):
        return ready
    with open_place(place) as state:
        if not (makes_state(job) or state.is_kept):
            return ready
        for remark in state.catch_up():
            notices.tell(remark)
    # Who goes on with the run, or makes the state again, finds the same one.
    project_id = place.owner.project_id
    found = {"state": (str(place.directory),), "project-id": (project_id,)}
    texts = {**job.texts, **found}
    return replace(ready, job=replace(job, texts=texts), keeper=Keeper(place))


def _place(ready: Ready, *, makes: bool) -> StatePlace | None:
    """Return where the state is, if it is there or this job makes it."""
    job = ready.job
    try:
        directory = state_directory(job.settings.state, os.environ)
    except StateError:
        if makes:
            raise
        return None
    face_set = job.settings.face_set or ""
    place = place_of(directory, job.connection.endpoint, ready.project_id, face_set)
    return place if makes or place.path.exists() else None


def take_reads(session: Session) -> None:
    """Let the state, where there is one, know what faces were seen to hold."""
    ready = session.ready
    try:
        place = _place(ready, makes=False)
        if place is None:
            return
        with open_place(place) as state:
            if not state.is_kept:
                return
            state.catch_up()
            state.renew(ready.face_set.fields, ready.face_set.id)
            for seen in seen_faces(session.run.directory):
                state.see(seen)
    except StateError as error:
        session.outlet.signals.notices.tell(
            f"what was read is not in the state: {error.message}"
        )


@asynccontextmanager
async def taken_in(session: Session) -> AsyncIterator[Session]:
    """
    Take in what a session has done, once everything in the block has landed.

    In a session that keeps a state, results carry what was sent.
    """
    keeper = session.ready.keeper
    if keeper is None:
        yield session
        return
    try:
        yield replace(session, outlet=replace(session.outlet, keeps_values=True))
    finally:
        await _take_in(keeper, session.outlet.signals.notices)


def only_changed(
    batches: Iterator[Batch], ready: Ready, repeats: Callable[[Task], bool] | None
) -> Iterator[Batch]:
    """
    Return rows with those that the state holds already turned into results.

    Args:
        repeats: whether a task's face may come again: then the state does not say
            what it holds when its turn has come, and it is sent.
    """
    if ready.keeper is None or not ready.job.settings.changed_only:
        return batches
    return _compared(
        batches, ready, ready.keeper.place, repeats or (lambda task: False)
    )


def _compared(
    batches: Iterator[Batch],
    ready: Ready,
    place: StatePlace,
    repeats: Callable[[Task], bool],
) -> Iterator[Batch]:
    with open_place(place) as state:
        state.catch_up()
        for batch in batches:
            items = list(batch)
            ids = [item.update.face_id for item in items if isinstance(item, Task)]
            known = state.look_up(ids)

            def is_held(task: Task, known: Mapping[str, Known] = known) -> bool:
                found = known.get(task.update.face_id)
                if found is None or repeats(task):
                    return False
                return not differences(task.update, found.fields, ready.types.types)

            yield [_unchanged_if(item, is_held) for item in items]


def _unchanged_if(item: Item, is_held: Callable[[Task], bool]) -> Item:
    if not (isinstance(item, Task) and is_held(item)):
        return item
    return Result.of(item, Outcome.UNCHANGED)


def keeping_state(batches: Batches, session: Session) -> Batches:
    """Hand batches on in pieces, each noted before any of its rows can leave."""
    keeper = session.ready.keeper
    return batches if keeper is None else _noted(batches, session, keeper)


async def _noted(batches: Batches, session: Session, keeper: Keeper) -> Batches:
    gate = session.outlet.signals.gate
    async with aclosing(batches):
        try:
            await asyncio.to_thread(keeper.begin, _beginning(session))
        except StateError as error:
            gate.close(_not_joined(error, session))
            return
        if not await session.scribe.note_safely(("state", {})):
            return
        async for batch in batches:
            for piece in pieces(batch):
                notes = [("sending", facts) for facts in sending_facts(piece)]
                if notes and not await session.scribe.note_safely(*notes):
                    return
                yield keeper.hand_out(piece)


def _beginning(session: Session) -> Beginning:
    ready, run = session.ready, session.run
    return Beginning(
        key=load_manifest(run.directory).key,
        directory=run.directory.path,
        declared=ready.face_set.fields,
        face_set_id=ready.face_set.id,
        merges=ready.job.settings.update_mode is UpdateMode.MERGE,
    )


def _not_joined(error: StateError, session: Session) -> StateFailed:
    again = shlex.join(["batch-updater", "resume", str(session.run.directory.path)])
    return StateFailed(
        f"{error.message}; nothing was sent", hint=f"{error.hint} Then: {again}"
    )


async def _take_in(keeper: Keeper, notices: Notices) -> None:
    try:
        await asyncio.to_thread(keeper.end)
    except (StateError, RunDirectoryError) as error:
        notices.tell(
            f"the state is not up to date: {error.message}. The next run or plan "
            "that uses it takes this run's journal in; keep its directory until then"
        )
