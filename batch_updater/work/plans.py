"""Rows that are planned: each face is looked at, by listing where that costs less."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager

from batch_updater.delivery.feed import Item
from batch_updater.delivery.pool import Send
from batch_updater.files.lines import encode_result
from batch_updater.files.replay import PAGE
from batch_updater.frs.protocol import Face, write_faces
from batch_updater.models import Outcome, Result, Task
from batch_updater.planning.listing import Listed, listed_before
from batch_updater.work.updates import look_ahead
from batch_updater.work.work import Batches, Session, Work


@asynccontextmanager
async def _sending(session: Session) -> AsyncIterator[Send]:
    yield session.outlet.reader().read_face


async def _listed_first(batches: Batches, session: Session) -> Batches:
    """Hand on rows whose faces were listed as the results they already are."""
    async with aclosing(batches):
        listed = listed_before(
            session.run.directory, session.ready.face_set.face_number
        )
        if listed.pays(session.ready.rows, session.ready.job.settings.page):
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
    return Result(
        source=item.source,
        row_number=item.row_number,
        face_set_name=item.face_set_name,
        face_id=item.update.face_id,
        outcome=Outcome.EXPORTED,
        payload=write_faces([face]),
    )


PLANS = Work(look=look_ahead, sending=_sending, hand_on=_listed_first)
