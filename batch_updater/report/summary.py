"""What a run came to: counts, speed and the next command, from results alone."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from batch_updater.models import ErrorClass, Outcome, Result
from batch_updater.report.planned import PlanReport
from batch_updater.report.speed import Speed, Whole

CONTROL_FILE = "control file"
"""Who asked for a change of the rate that a summary tells."""

OTHER_CODES = "other codes"
"""Stands for codes beyond the first thousand: a service may make up one a row."""

REVIEW = 6
"""The exit code when faces do not hold what they should."""

TO_REVIEW = frozenset({Outcome.DRIFTED, Outcome.MISMATCH})
"""Outcomes that somebody has to look into."""

_MOST_CODES = 1000
_AMISS = (Outcome.DRIFTED, Outcome.MISMATCH, Outcome.MISSING)
_BAD = frozenset({Outcome.FAILED, Outcome.INVALID, Outcome.MISSING})


@dataclass(slots=True)
class Tally:
    """
    Running counts; enough for a progress bar and for --max-errors.

    Args:
        wanted: the outcome that rows should end in.
        unasked: rows that had their outcome without a request.
    """

    wanted: Outcome = Outcome.UPDATED
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    attempts: int = 0
    throttled: int = 0
    unasked: int = 0

    def add(self, result: Result) -> None:
        """Count one result."""
        self.outcomes[result.outcome] += 1
        done = result.outcome is not Outcome.UNPROCESSED
        self.unasked += done and not result.attempts
        self.add_attempts(result)

    def add_page(self, result: Result, faces: int) -> None:
        """Count a page of a listing by its faces."""
        self.outcomes[Outcome.EXPORTED] += faces
        self.add_attempts(result)

    def add_attempts(self, result: Result) -> None:
        """Count the attempts of a result."""
        self.attempts += len(result.attempts)
        for attempt in result.attempts:
            self.throttled += attempt.status == 429

    @property
    def total(self) -> int:
        """Rows of which something is known."""
        return self.outcomes.total()

    @property
    def finished(self) -> int:
        """Rows that have an outcome and need not be sent again."""
        return self.total - self.outcomes[Outcome.UNPROCESSED]

    @property
    def sent(self) -> int:
        """Rows whose outcome took a request, and so its time."""
        return self.finished - self.unasked

    @property
    def amiss(self) -> str:
        """What else is not as it should be, for a line of progress: `mismatch 2, `."""
        counts = {each: self.outcomes[each] for each in _AMISS}
        return "".join(f"{each} {n:,}, " for each, n in counts.items() if n)

    @property
    def failed(self) -> int:
        """Rows whose attempts are spent or were refused by the service."""
        return self.outcomes[Outcome.FAILED]


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How often one error code or broken rule ended a row, and what to do."""

    code: str
    count: int
    outcome: str
    message: str
    remedy: str
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a run ended early."""

    name: str
    message: str
    hint: str
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """
    What a run came to. ``read`` is the sum of all outcomes.

    Args:
        errors: by code or rule, most frequent first.
        seconds: time between first start and last answer, sessions added up.
        achieved_rate: attempts started a second (all of them when they took less
            than a second), or None when nothing was sent.
        rate: starts a second that were asked for, the most if that changed; None
            for unlimited.
        busiest_second: most attempts of a session that started in any sliding
            second.
        latency: p50, p95 and p99 in seconds.
        note: what could not be made, or is not whole, or empty.
        file: what an export made, or empty.
        wanted: the outcome that every row should end in.
        next_command: what to type next, or empty.
        plan: what the plan says that was made, or None.
    """

    run_dir: str
    face_set_name: str
    read: int
    outcomes: Mapping[str, int]
    errors: tuple[ErrorCount, ...]
    attempts: int
    throttled: int
    ambiguous: int
    rate: float | None
    achieved_rate: float | None
    busiest_second: int
    latency: Mapping[str, float | None]
    seconds: float
    exit_code: int
    stop: Stop | None
    note: str
    next_command: str
    file: str = ""
    wanted: str = "updated"
    plan: PlanReport | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the summary as JSON carries it; seconds with a suffix."""
        content = asdict(replace(self, plan=None))
        content["plan"] = self.plan.as_json() if self.plan else None
        content["duration_s"] = round(content.pop("seconds"), 3)
        content["latency_ms"] = {
            name: None if value is None else round(value * 1000, 1)
            for name, value in content.pop("latency").items()
        }
        if self.achieved_rate is not None:
            content["achieved_rate"] = round(self.achieved_rate, 2)
        share = self.throttled / self.attempts if self.attempts else 0.0
        content["throttled_share"] = round(share, 4)
        return content


