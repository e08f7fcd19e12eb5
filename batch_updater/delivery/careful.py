"""One task to one result, carefully: look at the face, keep what it holds, then send."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from batch_updater.delivery.clock import Clock
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.pool import Send
from batch_updater.delivery.written import Written
from batch_updater.errors import JournalFailed
from batch_updater.frs.protocol import encode_update, read_faces
from batch_updater.mapping.care import KEPT, Care, Ended, Known, say_kept
from batch_updater.models import (
    BeforeImage,
    ErrorClass,
    FaceUpdate,
    Outcome,
    Result,
    Task,
)

_WELL = frozenset({Outcome.UPDATED, Outcome.UNCHANGED})


class Images(Protocol):
    """Where before-images are kept."""

    def earlier(self, task: Task) -> Mapping[str, Any] | None:
        """Return the face in the image that earlier sessions kept last for a row."""

    async def keep(self, image: BeforeImage) -> None:
        """Return once an image is safe; JournalFailed when it cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarefulSender:
    """
    Sends tasks whose faces are known; nothing is sent before its image is safe.

    Args:
        read: returns the result of reading a task's face, as Reader does.
        send: returns the result of sending a task as it is, as Sender does.
        written: what earlier rows of faces that come again have just sent.
        include_values: whether results of unchanged rows carry what they want.
    """

    read: Send
    send: Send
    images: Images
    care: Care
    gate: Gate
    written: Written = field(default_factory=Written)
    include_values: bool = False
    clock: Clock = field(default_factory=Clock)

    async def send_carefully(self, task: Task) -> Result:
        """
        Return the row's result; what cannot be kept closes the gate.

        A worker that is cancelled (a second signal) still gets a result, and sends
        nothing more.
        """
        so_far = Result.of(task, Outcome.UNPROCESSED)
        if refused := self.care.refuse(task):
            return self._end(so_far, task, refused)
        face, fresh = task.planned.before if task.planned else None, False
        if self.care.reads(task):
            so_far, fresh = await self.read(task), True
            if so_far.outcome is not Outcome.EXPORTED:
                return _unread(so_far)
            face = self.written.shown(task.update.face_id, _face_in(so_far))
        known = Known(face=face, fresh=fresh, earlier=self.images.earlier(task))
        decided = self.care.decide(task, known)
        if isinstance(decided, Ended):
            return self._end(so_far, task, decided)
        if not await self._is_kept(task, known, decided):
            return replace(so_far, outcome=Outcome.UNPROCESSED, payload="")
        result = await self.send(replace(task, update=decided))
        if result.outcome is Outcome.UPDATED:
            self.written.note(task, decided)
        attempts = (*so_far.attempts, *result.attempts)
        return _with_kept(replace(result, attempts=attempts), task)

    async def _is_kept(self, task: Task, known: Known, update: FaceUpdate) -> bool:
        """Keep what the face held, unless that is known; return whether it is safe."""
        before = self.care.to_keep(task.update, known)
        if before is None:
            return True
        image = BeforeImage(
            source=task.source,
            row_number=task.row_number,
            face_set_name=task.face_set_name,
            at=self.clock.now().stamp,
            before=before,
            update=update,
        )
        try:
            await self.images.keep(image)
        except JournalFailed as failure:
            self.gate.close(failure)
            return False
        except asyncio.CancelledError:
            return False
        return True

    def _end(self, so_far: Result, task: Task, ended: Ended) -> Result:
        wants = self.include_values and ended.outcome is Outcome.UNCHANGED
        result = replace(
            so_far,
            outcome=ended.outcome,
            error_code=ended.code,
            error_msg=ended.message,
            error_class=None if ended.outcome in _WELL else ErrorClass.PERMANENT,
            rule=ended.rule,
            column=ended.column,
            payload=encode_update(task.update).decode() if wants else "",
        )
        return _with_kept(result, task)


def _unread(result: Result) -> Result:
    """Return the result of a row whose face could not be read: it is not changed."""
    if result.outcome is Outcome.UNPROCESSED:
        return result
    return replace(result, outcome=Outcome.FAILED)


def _face_in(result: Result) -> Mapping[str, Any]:
    faces = read_faces(result.payload)
    assert faces is not None  # noqa: S101  (what was read has been judged)
    return faces[0]


def _with_kept(result: Result, task: Task) -> Result:
    """Return the result with the fields that a rollback has to leave as they are."""
    kept = task.planned.kept if task.planned else ()
    if not kept or result.outcome not in _WELL:
        return result
    return replace(result, error_code=KEPT, error_msg=say_kept(kept))
