"""The nouns of the package: frozen values, no I/O, no clock."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import Any

FieldValue = str | int | float | bool


class FieldType(StrEnum):
    """Types a custom field can be declared with (FRS API page 0012)."""

    STRING = "string"
    INTEGER = "integer"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    BOOLEAN = "boolean"


class Outcome(StrEnum):
    """How a row ended; every row of the input ends in exactly one."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    EXPORTED = "exported"
    SAME = "same"
    MISMATCH = "mismatch"
    MISSING = "missing"
    FAILED = "failed"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    DRIFTED = "drifted"
    UNPROCESSED = "unprocessed"


class Purpose(StrEnum):
    """What a run is for."""

    UPDATE = "update"
    EXPORT = "export"
    PLAN = "plan"
    VERIFY = "verify"

    @property
    def wanted(self) -> Outcome:
        """The outcome that every row should end in."""
        return _WANTED[self]

    @property
    def noun(self) -> str:
        """What a run for it is called, with its article."""
        return _NOUNS[self]


_NOUNS = {
    Purpose.UPDATE: "a run",
    Purpose.EXPORT: "an export",
    Purpose.PLAN: "a plan",
    Purpose.VERIFY: "a verification",
}
_WANTED = {
    Purpose.UPDATE: Outcome.UPDATED,
    Purpose.EXPORT: Outcome.EXPORTED,
    Purpose.PLAN: Outcome.EXPORTED,
    Purpose.VERIFY: Outcome.SAME,
}


