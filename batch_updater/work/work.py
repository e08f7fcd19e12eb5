"""What differs from one purpose to another."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from batch_updater.delivery.feed import Batch
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pool import Send
from batch_updater.intake.items import make_items
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import Survey
from batch_updater.jobs import Job, Ready
from batch_updater.mapping.columns import FieldTypes
from batch_updater.outlet import Outlet
from batch_updater.record import Opened
from batch_updater.scribe import Scribe
from batch_updater.selection import Selection

Batches = AsyncGenerator[Batch, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A run that has begun: what its rows leave by, and where they are written down."""

    ready: Ready
    outlet: Outlet
    run: Opened
    scribe: Scribe


def all_chosen(ready: Ready, notices: Notices) -> Ready:
    """Leave the rows of a job as they were asked for."""
    return ready


def rows_as_they_are(ready: Ready, pending: Selection) -> Iterator[Batch]:
    """Yield the pending rows in input order."""
    return make_items(ready.intake, ready.types, ready.found, pending)


def straight_on(batches: Batches, session: Session) -> Batches:
    """Hand batches on as they come."""
    return batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """
    What is done with the rows of a run.

    Args:
        look: looks at all rows before the first leaves, in a thread; it is told
            whom to ask between chunks whether to stop.
        choose: settles which rows the run is about, once all have been looked at,
            in a thread; may set `job.pending`.
        items: makes tasks and results of the pending rows, in a thread.
        hand_on: what happens to each batch before its rows can be taken.
        sending: opens what turns a task into its result.
    """

    look: Callable[[Job, Intake, FieldTypes, Callable[[], bool]], Survey]
    sending: Callable[[Session], AbstractAsyncContextManager[Send]]
    choose: Callable[[Ready, Notices], Ready] = all_chosen
    items: Callable[[Ready, Selection], Iterator[Batch]] = rows_as_they_are
    hand_on: Callable[[Batches, Session], Batches] = straight_on
