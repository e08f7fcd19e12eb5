"""One call to its last reply: retry( circuit( pace( timeout( send )))), whatever it is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from batch_updater.delivery.breaker import Breaker
from batch_updater.delivery.circuit import Ticket
from batch_updater.delivery.clock import Clock
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pacing import Pacer
from batch_updater.delivery.renewal import Renewal
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.delivery.tokens import Tokens
from batch_updater.errors import RunRefused
from batch_updater.frs.quota import read_ratelimit
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


@dataclass(slots=True, eq=False)
class Tries:
    """
    What one call has been through so far.

    Args:
        task: whom it is about; None for the question about the face set.
        changes: whether the call is to change anything, so that an attempt
            without an answer is ambiguous.
        counted: attempts that count against --max-attempts: all but those that
            failed because the service was down.
        spent: seconds that count against --max-elapsed.
        excused: whether the last attempt is one that does not count.
    """

    task: Task | None = None
    changes: bool = True
    attempts: list[Attempt] = field(default_factory=list)
    counted: int = 0
    spent: float = 0.0
    settled: float = 0.0
    excused: bool = False
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

    def note(self, started_at: float, latency: float, reply: Reply) -> None:
        """Take an attempt that has ended, once it has been judged."""
        ambiguous = self.changes and reply.status is None and reply.sent
        code = self.judgement.code
        attempt = Attempt(started_at, latency, reply.status, code, ambiguous)
        self.attempts.append(attempt)
        self.reply = reply
        if not self.excused:
            self.counted += 1
            self.spent += latency

    def tell(
        self,
        task: Task,
        outcome: Outcome,
        *,
        payload: str = "",
        payload_sha256: str = "",
    ) -> Result:
        """Return the task's result with what is known of the attempts."""
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
            ambiguous=any(attempt.ambiguous for attempt in self.attempts),
            payload_sha256=payload_sha256,
            payload=payload,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Makes calls; holds nothing about any of them between calls."""

    renewal: Renewal
    pacer: Pacer
    gate: Gate
    breaker: Breaker
    tokens: Tokens
    retry: RetryPolicy
    clock: Clock
    chance: Random
    notices: Notices = field(default_factory=Notices)

    async def call(self, send: Send, judge: Judge, tries: Tries) -> None:
        """
        Send until a reply is final; a refusal of the run closes the gate.

        Args:
            tries: filled as the call goes on, so that its caller still has it
                when the call is cancelled (a second signal).
        """
        while slot := self.pacer.try_start() or await self.pacer.start():
            version, ticket = self.renewal.version, self.breaker.start()
            await self._attempt(send, judge, tries, ticket)
            self.pacer.landed(slot)
            if tries.succeeded:
                self.renewal.accepted(version)
                self.tokens.earn()
                return
            if await self._is_final(version, tries):
                return

    async def _attempt(
        self, send: Send, judge: Judge, tries: Tries, ticket: Ticket
    ) -> None:
        started = self.clock.now()
        reply = Reply(None, error="cut_off", detail="stopped before the answer")
        try:
            reply = await send()
        finally:
            latency = self.clock.since(started)
            tries.judgement = judged = judge(reply)
            tries.excused = self.breaker.landed(ticket, tries, reply, judged)
            tries.note(started.stamp, latency, reply)
            self.notices.attempt(
                tries.task, len(tries.attempts), tries.attempts[-1], judged, reply
            )
        if reply.ratelimit and (budget := read_ratelimit(reply.ratelimit)):
            self.pacer.heed(budget, passed=tries.succeeded)

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
                await self._back_off(tries)
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
        attempt, retry = tries.counted, self.retry
        self.pacer.throttled(
            trip=tries.attempts[-1].latency,
            pause=retry.throttle_pause(attempt, tries.reply.retry_after, self.chance),
            longest=retry.longest_wait,
            message=tries.judgement.message,
        )
        tries.gave_up = not self.retry.allows(attempt, tries.spent)

    async def _back_off(self, tries: Tries) -> None:
        if tries.excused:
            return  # the circuit says when it is asked again, by whomever
        attempt, asked = tries.counted, tries.reply.retry_after
        await self._wait(tries, self.retry.backoff(attempt, asked, self.chance))
        if not tries.gave_up:
            await self.tokens.take()

    async def _wait(self, tries: Tries, delay: float | None) -> None:
        allows = self.retry.allows
        if delay is None or not allows(tries.counted, tries.spent, delay):
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
