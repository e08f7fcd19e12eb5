"""One face read back and held against its row, until it matches or time is up."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from batch_updater.delivery.calls import Caller, Tries
from batch_updater.delivery.reader import FacesService
from batch_updater.frs.codes import find_code
from batch_updater.frs.protocol import read_faces
from batch_updater.frs.verdicts import Judgement, judge_face
from batch_updater.mapping.comparison import (
    Difference,
    differences,
    held_in,
    write_differences,
)
from batch_updater.models import (
    FaceUpdate,
    FieldType,
    Outcome,
    Reply,
    Result,
    Task,
    Verdict,
)

MISMATCH = "REPLY.MISMATCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """
    Reads faces back; a mismatch's payload is what differs.

    A face may show its older values for a moment after it was written. What was
    written before the reading began has settled a while later, so from then on one
    look is enough; until then a face that does not match is asked for again.

    Args:
        types: of custom fields, by their own names.
        unsettled: whether what was written before may not be seen yet.
    """

    service: FacesService
    caller: Caller
    types: Mapping[str, FieldType]
    unsettled: Callable[[], bool]

    async def verify(self, task: Task) -> Result:
        """Return the result of holding the task's face against its update."""
        face_id = task.update.face_id
        tries = Tries(task, changes=False)
        with suppress(asyncio.CancelledError):
            await self.caller.call(
                partial(self.service.show_face, task.face_set_name, face_id),
                partial(self._judge_in_time, task.update),
                tries,
            )
        outcome = _outcome(tries)
        if outcome is not Outcome.MISMATCH:
            return tries.tell(task, outcome)
        found = self._differences(task.update, tries.reply)
        return tries.tell(task, outcome, payload=write_differences(found))

    def _judge_in_time(self, update: FaceUpdate, reply: Reply) -> Judgement:
        judgement = self._judge(update, reply)
        if judgement.verdict is not Verdict.SETTLE or self.unsettled():
            return judgement
        return replace(judgement, verdict=Verdict.FAIL_ROW)

    def _judge(self, update: FaceUpdate, reply: Reply) -> Judgement:
        judgement = judge_face(reply, update.face_id)
        if judgement.verdict is not Verdict.SUCCESS:
            return judgement
        found = self._differences(update, reply)
        if not found:
            return judgement
        # Names only: what the message says stands in summaries.
        said = "other values in " + ", ".join(each.field for each in found)
        return Judgement(Verdict.SETTLE, MISMATCH, said, entry=find_code(MISMATCH))

    def _differences(self, update: FaceUpdate, reply: Reply) -> tuple[Difference, ...]:
        (face,) = read_faces(reply.body) or ({},)
        return differences(update, held_in(face), self.types)


def _outcome(tries: Tries) -> Outcome:
    if tries.succeeded:
        return Outcome.SAME
    if not tries.failed:
        return Outcome.UNPROCESSED
    if tries.judgement.code == MISMATCH:
        return Outcome.MISMATCH
    entry = tries.judgement.entry
    missing = entry and entry.verdict is Verdict.SETTLE
    return Outcome.MISSING if missing else Outcome.FAILED
