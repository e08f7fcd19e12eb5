"""What journals say about a family of runs, held against what the server did."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import Bench, Record, Row, assert_every_row_once, assert_sums

Line = Mapping[str, Any]

# A request that ended so has never left.
_NEVER_LEFT = "TRANSPORT.CONNECT"
_GAVE_UP = frozenset({"TRANSPORT.TIMEOUT", "TRANSPORT.CUT_OFF"})


@dataclass(slots=True)
class Story:
    """What all journals together say of one face."""

    updated: int = 0
    unsure: int = 0
    last: int = 0
    """The number of the row that was updated last."""
    maybe: set[int] = field(default_factory=set)
    """The numbers of rows with a try that may have been applied."""

    def take(self, line: Line) -> None:
        """Take one result."""
        number = line["row_number"]
        tries = sum(map(is_unsure, line.get("attempts", ())))
        assert line.get("ambiguous", False) == (tries > 0), line
        self.unsure += tries
        if tries:
            self.maybe.add(number)
        if line["outcome"] == "updated":
            self.updated += 1
            self.last = number

    def allows(self, times: int, row_number: int) -> bool:
        """Return whether the server may have applied so many, this row the last."""
        if not self.updated <= times <= self.updated + self.unsure:
            return False
        # Nobody knows when a try that was given up arrives, so it may be the last.
        return row_number in ({self.last} | self.maybe)

    @property
    def is_plain(self) -> bool:
        """Whether every try was answered, so that there is one truth."""
        return not self.unsure


def is_unsure(attempt: Line) -> bool:
    """Return whether an attempt may have been applied although nobody said so."""
    unanswered = "http_status" not in attempt
    return unanswered and attempt["error_code"] != _NEVER_LEFT


def assert_truth(
    bench: Bench,
    source: str,
    rows: Sequence[Row],
    names: Sequence[str],
    *,
    arrives: bool,
) -> None:
    """
    Assert that the server's state is what a run and its retries wrote down.

    Args:
        names: the run's directory, and those of its retries.
        arrives: whether whatever leaves arrives, unless it is given up.
    """
    records = [bench.record(name) for name in names]
    assert_every_row_once(records[0], {source: rows})
    for record in records[1:]:
        assert_sums(record, len(record.results))
    lines = [line for record in records for line in results_of(record)]
    _assert_counts(
        bench, [a for line in lines for a in line.get("attempts", ())], arrives
    )
    _assert_faces(bench, rows, lines)


def results_of(record: Record) -> Iterator[Line]:
    """Yield the results that a journal holds, those that were replaced too."""
    return (line for line in record.journal if line["kind"] == "result")


def _assert_counts(bench: Bench, attempts: Sequence[Line], arrives: bool) -> None:
    codes = Counter(attempt.get("error_code", "") for attempt in attempts)
    answered = sum("http_status" in attempt for attempt in attempts)
    left = len(attempts) - codes[_NEVER_LEFT]
    assert answered <= bench.updates <= left, codes
    if arrives and not codes.keys() & _GAVE_UP:
        assert bench.updates == left, codes


def _assert_faces(bench: Bench, rows: Sequence[Row], lines: Sequence[Line]) -> None:
    stories = {row["face_id"]: Story() for row in rows}
    for line in lines:
        stories[line["face_id"]].take(line)
    applied = bench.applied
    assert set(applied) <= set(stories)
    for face_id, story in stories.items():
        stored = bench.stored(face_id).get("age", 0)
        assert isinstance(stored, int)
        assert story.allows(applied[face_id], stored), (face_id, story, stored)


def unfinished(record: Record) -> str:
    """Return what would go on with a run: `resume`, `retry`, or nothing."""
    outcomes = record.outcomes
    if outcomes["unprocessed"]:
        return "resume"
    return "retry" if outcomes["failed"] else ""


def all_updated(bench: Bench, names: Sequence[str], rows: int) -> bool:
    """Return whether the last word on every row is `updated`, retries included."""
    last = {
        result["row_number"]: result["outcome"]
        for name in names
        for result in bench.record(name).results
    }
    return Counter(last.values()) == {"updated": rows}
