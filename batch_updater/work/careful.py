"""Updates whose faces are looked at first, and what those held is kept."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from batch_updater.delivery.pool import Send
from batch_updater.files.before_images import open_images
from batch_updater.jobs import Job, Ready
from batch_updater.mapping.care import Care
from batch_updater.models import RowLayout, Task
from batch_updater.selection import Selection
from batch_updater.work.work import Session


def needs_care(job: Job) -> bool:
    """Return whether rows are more than sent as they are."""
    return job.plan is not None or job.settings.requests_a_row > 1


@asynccontextmanager
async def sending_carefully(
    session: Session, repeats: Callable[[Task], bool] | None
) -> AsyncIterator[Send]:
    """Open what sends one task carefully, and the images that it keeps."""
    ready, path = session.ready, session.run.directory.before
    async with open_images(path, _may_be_sent(ready)) as images:
        yield session.outlet.careful_sender(_care(ready), images, repeats)


def _care(ready: Ready) -> Care:
    settings = ready.job.settings
    return Care(
        mode=settings.update_mode,
        backup=settings.backup,
        check_drift=settings.check_drift,
        types=ready.types,
        values=settings.include_values,
    )


def _may_be_sent(ready: Ready) -> Callable[[str, int], bool]:
    layout, pending = ready.found.layout, ready.job.pending
    return lambda source, number: _is_among(pending, layout, source, number)


def _is_among(
    pending: Selection | None, layout: RowLayout, source: str, number: int
) -> bool:
    try:
        ordinal = layout.ordinal(source, number)
    except KeyError:
        return False
    return pending is None or pending[ordinal]
