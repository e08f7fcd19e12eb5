"""One task to one result: encode, call, and say how it ended."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from batch_updater.delivery.calls import Caller, Tries
from batch_updater.frs.protocol import encode_update, payload_hash
from batch_updater.frs.verdicts import judge
from batch_updater.models import Outcome, Reply, Result, Task


class FaceService(Protocol):
    """What the sender asks of the client; tests give it a simpler one."""

    async def update_face(self, face_set_name: str, body: bytes) -> Reply:
        """Send one update; whatever happens is a Reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """
    Sends tasks; holds nothing about any of them between calls.

    Args:
        include_values: whether results carry the body.
    """

    service: FaceService
    caller: Caller
    include_values: bool = False

    async def send(self, task: Task) -> Result:
        """
        Return the row's result; a refusal of the run closes the gate.

        A worker that is cancelled (a second signal) still gets a result: what
        was on its way is recorded as ambiguous instead of being lost.
        """
        body = encode_update(task.update)
        update = partial(self.service.update_face, task.face_set_name, body)
        tries = Tries(task)
        with suppress(asyncio.CancelledError):
            await self.caller.call(update, judge, tries)
        return tries.tell(
            task,
            _outcome(tries),
            payload_sha256=payload_hash(body),
            payload=body.decode() if self.include_values else "",
        )


def _outcome(tries: Tries) -> Outcome:
    if tries.succeeded:
        return Outcome.UPDATED
    # Refused with the whole run, or drained before it could be tried again:
    # resume takes it up.
    return Outcome.FAILED if tries.failed else Outcome.UNPROCESSED
