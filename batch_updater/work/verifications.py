"""Rows that are read back: each face is held against what its row says."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import SystemRandom

from batch_updater.delivery.feed import Batch
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pool import Send
from batch_updater.intake.items import make_items
from batch_updater.jobs import Ready
from batch_updater.models import OnDuplicate, Task
from batch_updater.report.text import count_rows
from batch_updater.selection import Selection
from batch_updater.verifying.asked import Verified
from batch_updater.verifying.overwritten import Overwritten, Values
from batch_updater.work.keeping import take_reads
from batch_updater.work.updates import look_ahead
from batch_updater.work.work import Session, Work, rows_as_they_are


def _choose(ready: Ready, notices: Notices) -> Ready:
    """Leave out what cannot be held against its face, and take the sample, once."""
    job, asked = ready.job, ready.job.verified or Verified()
    ready = replace(ready, overwritten=_overwritten(ready, asked))
    if job.resumed:
        return ready
    pending = _without_values(ready, _without_overwritten(ready, notices), notices)
    if sample := job.settings.sample:
        chosen = Selection.all(ready.found.total) if pending is None else pending
        asked = replace(asked, rows=chosen.count())
        pending = chosen.sample(max(1, sample.of(chosen.count())), SystemRandom())
    return replace(ready, job=replace(job, pending=pending, verified=asked))


def _without_overwritten(ready: Ready, notices: Notices) -> Selection | None:
    """Return the rows of which anything can be there; None means all."""
    pending = ready.job.pending
    if ready.overwritten is None:
        return pending
    chosen = Selection.all(ready.found.total) if pending is None else pending
    gone = ready.overwritten.whole() & chosen
    if not gone.any():
        return pending
    notices.tell(
        f"{count_rows(gone.count())} left out: later rows of the same faces name all "
        "their fields"
    )
    return chosen - gone


def _without_values(
    ready: Ready, pending: Selection | None, notices: Notices
) -> Selection | None:
    """Leave out rows of a plan that does not say what they want: of `same` ones."""
    if pending is None or not ready.intake.planned:
        return pending
    left, layout = pending.copy(), ready.found.layout
    for batch in make_items(ready.intake, ready.types, ready.found, pending):
        for item in batch:
            if not isinstance(item, Task):
                left[layout.ordinal(item.source, item.row_number)] = False
    if gone := pending.count() - left.count():
        notices.tell(
            f"{count_rows(gone)} left out: their faces were as wanted when the plan "
            "was made, and it does not say what that is; verify its input for that"
        )
    return left


def _overwritten(ready: Ready, asked: Verified) -> Overwritten | None:
    """Return what later rows of the same faces have written over, if any can have."""
    found, in_order = ready.found, OnDuplicate.IN_ORDER
    if ready.job.settings.on_duplicate is not in_order or not found.repeated.any():
        return None
    rows = found.repeated if asked.written is None else found.repeated & asked.written
    values = Values()
    for batch in make_items(ready.intake, ready.types, found, rows):
        tasks = (item for item in batch if isinstance(item, Task))
        values.take(tasks, found.layout)
    return values.overwritten(found.total)


def _items(ready: Ready, pending: Selection) -> Iterator[Batch]:
    overwritten, found = ready.overwritten, ready.found
    if overwritten is None:
        yield from rows_as_they_are(ready, pending)
        return
    for batch in rows_as_they_are(ready, pending):
        yield [
            overwritten.left_of(
                item, found.layout.ordinal(item.source, item.row_number)
            )
            if isinstance(item, Task)
            else item
            for item in batch
        ]


@asynccontextmanager
async def _sending(session: Session) -> AsyncIterator[Send]:
    ready = session.ready
    types = {**ready.face_set.fields, **ready.types.types}
    yield session.outlet.verifier(types).verify
    # Also when it ends early: what it has found by then need not be found again.
    await asyncio.to_thread(take_reads, session)


VERIFICATIONS = Work(look=look_ahead, choose=_choose, items=_items, sending=_sending)
