"""One GET of the face set: proof of credentials, project, region and name."""

from random import Random
from typing import Protocol

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.pacing import Pacer
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.delivery.sender import Credentials, refusal
from batch_updater.errors import RunRefused
from batch_updater.frs.protocol import FaceSet, excerpt, read_error, read_face_set
from batch_updater.frs.verdicts import Judgement, judge_error
from batch_updater.models import Reply, Verdict


class FaceSetService(Credentials, Protocol):
    """What the preflight asks of the client."""

    async def show_face_set(self, face_set_name: str) -> Reply:
        """Ask for a face set; whatever happens is a Reply."""


async def show_face_set(
    service: FaceSetService,
    face_set_name: str,
    pacer: Pacer,
    gate: Gate,
    retry: RetryPolicy,
    chance: Random,
) -> FaceSet:
    """
    Return the face set, retried like any call.

    Raises:
        RunRefused: the service refuses, does not know it, or cannot be reached.
    """
    attempt, spent, renewed = 0, 0.0, False
    while slot := await pacer.start():
        attempt += 1
        version = service.credentials_version
        reply = await service.show_face_set(face_set_name)
        pacer.landed(slot)
        if reply.status == 200 and not read_error(reply.body):
            return _read(reply, face_set_name)
        judgement = judge_error(reply)
        if judgement.verdict is Verdict.RENEW_CREDENTIALS and not renewed:
            renewed = True
            if await service.renew_credentials(version):
                continue
        delay = _delay(judgement, reply, retry, attempt, chance)
        if delay is None or not retry.allows(attempt, spent, delay):
            raise refusal(judgement)
        spent += delay
        await gate.sleep(delay)
    assert gate.reason is not None  # noqa: S101  (the pacer said so)
    raise gate.reason


def _delay(
    judgement: Judgement,
    reply: Reply,
    retry: RetryPolicy,
    attempt: int,
    chance: Random,
) -> float | None:
    match judgement.verdict:
        case Verdict.RETRY:
            return retry.backoff(attempt, reply.retry_after, chance)
        case Verdict.THROTTLED:
            return retry.throttle_pause(attempt, reply.retry_after, chance)
        case _:
            return None


def _read(reply: Reply, face_set_name: str) -> FaceSet:
    face_set = read_face_set(reply.body)
    if face_set is not None:
        return face_set
    # Seen in the wild: 200 with an empty object for a face set that is not there.
    empty = b"face_set_info" in reply.body
    said = "it does not exist" if empty else f"no FRS answer: {excerpt(reply.body)}"
    raise RunRefused(
        f"face set {face_set_name!r}: {said}",
        hint="Check --face-set, --project-id, and --region or --endpoint.",
    )
