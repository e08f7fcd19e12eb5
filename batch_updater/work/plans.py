"""Rows that are planned: each face is looked at, by listing where that costs less."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from random import SystemRandom

from batch_updater.delivery.feed import Item
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pool import Send
from batch_updater.errors import StateError
from batch_updater.files.known_rows import write_known_rows
from batch_updater.files.lines import encode_result
from batch_updater.files.replay import PAGE
from batch_updater.frs.protocol import Face, write_faces
from batch_updater.jobs import Ready
from batch_updater.manifest import load_manifest, read_selection
from batch_updater.models import Against, Outcome, Result, Task
from batch_updater.planning.knowing import fresh_rows, known_fields
from batch_updater.planning.listing import Listed, listed_before
from batch_updater.states.opening import State, open_state, state_directory
from batch_updater.work.keeping import take_reads
from batch_updater.work.updates import look_ahead
from batch_updater.work.work import Batches, Session, Work


def _choose(ready: Ready, notices: Notices) -> Ready:
    """Leave out rows that the state can answer for, but for a sample of them."""
    settings = ready.job.settings
    if ready.job.resumed:
        return ready
    oldest = datetime.now(UTC).timestamp() - settings.state_max_age
    try:
        with _state_of(ready) as state:
            remarks = state.catch_up()
            # Before any face is read: from now on every run says what it writes.
            state.renew(ready.face_set.fields, ready.face_set.id)
            if settings.against is Against.REMOTE:
                return ready
            for remark in remarks:
                notices.tell(remark)
            fresh = fresh_rows(ready.intake, ready.types, ready.found, state, oldest)
    except StateError as error:
        notices.tell(f"{error.message}; all faces are looked at in FRS")
        return ready
    count = settings.drift_sample.of(fresh.count())
    pending = ~fresh | fresh.sample(count, SystemRandom())
    return replace(ready, job=replace(ready.job, pending=pending), known=fresh)


def _state_of(ready: Ready) -> AbstractContextManager[State]:
    settings, connection = ready.job.settings, ready.job.connection
    return open_state(
        state_directory(settings.state, os.environ),
        connection.endpoint,
        ready.project_id,
        settings.face_set or "",
    )


@asynccontextmanager
async def _sending(session: Session) -> AsyncIterator[Send]:
    await asyncio.to_thread(_keep_known, session)
    yield session.outlet.reader().read_face
    if not session.outlet.signals.gate.closed:  # else once it has been resumed
        await asyncio.to_thread(take_reads, session)


def _keep_known(session: Session) -> None:
    """Keep what the state says of rows that are not read: the plan goes by that."""
    ready, directory = session.ready, session.run.directory
    if directory.known.exists() or ready.job.settings.against is Against.REMOTE:
        return
    chosen = ready.known
    if chosen is None:
        chosen = ~read_selection(directory, load_manifest(directory))
    if not chosen.any():
        write_known_rows(directory.known, iter(()))
        return
    with _state_of(ready) as state:
        state.catch_up()
        known = known_fields(ready.intake, ready.types, ready.found, state, chosen)
        write_known_rows(directory.known, known)


async def _listed_first(batches: Batches, session: Session) -> Batches:
    """Hand on rows whose faces were listed as the results they already are."""
    async with aclosing(batches):
        listed = listed_before(
            session.run.directory, session.ready.face_set.face_number
        )
        if listed.pays(session.ready.rows, session.ready.job.settings.page):
            session.outlet.signals.notices.tell(
                f"{listed.left:,} faces are listed, and only rows of others take a "
                "request each"
            )
            await _list(listed, session)
        async for batch in batches:
            yield [_looked_up(item, listed.faces) for item in batch]


async def _list(listed: Listed, session: Session) -> None:
    """Ask for page after page; whoever is not shown is asked for by itself."""
    settings, outlet = session.ready.job.settings, session.outlet
    reader, gate = outlet.reader(), outlet.signals.gate
    while not gate.closed and (limit := listed.limit(settings.page)):
        page = await reader.read_page(settings.face_set or "", listed.offset, limit)
        if page.attempts:
            session.scribe.note(PAGE, encode_result(page))
        if page.outcome is Outcome.FAILED:
            outlet.signals.notices.tell(
                f"faces from number {page.row_number} on cannot be listed "
                f"({page.error_code}), and are asked for one by one"
            )
            return
        listed.take(page)


def _looked_up(item: Item, faces: Mapping[str, Face]) -> Item:
    if not isinstance(item, Task) or item.update.face_id not in faces:
        return item
    face = faces[item.update.face_id]
    return Result.of(item, Outcome.EXPORTED, write_faces([face]))


PLANS = Work(look=look_ahead, choose=_choose, sending=_sending, hand_on=_listed_first)