class ErrorClass(StrEnum):
    """Whether another attempt is worth it, now or in a retry run."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"


class Verdict(StrEnum):
    """What one reply means for its row and for the run."""

    SUCCESS = "success"
    RETRY = "retry"
    THROTTLED = "throttled"
    RENEW_CREDENTIALS = "renew_credentials"
    SETTLE = "settle"
    FAIL_ROW = "fail_row"
    STOP_RUN = "stop_run"


class UpdateMode(StrEnum):
    """
    What an update says of the fields that its row does not name.

    Whether FRS keeps them is not documented (section 1.3 of the facts), so each mode
    is built to mean the same either way, or says what it takes for granted.
    """

    MERGE = "merge"
    REPLACE = "replace"
    READ_MODIFY_WRITE = "read-modify-write"


class Against(StrEnum):
    """Where a plan learns what faces hold now."""

    REMOTE = "remote"
    STATE = "state"
    AUTO = "auto"


class PlanStatus(StrEnum):
    """What a plan says of a row; `failed` is a face that could not be read."""

    CHANGE = "change"
    SAME = "same"
    MISSING = "missing"
    INVALID = "invalid"
    FAILED = "failed"


class OnDuplicate(StrEnum):
    """What to do with rows that update the same face."""

    ERROR = "error"
    FIRST = "first"
    LAST = "last"
    IN_ORDER = "in-order"


class OnInvalid(StrEnum):
    """What to do when a row breaks a rule."""

    SKIP = "skip"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class FaceUpdate:
    """
    The typed body of one UpdateFace call (FRS API page 0095).

    Args:
        face_id: the face to change, as FRS issued it.
        external_image_id: 1 to 36 letters, digits, ``-`` or ``_``; None leaves
            the stored one alone.
        external_fields: custom fields by name; empty leaves them alone. At
            least one of the two things must be given.
    """

    face_id: str
    external_image_id: str | None = None
    external_fields: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planned:
    """
    What a plan saw of a face before it is changed.

    Args:
        seen: what each field that the update names held: by the names of
            mapping/comparison, ABSENT for one that the face did not have. None when
            the plan did not know.
        before: the whole face as FRS wrote it; None when it was not read.
        kept: fields whose old value a rollback wants back, and the API cannot give.
    """

    seen: Mapping[str, Any] | None
    before: Mapping[str, Any] | None = None
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """An update plus where it came from, and what a plan saw if it is from one."""

    update: FaceUpdate
    face_set_name: str
    source: str
    row_number: int
    planned: Planned | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeImage:
    """
    What a face held before a row changed it.

    Args:
        at: when it was written down, in seconds since the epoch.
        before: the whole face as FRS wrote it.
        update: what was about to be sent.
    """

    source: str
    row_number: int
    face_set_name: str
    at: float
    before: Mapping[str, Any]
    update: FaceUpdate


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What came back from one attempt.

    Args:
        status: HTTP status, or None when there was no answer.
        body: the raw body, possibly cut at the client's limit.
        error: the transport's trouble by name (``timeout``, ``connect``,
            ``tls_expired``, ...), or empty; ``TRANSPORT.<NAME>`` is its code.
        detail: the trouble in words, for people.
        sent: whether the request may have reached the service.
        request_id: the ``X-Request-Id`` header, or empty.
        retry_after: seconds asked for by ``Retry-After``, or None.
        date: the ``Date`` header as it came, or empty.
        kept: values of the headers the caller asked for, in that order; one may
            be a secret, so they are not shown.
        ratelimit: the X-ratelimit headers as they came, or empty without any.
    """

    status: int | None
    body: bytes = b""
    error: str = ""
    detail: str = ""
    sent: bool = True
    request_id: str = ""
    retry_after: float | None = None
    date: str = ""
    kept: tuple[str, ...] = field(default=(), repr=False)
    ratelimit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One HTTP try as the journal keeps it.

    Args:
        started_at: seconds since the epoch, UTC.
        latency: seconds until the reply, or until giving up.
        status: HTTP status, or None when there was no answer.
        code: the service's error code, ours for transport trouble, or empty.
        ambiguous: it left, was to change something and ended without an answer,
            so it may have been applied.
    """

    started_at: float
    latency: float
    status: int | None
    code: str = ""
    ambiguous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    A row's outcome with its facts: the unit of the journal.

    Args:
        attempts: every try in order; empty for rows that were never sent.
        ambiguous: an attempt ended without an answer, so it may have been
            applied although nothing said so.
        rule: the broken rule, for invalid and duplicate rows.
        column: the column that breaks it.
        payload: the body itself, only with --include-values.
    """

    source: str
    row_number: int
    face_set_name: str
    face_id: str
    outcome: Outcome
    error_code: str = ""
    error_msg: str = ""
    error_class: ErrorClass | None = None
    http_status: int | None = None
    request_id: str = ""
    attempts: tuple[Attempt, ...] = ()
    ambiguous: bool = False
    payload_sha256: str = ""
    rule: str = ""
    column: str = ""
    payload: str = ""

    @classmethod
    def of(cls, task: Task, outcome: Outcome, payload: str = "") -> "Result":
        """Return the result of a task that no attempt was made for."""
        return cls(
            source=task.source,
            row_number=task.row_number,
            face_set_name=task.face_set_name,
            face_id=task.update.face_id,
            outcome=outcome,
            payload=payload,
        )

    @property
    def started_at(self) -> float | None:
        """When the first attempt started, in seconds since the epoch."""
        return self.attempts[0].started_at if self.attempts else None

    @property
    def finished_at(self) -> float | None:
        """When the last attempt was answered or given up."""
        if not self.attempts:
            return None
        last = self.attempts[-1]
        return last.started_at + last.latency

    @property
    def latency(self) -> float | None:
        """Seconds the last attempt took."""
        return self.attempts[-1].latency if self.attempts else None


@dataclass(frozen=True, slots=True)
class RowLayout:
    """
    The rows of all inputs as one sequence, so that a row is one number.

    Args:
        rows: number of rows by source, in the order of the inputs.
    """

    rows: Mapping[str, int]
    _starts: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = accumulate(self.rows.values(), initial=0)
        object.__setattr__(self, "_starts", dict(zip(self.rows, starts, strict=False)))

    @property
    def total(self) -> int:
        """Rows of all inputs together."""
        return sum(self.rows.values())

    def ordinal(self, source: str, row_number: int) -> int:
        """Return a row's position among all rows, from 0; KeyError if unknown."""
        if not 1 <= row_number <= self.rows[source]:
            raise KeyError(row_number)
        return self._starts[source] + row_number - 1

    def start(self, source: str) -> int:
        """Return the position of a source's first row; 0 if the source is unknown."""
        return self._starts.get(source, 0)

    def locate(self, ordinal: int) -> tuple[str, int]:
        """Return (source, row number) of a position among all rows."""
        sources = [name for name, count in self.rows.items() if count]
        starts = [self._starts[name] for name in sources]
        source = sources[bisect_right(starts, ordinal) - 1]
        return source, ordinal - self._starts[source] + 1
