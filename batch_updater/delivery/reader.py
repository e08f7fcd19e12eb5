"""One question about faces to one result: a face by its id, or a page of a listing."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from batch_updater.delivery.calls import Caller, Judge, Send, Tries
from batch_updater.frs.protocol import read_faces, write_faces
from batch_updater.frs.verdicts import judge_face, judge_faces
from batch_updater.models import FaceUpdate, Outcome, Reply, Result, Task, Verdict

PAGES = "pages"
"""The source of results that are pages: nobody's file."""


class FacesService(Protocol):
    """What the reader asks of the client."""

    async def show_face(self, face_set_name: str, face_id: str) -> Reply:
        """Ask for one face; whatever happens is a Reply."""

    async def show_faces(self, face_set_name: str, offset: int, limit: int) -> Reply:
        """Ask for a page of faces; whatever happens is a Reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads faces; a result's payload is what the service said of them, as JSON."""

    service: FacesService
    caller: Caller

    async def read_face(self, task: Task) -> Result:
        """Return the result of asking for the task's face; its update is not sent."""
        face_id = task.update.face_id
        return await self._read(
            partial(self.service.show_face, task.face_set_name, face_id),
            partial(judge_face, face_id=face_id),
            task,
        )

    async def read_page(self, face_set_name: str, offset: int, limit: int) -> Result:
        """Return the result of a page; its row number is its first face's, from 1."""
        return await self._read(
            partial(self.service.show_faces, face_set_name, offset, limit),
            judge_faces,
            Task(FaceUpdate(""), face_set_name, PAGES, offset + 1),
        )

    async def _read(self, ask: Send, judge: Judge, task: Task) -> Result:
        tries = Tries(task, changes=False)
        with suppress(asyncio.CancelledError):
            await self.caller.call(ask, judge, tries)
        faces = read_faces(tries.reply.body) if tries.succeeded else None
        told = write_faces(faces) if faces is not None else ""
        return tries.tell(task, _outcome(tries), payload=told)


def _outcome(tries: Tries) -> Outcome:
    if tries.succeeded:
        return Outcome.EXPORTED
    if not tries.failed:
        return Outcome.UNPROCESSED
    missing = tries.judgement.verdict is Verdict.SETTLE
    return Outcome.MISSING if missing else Outcome.FAILED
