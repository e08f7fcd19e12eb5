"""
What one reply means: error code first, HTTP status second.

The service's tables and its samples disagree on statuses (FRS.0002 is 403 in one
and 400 in the other), so a status decides only when the code is unknown.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from batch_updater.frs.catalogue.entry import ErrorCode
from batch_updater.frs.catalogue.gateway import GATEWAY
from batch_updater.frs.catalogue.iam import IAM
from batch_updater.frs.codes import find_code, group_of
from batch_updater.frs.protocol import (
    ServiceError,
    excerpt,
    parse_date,
    read_error,
    read_face_number,
    read_faces,
)
from batch_updater.models import ErrorClass, Reply, Verdict

_MESSAGE_LIMIT = 500
_CODE_LIMIT = 64
_TRANSIENT = frozenset({Verdict.RETRY, Verdict.THROTTLED})

# One condition with three spellings: UpdateFace's sample says 0303, the error table
# 0403, and the text is the same.
_NO_SUCH_FACE = re.compile(r"face id is not exist", re.IGNORECASE)
_MISSING_FACE = "FRS.0303"


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    A verdict with the code and text it was read from.

    Args:
        entry: what the catalogue says of the code; None when it is unknown.
    """

    verdict: Verdict
    code: str = ""
    message: str = ""
    request_id: str = ""
    entry: ErrorCode | None = field(default=None, compare=False, repr=False)

    @property
    def error_class(self) -> ErrorClass | None:
        """Whether a later retry may succeed; None for a success."""
        if self.verdict is Verdict.SUCCESS:
            return None
        transient = self.verdict in _TRANSIENT
        return ErrorClass.TRANSIENT if transient else ErrorClass.PERMANENT


_SUCCESS = Judgement(Verdict.SUCCESS)


def judge(reply: Reply) -> Judgement:
    """Return what a reply to UpdateFace means; 200 must say ``face_number`` 1."""
    if reply.status == 200:
        return _judge_success(reply.body)
    return judge_error(reply)


def _judge_success(body: bytes) -> Judgement:
    number = read_face_number(body)
    if number == 1:
        return _SUCCESS
    if number is not None:
        said = f"200 with face_number {number}"
        return _judge_as("REPLY.FACE_NUMBER", said)
    return _judge_strange(body, "face_number", Verdict.FAIL_ROW)


def judge_face_set(reply: Reply) -> Judgement:
    """Return what a reply to ShowFaceSet means; its reader judges the content."""
    if reply.status == 200 and not read_error(reply.body):
        return _SUCCESS
    return judge_error(reply)


def judge_faces(reply: Reply) -> Judgement:
    """Return what a reply to ShowFacesByLimit means (API page 0094)."""
    if reply.status != 200:
        return judge_error(reply)
    if read_faces(reply.body) is not None:
        return _SUCCESS
    # Reading again does no harm, and half an answer may be whole the next time.
    return _judge_strange(reply.body, "a list of faces", Verdict.RETRY)


def judge_face(reply: Reply, face_id: str) -> Judgement:
    """
    Return what a reply to ShowFacesByFaceId means (API page 0094).

    What FRS says of an id it does not know is not documented: an error code or an
    empty list. A list of anybody else is no answer.
    """
    judgement = judge_faces(reply)
    if judgement.verdict is not Verdict.SUCCESS:
        return judgement
    found = [face["face_id"] for face in read_faces(reply.body) or ()]
    if found == [face_id]:
        return judgement
    if not found:
        return _judge_as("REPLY.NO_FACE", "200 without any face")
    said = f"200 with {len(found)} faces, not the one that was asked for"
    return _judge_as("REPLY.OTHER_FACE", said)


def _judge_strange(body: bytes, wanted: str, otherwise: Verdict) -> Judgement:
    error = read_error(body)
    if error:
        return _judge_code(error, 200)
    said = f"200 without {wanted}: {excerpt(body)}"
    # A page is no answer to one row: whoever sent it would send it for every row.
    page = body.lstrip().startswith(b"<")
    verdict = Verdict.STOP_RUN if page else otherwise
    return replace(_judge_as("REPLY.NOT_FRS", said), verdict=verdict)


def judge_error(reply: Reply) -> Judgement:
    """Return what any reply other than a 200 means."""
    if reply.status is None:
        return _judge_as(f"TRANSPORT.{reply.error.upper()}", reply.detail)
    error = read_error(reply.body)
    if error:
        return _judge_code(error, reply.status)
    said = excerpt(reply.body) or "empty body"
    message = f"HTTP {reply.status} without an error code: {said}"
    return _judge_as(f"HTTP.{reply.status}", message)


def _judge_as(code: str, said: str) -> Judgement:
    """Return the judgement of a code of our own."""
    entry = find_code(code)
    default = Verdict.RETRY if code.startswith("TRANSPORT.") else Verdict.FAIL_ROW
    return Judgement(entry.verdict if entry else default, code, said, entry=entry)


def _judge_code(error: ServiceError, status: int) -> Judgement:
    entry = _find(error, status)
    verdict = entry.verdict if entry else verdict_of_unknown(error.code, status)
    message = error.message[:_MESSAGE_LIMIT]
    code = error.code[:_CODE_LIMIT]
    return Judgement(verdict, code, message, error.request_id, entry)


def _find(error: ServiceError, status: int) -> ErrorCode | None:
    if error.code.startswith("FRS.") and _NO_SUCH_FACE.search(error.message):
        return find_code(_MISSING_FACE)
    return find_code(error.code, error.message, status)


def verdict_of_unknown(code: str, status: int) -> Verdict:
    """Return what a code that the catalogue does not hold means with this status."""
    group = group_of(code)
    if group is GATEWAY:
        entry = find_code(f"HTTP.{status}")
        return entry.verdict if entry else Verdict.FAIL_ROW
    if status == 429:
        return Verdict.THROTTLED
    if status >= 500:
        return Verdict.RETRY
    if group is IAM:
        return Verdict.STOP_RUN
    return Verdict.RENEW_CREDENTIALS if status == 401 else Verdict.FAIL_ROW


SKEW_WORTH_SAYING = 60.0  # seconds; signatures hold for 15 minutes either way
# Codes that a wrong clock may explain.
_TOLD_BY_CLOCK = frozenset(
    (
        *("APIG.0301", "APIG.0303", "APIGW.0301", "APIGW.0303"),
        *("HTTP.401", "IAM.401"),
    )
)


def clock_skew(reply: Reply, now: datetime) -> float | None:
    """Return the seconds by which our clock is ahead of the server's, or None."""
    theirs = parse_date(reply.date)
    return None if theirs is None else (now - theirs).total_seconds()


def clock_remark(judgement: Judgement, reply: Reply, now: datetime) -> str:
    """Return a sentence about a wrong clock where that may be the reason, or nothing."""
    skew = clock_skew(reply, now)
    if judgement.code not in _TOLD_BY_CLOCK or skew is None:
        return ""
    if abs(skew) < SKEW_WORTH_SAYING:
        return ""
    how = "ahead of" if skew > 0 else "behind"
    return (
        f"This machine's clock is {abs(skew) / 60:.0f} minutes {how} the service's, "
        "which may be why: set it."
    )
