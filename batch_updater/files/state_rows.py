"""The rows of a state, as its store takes and gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FORGOTTEN = "forgotten"
"""Under this is noted that a state is kept no longer, until it is begun again."""

UNSURE = "unsure"
"""Under this is noted why nothing that a state says may be believed."""

DoubtKey = tuple[str, int, str, int]
"""A row that is in doubt: its face, the number of its run, source, row number."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose faces a state is about."""

    endpoint: str
    project_id: str
    face_set_name: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """
    A session of a run that keeps the state.

    Args:
        number: they are counted as they begin.
        run: the number of the run's first session.
        directory: of the run, where it was then.
        start: where its lines begin in the journal, in bytes.
        absorbed: up to where the journal has been taken in.
        over: whether nothing more is sent.
        merges: whether fields that are not sent are taken to be left alone.
    """

    number: int
    run: int
    run_id: str
    created_at: str
    directory: str
    start: int
    absorbed: int
    over: bool
    merges: bool


@dataclass(frozen=True, slots=True)
class FaceRow:
    """
    What is kept of a face; `fields` is None when nothing is known.

    Args:
        at: when it was last heard of, in seconds since the epoch.
        run: whose write that was; 0 when it is not one run's.
        mark: the latest session that had begun when it was taken in.
    """

    face_id: str
    fields: Mapping[str, Any] | None
    at: int
    run: int
    mark: int


@dataclass(frozen=True, slots=True)
class DoubtRow:
    """
    A row that may have been applied, or not.

    Args:
        until: a moment after which it is sure to have happened or not, in seconds
            since the epoch; None while it may still be sent.
        mark: the latest session that had begun when that was said.
        carried: whether an earlier session may have applied it already.
    """

    face_id: str
    run: int
    source: str
    row_number: int
    session: int
    until: float | None
    mark: int
    carried: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """
    How many faces a state knows.

    Args:
        oldest: when the one was last heard of that was so longest ago, in seconds since
            the epoch; None without any.
        newest: the same of the latest.
    """

    known: int
    oldest: int | None
    newest: int | None
    in_doubt: int
