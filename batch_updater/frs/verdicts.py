"""
What one reply means: error code first, HTTP status second.

The service's tables and its samples disagree on statuses (FRS.0002 is 403 in one
and 400 in the other), so a status decides only when the code is unknown.
"""

from dataclasses import dataclass
from datetime import datetime

from batch_updater.frs.codes import find_code
from batch_updater.frs.protocol import (
    ServiceError,
    excerpt,
    parse_date,
    read_error,
    read_face_number,
)
from batch_updater.models import ErrorClass, Reply, Verdict

_RETRY_STATUSES = frozenset({408, 500, 502, 503, 504})
_NOT_FRS_STATUSES = frozenset({403, 404, 405, 407})
_MESSAGE_LIMIT = 500
_CODE_LIMIT = 64
_TRANSIENT = frozenset({Verdict.RETRY, Verdict.THROTTLED})

# Texts behind "Incorrect IAM authentication information:" that a new token cures.
_RENEWABLE = ("token expires", "decrypt token fail", "signature expired")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the code and text it was read from."""

    verdict: Verdict
    code: str = ""
    message: str = ""
    request_id: str = ""

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
        return Judgement(Verdict.FAIL_ROW, "REPLY.FACE_NUMBER", said)
    error = read_error(body)
    if error:
        return _judge_code(error, 200)
    said = f"200 without face_number: {excerpt(body)}"
    # A page is no answer to one row: whoever sent it would send it for every row.
    page = body.lstrip().startswith(b"<")
    verdict = Verdict.STOP_RUN if page else Verdict.FAIL_ROW
    return Judgement(verdict, "REPLY.NOT_FRS", said)


def judge_face_set(reply: Reply) -> Judgement:
    """Return what a reply to ShowFaceSet means; its reader judges the content."""
    if reply.status == 200 and not read_error(reply.body):
        return _SUCCESS
    return judge_error(reply)


def judge_error(reply: Reply) -> Judgement:
    """Return what any reply other than a 200 means."""
    if reply.status is None:
        return _judge_transport(reply)
    error = read_error(reply.body)
    if error:
        return _judge_code(error, reply.status)
    said = excerpt(reply.body) or "empty body"
    message = f"HTTP {reply.status} without an error code: {said}"
    return Judgement(_verdict_by_status(reply.status), f"HTTP.{reply.status}", message)


def _judge_transport(reply: Reply) -> Judgement:
    code = f"TRANSPORT.{reply.error.upper()}"
    entry = find_code(code)
    verdict = entry.verdict if entry else Verdict.RETRY
    return Judgement(verdict, code, reply.detail)


def _judge_code(error: ServiceError, status: int) -> Judgement:
    verdict = _verdict_by_code(error, status)
    message = error.message[:_MESSAGE_LIMIT]
    return Judgement(verdict, error.code[:_CODE_LIMIT], message, error.request_id)


def _verdict_by_code(error: ServiceError, status: int) -> Verdict:
    prefix, _, number = error.code.partition(".")
    if prefix in {"APIG", "APIGW"}:
        return _verdict_of_gateway(number, error.message, status)
    entry = find_code(error.code)
    if entry:
        return entry.verdict
    if prefix == "IAM":
        return _verdict_of_iam(status)
    return _verdict_of_unknown(status)


def _verdict_of_gateway(number: str, message: str, status: int) -> Verdict:
    entry = find_code(f"APIGW.{number}")
    if entry is None:
        return _verdict_by_status(status)
    if number == "0301":
        return _verdict_of_credentials(message)
    # 0201 is a bad request or a backend that failed, and 0103 to 0105 are 400 at
    # one gateway and 500 at the other: there the status tells them apart.
    if number in {"0103", "0104", "0105", "0201"} and status >= 500:
        return Verdict.RETRY
    return entry.verdict


def _verdict_of_credentials(message: str) -> Verdict:
    renewable = any(text in message for text in _RENEWABLE)
    return Verdict.RENEW_CREDENTIALS if renewable else Verdict.STOP_RUN


def _verdict_of_iam(status: int) -> Verdict:
    if status == 429:
        return Verdict.THROTTLED
    return Verdict.RETRY if status >= 500 else Verdict.STOP_RUN


def _verdict_of_unknown(status: int) -> Verdict:
    if status == 401:
        return Verdict.RENEW_CREDENTIALS
    if status == 429:
        return Verdict.THROTTLED
    return Verdict.RETRY if status >= 500 else Verdict.FAIL_ROW


def _verdict_by_status(status: int) -> Verdict:
    if status in _RETRY_STATUSES:
        return Verdict.RETRY
    if status in _NOT_FRS_STATUSES or 200 <= status < 400:
        return Verdict.STOP_RUN
    return _verdict_of_unknown(status)


SKEW_WORTH_SAYING = 60.0  # seconds; signatures hold for 15 minutes either way
_TOLD_BY_CLOCK = ("0301", "0303", ".401")  # the ends of codes that time may explain


def clock_skew(reply: Reply, now: datetime) -> float | None:
    """Return the seconds by which our clock is ahead of the server's, or None."""
    theirs = parse_date(reply.date)
    return None if theirs is None else (now - theirs).total_seconds()


def clock_remark(judgement: Judgement, reply: Reply, now: datetime) -> str:
    """Return a sentence about a wrong clock where that may be the reason, or nothing."""
    skew = clock_skew(reply, now)
    if not judgement.code.endswith(_TOLD_BY_CLOCK) or skew is None:
        return ""
    if abs(skew) < SKEW_WORTH_SAYING:
        return ""
    how = "ahead of" if skew > 0 else "behind"
    return (
        f"This machine's clock is {abs(skew) / 60:.0f} minutes {how} the service's, "
        "which may be why: set it."
    )
