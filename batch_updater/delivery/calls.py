"""One call to its last reply: retry( pace( timeout( send ))), whatever is called."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from batch_updater.delivery.clock import Clock, Moment
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.pacing import Pacer
from batch_updater.delivery.renewal import Renewal
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.errors import RunRefused
from batch_updater.frs.verdicts import Judgement, clock_remark
from batch_updater.models import Attempt, Outcome, Reply, Result, Task, Verdict

Send = Callable[[], Awaitable[Reply]]
Judge = Callable[[Reply], Judgement]


# For codes that are not in the catalogue.
_UNKNOWN = "a code that is not documented, judged by its HTTP status"
_ADVICE = (
    "Check the credentials, --project-id, and --region or --endpoint; `batch-updater "
    "explain` tells how such codes are taken."
)


_NO_REPLY = Reply(None)
_NOT_JUDGED = Judgement(Verdict.STOP_RUN)


@dataclass(slots=True)
class Tries:
    """What one call has been through so far."""

    attempts: list[Attempt] = field(default_factory=list)
    spent: float = 0.0
    settled: float = 0.0
    ambiguous: bool = False
    gave_up: bool = False
    reply: Reply = _NO_REPLY
    judgement: Judgement = _NOT_JUDGED

    @property
    def succeeded(self) -> bool:
        """Whether the last reply is the one that was wanted."""
        return self.judgement.verdict is Verdict.SUCCESS

    @property
    def failed(self) -> bool:
        """Whether the call is refused for itself, or its attempts are spent."""
        return self.judgement.verdict is Verdict.FAIL_ROW or self.gave_up

    def tell(
        self,
        task: Task,
        outcome: Outcome,
        *,
        payload: str = "",
        payload_sha256: str = "",
        changes: bool = True,
    ) -> Result:
        """
        Return the task's result with what is known of the attempts.

        Args:
            changes: whether the call was to change anything, so that an attempt
                without an answer is ambiguous.
        """
        judgement = self.judgement
        wrong = bool(self.attempts) and not self.succeeded
        return Result(
            source=task.source,
            row_number=task.row_number,
            face_set_name=task.face_set_name,
            face_id=task.update.face_id,
            outcome=outcome,
            error_code=judgement.code,
            error_msg=judgement.message,
            error_class=judgement.error_class if wrong else None,
            http_status=self.reply.status,
            request_id=self.reply.request_id or judgement.request_id,
            attempts=tuple(self.attempts),
            ambiguous=self.ambiguous and changes,
            payload_sha256=payload_sha256,
            payload=payload,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Makes calls; holds nothing about any of them between calls."""

    renewal: Renewal
    pacer: Pacer
    gate: Gate
    retry: RetryPolicy
    clock: Clock
    chance: Random

    async def call(self, send: Send, judge: Judge, tries: Tries) -> None:
        """
        Send until a reply is final; a refusal of the run closes the gate.

        Args:
            tries: filled as the call goes on, so that its caller still has it
                when the call is cancelled (a second signal).
        """
        while slot := await self.pacer.start():
            version = self.renewal.version
            await self._attempt(send, judge, tries)
            self.pacer.landed(slot)
            if tries.succeeded:
                self.renewal.accepted(version)
                return
            if await self._is_final(version, tries):
                return

    async def _attempt(self, send: Send, judge: Judge, tries: Tries) -> None:
        started = self.clock.now()
        try:
            reply = await send()
        except asyncio.CancelledError:
            reply = Reply(None, error="cut_off", detail="stopped before the answer")
            self._note(tries, started, reply, judge(reply))
            raise
        self._note(tries, started, reply, judge(reply))

    def _note(
        self, tries: Tries, started: Moment, reply: Reply, judgement: Judgement
    ) -> None:
        latency = self.clock.since(started)
        tries.attempts.append(
            Attempt(started.stamp, latency, reply.status, judgement.code)
        )
        tries.spent += latency
        tries.ambiguous |= reply.status is None and reply.sent
        tries.judgement = judgement
        tries.reply = reply

    async def _is_final(self, version: int, tries: Tries) -> bool:
        verdict = tries.judgement.verdict
        if verdict is not Verdict.RENEW_CREDENTIALS and tries.reply.status:
            self.renewal.accepted(version)
        match verdict:
            case Verdict.FAIL_ROW | Verdict.SUCCESS:
                return True
            case Verdict.STOP_RUN:
                self.gate.close(refusal(tries.judgement, tries.reply))
                return True
            case Verdict.RENEW_CREDENTIALS:
                return await self._renewal_fails(version, tries)
            case Verdict.THROTTLED:
                self._pause_everyone(tries)
                return tries.gave_up
            case Verdict.RETRY:
                attempt, asked = len(tries.attempts), tries.reply.retry_after
                await self._wait(tries, self.retry.backoff(attempt, asked, self.chance))
                return tries.gave_up
            case Verdict.SETTLE:
                pause = self.retry.settle_pause(tries.settled, self.chance)
                tries.settled += pause or 0.0
                await self._wait(tries, pause)
                return tries.gave_up

    async def _renewal_fails(self, version: int, tries: Tries) -> bool:
        if await self.renewal.renew(version):
            return False
        self.gate.close(refusal(tries.judgement, tries.reply))
        return True

    def _pause_everyone(self, tries: Tries) -> None:
        # This call waits at the pacer like all others: the time is the quota's,
        # not the call's.
        attempt = len(tries.attempts)
        self.pacer.pause(
            self.retry.throttle_pause(attempt, tries.reply.retry_after, self.chance)
        )
        tries.gave_up = not self.retry.allows(attempt, tries.spent)

    async def _wait(self, tries: Tries, delay: float | None) -> None:
        attempt = len(tries.attempts)
        if delay is None or not self.retry.allows(attempt, tries.spent, delay):
            tries.gave_up = True
            return
        tries.spent += delay
        await self.gate.sleep(delay)


def refusal(judgement: Judgement, reply: Reply) -> RunRefused:
    """Return the exception that ends a run on this judgement of a reply."""
    entry = judgement.entry
    said = f"{judgement.code}: {judgement.message}".rstrip(": ")
    meaning = entry.meaning if entry else _UNKNOWN
    advice = entry.advice if entry else _ADVICE
    remark = clock_remark(judgement, reply, datetime.now(UTC))
    hint = f"{advice} {remark}".rstrip()
    return RunRefused(f"the service refuses the run: {said} ({meaning})", hint=hint)
