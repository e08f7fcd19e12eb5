"""Rows that are updates: each is sent, those of one face in order."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

from batch_updater.applying.refusals import (
    Target,
    refuse_other_rows,
    refuse_other_target,
    refuse_other_types,
)
from batch_updater.delivery.feed import Batch
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pool import Send
from batch_updater.intake.kept import kept_in, look
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import Survey, later_rows
from batch_updater.intake.unchecked import count_only
from batch_updater.jobs import Job, Ready
from batch_updater.mapping.columns import FieldTypes
from batch_updater.models import OnDuplicate, Task
from batch_updater.report.text import count_rows
from batch_updater.selection import Selection
from batch_updater.work.careful import needs_care, sending_carefully
from batch_updater.work.keeping import (
    keeping_state,
    only_changed,
    taken_in,
    with_state,
)
from batch_updater.work.work import Session, Work, rows_as_they_are


def look_ahead(
    job: Job, intake: Intake, types: FieldTypes, stopped: Callable[[], bool]
) -> Survey:
    """Check every row, or only count them; what a run that goes on has kept is enough."""
    if not job.settings.check_ahead:
        return count_only(intake)
    policy, run = job.settings.on_duplicate, job.resumed
    kept = kept_in(run.directory.survey, intake, types, policy) if run else None
    return look(kept, intake, types, policy, stopped)


def _chosen(ready: Ready, notices: Notices) -> Ready:
    """Refuse a plan that is not for this face set any more; settle which rows go."""
    if plan := ready.job.plan:
        job = ready.job
        face_set = job.settings.face_set or ""
        target = Target(job.connection.endpoint, ready.project_id, face_set)
        refuse_other_target(plan, target)
        refuse_other_types(plan, ready.face_set.fields)
        refuse_other_rows(plan, ready.found.statuses)
    return with_state(_with_later_rows(ready, notices), notices)


def _with_later_rows(ready: Ready, notices: Notices) -> Ready:
    """Let later rows of a face go along with one that is sent again, in order."""
    job, retry = ready.job, ready.job.retry
    if (
        not retry
        or job.resumed
        or job.settings.on_duplicate is not OnDuplicate.IN_ORDER
    ):
        return ready
    later = retry.later
    if later is None and job.pending is not None:
        later = later_rows(ready.intake, ready.found, job.pending)
        job = replace(job, pending=job.pending | later)
    if later is not None and later.any():
        notices.tell(
            f"{count_rows(later.count())} that did not fail will go along: they "
            "update the same faces later, and their values have to stay the last"
        )
    job = replace(job, retry=replace(retry, later=later))
    return replace(ready, job=job)


@asynccontextmanager
async def _sending(session: Session) -> AsyncIterator[Send]:
    repeats = _repeats(session.ready)
    async with taken_in(session) as kept:
        if needs_care(kept.ready.job):
            async with sending_carefully(kept, repeats) as send:
                yield send
        else:
            yield kept.outlet.sender(repeats)


def _repeats(ready: Ready) -> Callable[[Task], bool] | None:
    layout, repeated = ready.found.layout, ready.found.repeated
    if ready.job.settings.on_duplicate is not OnDuplicate.IN_ORDER:
        return None
    if not ready.found.ahead:
        return lambda task: True
    if not repeated.any():
        return None
    return lambda task: repeated[layout.ordinal(task.source, task.row_number)]


def _items(ready: Ready, pending: Selection) -> Iterator[Batch]:
    batches = rows_as_they_are(ready, pending)
    return only_changed(batches, ready, _repeats(ready))


UPDATES = Work(
    look=look_ahead,
    choose=_chosen,
    items=_items,
    hand_on=keeping_state,
    sending=_sending,
)