class SummaryBuilder:
    """Adds up attempts in any order and the last result of each row."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.worth_retrying = False
        self._ambiguous = 0
        self._errors: Counter[tuple[str, Outcome]] = Counter()
        self._first: dict[tuple[str, Outcome], Result] = {}
        self._speed = Speed()
        self._rates: list[float] = []

    def new_session(self) -> None:
        """Start a new stretch of time: the run was stopped in between."""
        self._speed.new_session()

    def add_attempts(self, started: Whole, latency: Whole, statuses: Whole) -> None:
        """
        Take attempts, also of lines of the journal that later ones replace.

        Args:
            started: in microseconds since the epoch.
            latency: in microseconds.
            statuses: HTTP statuses; 0 where there was no answer.
        """
        self.tally.attempts += len(started)
        self.tally.throttled += int(np.count_nonzero(statuses == 429))
        self._speed.add(started, latency)

    def note_rate(self, facts: Mapping[str, Any]) -> None:
        """Take a change of the rate; what was asked for counts, not what was left."""
        rate = facts.get("rate")
        if facts.get("why") == CONTROL_FILE:
            self._rates.append(rate if isinstance(rate, int | float) else math.inf)

    def highest_rate(self, rate: float | None) -> float | None:
        """Return the highest rate of a run that was begun with this one."""
        highest = max(math.inf if rate is None else rate, *self._rates, 0.0)
        return None if highest == math.inf else highest

    def add_rows(self, result: Result, count: int) -> None:
        """Take the last results of rows that ended alike; the first of them tells how."""
        self.tally.outcomes[result.outcome] += count
        self._ambiguous += count if result.ambiguous else 0
        transient = result.error_class is ErrorClass.TRANSIENT
        self.worth_retrying |= transient and result.outcome is Outcome.FAILED
        rules = dict.fromkeys(result.rule.split("; ")) if result.rule else ()
        for code in [result.error_code] if result.error_code else rules:
            end = (code, result.outcome)
            if end not in self._errors and len(self._errors) >= _MOST_CODES:
                end = (OTHER_CODES, result.outcome)
            self._errors[end] += count
            self._first.setdefault(end, result)

    def errors(self, remedy: Callable[[str, Result], str]) -> Iterator[ErrorCount]:
        """Yield the errors, most frequent first; remedy goes by code and first row."""
        for (code, outcome), count in self._errors.most_common():
            first = self._first[code, outcome]
            where = f"{first.source} row {first.row_number}"
            yield ErrorCount(
                code=code,
                count=count,
                outcome=str(outcome),
                message=first.error_msg,
                remedy=remedy(code, first),
                example=f"{where}, face {first.face_id or '(none)'}",
            )

    def ended_with(self, code: str) -> int:
        """Return how many rows ended with an error code, in whatever outcome."""
        return sum(n for (each, _), n in self._errors.items() if each == code)

    def speed(self) -> dict[str, Any]:
        """Return the keyword arguments of Summary that tell of time."""
        return {
            "attempts": self.tally.attempts,
            "throttled": self.tally.throttled,
            "ambiguous": self._ambiguous,
            **self._speed.told(),
        }


def exit_code_of(
    tally: Tally,
    stop: Stop | None,
    *,
    duplicates_bad: bool,
    reviewed: Iterable[Outcome] = TO_REVIEW,
    keeping: int = 0,
) -> int:
    """
    Return the exit code a run deserves.

    Args:
        reviewed: outcomes that somebody has to look into: one of them outweighs all
            but an early end.
        duplicates_bad: whether duplicates were refused as errors; with
            --on-duplicate first or last they were skipped by rule.
        keeping: faces that a rollback leaves with a field.
    """
    if stop:
        return stop.exit_code
    if any(tally.outcomes[outcome] for outcome in reviewed):
        return REVIEW
    bad = sum(tally.outcomes[outcome] for outcome in _BAD)
    if duplicates_bad:
        bad += tally.outcomes[Outcome.DUPLICATE]
    return 1 if keeping + bad + tally.outcomes[Outcome.UNPROCESSED] else 0
