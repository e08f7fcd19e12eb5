"""Rows that are asked about: each face is read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from batch_updater.delivery.pool import Send
from batch_updater.work.updates import look_ahead
from batch_updater.work.work import Session, Work


@asynccontextmanager
async def _sending(session: Session) -> AsyncIterator[Send]:
    yield session.outlet.reader().read_face


EXPORTS = Work(look=look_ahead, sending=_sending)
