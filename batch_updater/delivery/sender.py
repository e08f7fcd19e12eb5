"""One task to one result: encode, then retry( pace( timeout( put )))."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from time import time_ns
from typing import Protocol

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.pacing import Pacer
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.errors import RunRefused
from batch_updater.frs.codes import find_code
from batch_updater.frs.protocol import encode_update, payload_hash
from batch_updater.frs.verdicts import Judgement, judge
from batch_updater.models import Attempt, Outcome, Reply, Result, Task, Verdict


class Credentials(Protocol):
    """What every caller asks of the client when it is refused."""

    @property
    def credentials_version(self) -> int:
        """A number that grows with every renewal."""

    async def renew_credentials(self, stale: int) -> bool:
        """Replace credentials of this version; False when there are no others."""


class FaceService(Credentials, Protocol):
    """What the sender asks of the client; tests give it a simpler one."""

    async def update_face(self, face_set_name: str, body: bytes) -> Reply:
        """Send one update; whatever happens is a Reply."""


class Clock:
    """UTC stamps from the loop's clock: a clock that jumps cannot bend them."""

    def __init__(self) -> None:
        self._offset = time_ns() / 1e9 - self.now()

    def now(self) -> float:
        """Return the loop's time in seconds."""
        return asyncio.get_running_loop().time()

    def stamp(self, moment: float) -> float:
        """Return a moment of the loop as seconds since the epoch."""
        return moment + self._offset


# For answers that are not in the catalogue: most come from somebody else.
_REMEDY = (
    "check the token, --project-id, and --region or --endpoint: a proxy or another "
    "service may have answered"
)


@dataclass(slots=True)
class _Tries:
    """What one row has been through so far."""

    attempts: list[Attempt] = field(default_factory=list)
    spent: float = 0.0
    ambiguous: bool = False
    renewed: bool = False
    gave_up: bool = False
    reply: Reply = field(default_factory=lambda: Reply(None))
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """
    Sends tasks; holds nothing about any of them between calls.

    Args:
        include_values: whether results carry the body.
    """

    service: FaceService
    pacer: Pacer
    gate: Gate
    retry: RetryPolicy
    clock: Clock
    chance: Random
    include_values: bool = False

    async def send(self, task: Task) -> Result:
        """
        Return the row's result; a refusal of the run closes the gate.

        A worker that is cancelled (a second signal) still gets a result: what
        was on its way is recorded as ambiguous instead of being lost.
        """
        body = encode_update(task.update)
        tries = _Tries()
        try:
            while slot := await self.pacer.start():
                version = self.service.credentials_version
                judgement = await self._attempt(task, body, tries)
                self.pacer.landed(slot)
                if await self._is_final(judgement, version, tries):
                    break
        except asyncio.CancelledError:
            pass
        return self._result(task, body, tries)

    async def _attempt(self, task: Task, body: bytes, tries: _Tries) -> Judgement:
        started = self.clock.now()
        try:
            reply = await self.service.update_face(task.face_set_name, body)
        except asyncio.CancelledError:
            reply = Reply(None, error="cut_off", detail="stopped before the answer")
        judgement = judge(reply)
        self._note(tries, started, reply, judgement)
        return judgement

    def _note(
        self, tries: _Tries, started: float, reply: Reply, judgement: Judgement
    ) -> None:
        latency = self.clock.now() - started
        tries.attempts.append(
            Attempt(self.clock.stamp(started), latency, reply.status, judgement.code)
        )
        tries.spent += latency
        tries.ambiguous |= reply.status is None and reply.sent
        tries.judgement = judgement
        tries.reply = reply

    async def _is_final(
        self, judgement: Judgement, version: int, tries: _Tries
    ) -> bool:
        match judgement.verdict:
            case Verdict.SUCCESS | Verdict.FAIL_ROW:
                return True
            case Verdict.STOP_RUN:
                self.gate.close(refusal(judgement))
                return True
            case Verdict.RENEW_CREDENTIALS:
                return await self._renewal_fails(judgement, version, tries)
            case Verdict.THROTTLED:
                self._pause_everyone(tries)
                return tries.gave_up
            case Verdict.RETRY:
                await self._back_off(tries)
                return tries.gave_up

    async def _renewal_fails(
        self, judgement: Judgement, version: int, tries: _Tries
    ) -> bool:
        if not tries.renewed and await self.service.renew_credentials(version):
            tries.renewed = True
            return False
        self.gate.close(refusal(judgement))
        return True

    def _pause_everyone(self, tries: _Tries) -> None:
        # This row waits at the pacer like all others: the time is the quota's,
        # not the row's.
        attempt = len(tries.attempts)
        self.pacer.pause(
            self.retry.throttle_pause(attempt, tries.reply.retry_after, self.chance)
        )
        tries.gave_up = not self.retry.allows(attempt, tries.spent)

    async def _back_off(self, tries: _Tries) -> None:
        attempt = len(tries.attempts)
        delay = self.retry.backoff(attempt, tries.reply.retry_after, self.chance)
        tries.gave_up = not self.retry.allows(attempt, tries.spent, delay)
        if not tries.gave_up:
            tries.spent += delay
            await self.gate.sleep(delay)

    def _result(self, task: Task, body: bytes, tries: _Tries) -> Result:
        judgement = tries.judgement or Judgement(Verdict.STOP_RUN)
        failed = judgement.verdict is not Verdict.SUCCESS and bool(tries.attempts)
        return Result(
            source=task.source,
            row_number=task.row_number,
            face_set_name=task.face_set_name,
            face_id=task.update.face_id,
            outcome=_outcome(judgement.verdict, gave_up=tries.gave_up),
            error_code=judgement.code,
            error_msg=judgement.message,
            error_class=judgement.error_class if failed else None,
            http_status=tries.reply.status,
            request_id=tries.reply.request_id or judgement.request_id,
            attempts=tuple(tries.attempts),
            ambiguous=tries.ambiguous,
            payload_sha256=payload_hash(body),
            payload=body.decode() if self.include_values else "",
        )


def _outcome(verdict: Verdict, *, gave_up: bool) -> Outcome:
    if verdict is Verdict.SUCCESS:
        return Outcome.UPDATED
    if verdict is Verdict.FAIL_ROW or gave_up:
        return Outcome.FAILED
    # Refused with the whole run, or drained before it could be tried again:
    # resume takes it up.
    return Outcome.UNPROCESSED


def refusal(judgement: Judgement) -> RunRefused:
    """Return the exception that ends a run on this judgement."""
    entry = find_code(judgement.code)
    said = f"{judgement.code}: {judgement.message}".rstrip(": ")
    meaning = f" ({entry.meaning})" if entry else ""
    remedy = entry.remedy if entry else _REMEDY
    hint = f"{remedy[0].upper()}{remedy[1:]}."
    return RunRefused(f"the service refuses the run: {said}{meaning}", hint=hint)
