"""What nginx counted: connections, requests, and among them the updates."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOTALS = re.compile(r"\n\s*(\d+)\s+(\d+)\s+(\d+)\s*\n")


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals since nginx was started: stub_status, and the lines of its log."""

    accepted: int
    requests: int
    noted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """
    What happened between two readings.

    Args:
        connections: that nginx accepted. Over TLS each shakes hands exactly once.
        updates: PUTs that were answered with 200.
        others: all other requests.
        resumed: TLS connections that took up an earlier session.
    """

    connections: int
    updates: int
    others: int
    resumed: int


def read_status(page: str, log: str) -> Reading:
    """
    Return what stub_status and the log say.

    Raises:
        ValueError: the page is not one of stub_status.
    """
    found = _TOTALS.search(page)
    if found is None:
        raise ValueError(f"not a page of stub_status: {page!r}")
    accepted, _, requests = map(int, found.groups())
    return Reading(accepted, requests, tuple(log.splitlines()))


def between(first: Reading, last: Reading) -> Counts:
    """Return what happened in between, the second reading's own request left out."""
    noted = [line.split() for line in last.noted[len(first.noted) :]]
    others = sum(not _is_update(words) for words in noted)
    return Counts(
        connections=last.accepted - first.accepted - 1,
        updates=last.requests - first.requests - 1 - others,
        others=others,
        resumed=sum(words[0] == "1" and words[3] == "r" for words in noted),
    )


def _is_update(words: Sequence[str]) -> bool:
    return words[1:3] == ["PUT", "200"]
