"""One GET of the face set: proof of credentials, project, region and name."""

from functools import partial
from typing import Protocol

from batch_updater.delivery.calls import Caller, Tries, refusal
from batch_updater.errors import RunRefused
from batch_updater.frs.protocol import (
    FaceSet,
    excerpt,
    read_face_set,
    tells_of_no_face_set,
)
from batch_updater.frs.verdicts import judge_face_set
from batch_updater.models import Reply


class FaceSetService(Protocol):
    """What the preflight asks of the client."""

    async def show_face_set(self, face_set_name: str) -> Reply:
        """Ask for a face set; whatever happens is a Reply."""


async def show_face_set(
    service: FaceSetService, face_set_name: str, caller: Caller
) -> FaceSet:
    """
    Return the face set, retried like any call.

    Raises:
        RunRefused: the service refuses, does not know it, or cannot be reached.
        RunStopped: the gate was closed meanwhile.
    """
    tries = Tries(changes=False)
    ask = partial(service.show_face_set, face_set_name)
    await caller.call(ask, judge_face_set, tries)
    if tries.succeeded:
        return _read(tries.reply, face_set_name)
    raise caller.gate.reason or refusal(tries.judgement, tries.reply)


def _read(reply: Reply, face_set_name: str) -> FaceSet:
    face_set = read_face_set(reply.body)
    if face_set is not None:
        return face_set
    absent = tells_of_no_face_set(reply.body)
    said = "it does not exist" if absent else f"no FRS answer: {excerpt(reply.body)}"
    raise RunRefused(
        f"face set {face_set_name!r}: {said}",
        hint="Check --face-set, --project-id, and --region or --endpoint.",
    )
