"""
What the service tells of its quota: in a refusal's text, and in headers.

All of it comes from outside and none of it is promised: what makes no sense is as
good as not told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

RATELIMIT_HEADERS = ("X-ratelimit", "X-ratelimit-used", "X-ratelimit-window")
"""Of a reply, all of them optional (API page 0005); -used tells what is left."""

_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_LONGEST = 31 * 86_400.0
_WINDOW = r"(?:(?P<many>[0-9]{1,7})\s*)?(?P<unit>second|minute|hour|day)s?\b"
# "... policy user over ratelimit,limit:10,time:1 minute" (error table, 0308)
_MESSAGE = re.compile(
    r"(?:\bpolicy\s+(?P<policy>\w{1,20})\b[^,]{0,40},\s*)?"
    rf"\blimit\s*[:=]\s*(?P<limit>[0-9]{{1,9}})\s*,\s*time\s*[:=]\s*{_WINDOW}",
    re.IGNORECASE | re.ASCII,
)
_HEADER = re.compile(rf"\s*{_WINDOW}\s*", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"\s*[0-9]{1,9}\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quota:
    """
    At most `limit` calls in `seconds`; both are whole and at least one.

    Args:
        policy: whose quota it is (`user`, `ip`), as the service names it, or empty.
    """

    limit: int
    seconds: float
    policy: str = ""

    @property
    def facts(self) -> dict[str, float]:
        """The quota as the journal notes it."""
        return {"limit": self.limit, "window_s": self.seconds}

    def __str__(self) -> str:
        fitting = [unit for unit, size in _UNITS.items() if self.seconds % size == 0]
        unit = fitting[-1]
        window = _count(self.seconds / _UNITS[unit], unit)
        return f"{_count(self.limit, 'call')} in {window}"


def _count(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}" + ("" if number == 1 else "s")


@dataclass(frozen=True, slots=True)
class Budget:
    """What the headers of one reply tell; `left` calls, or None when they do not."""

    quota: Quota | None
    left: int | None


def read_quota(message: str) -> Quota | None:
    """Return the quota in the text of a throttled reply, or None."""
    found = _MESSAGE.search(message)
    if found is None:
        return None
    return _make(int(found["limit"]), _seconds(found), found["policy"] or "")


def read_ratelimit(values: Sequence[str]) -> Budget | None:
    """
    Return what a reply's RATELIMIT_HEADERS tell, or None when they make no sense.

    The window is an hour when nothing is said of it (API page 0005).
    """
    limit, used, window = values
    found = _HEADER.fullmatch(window or "hour")
    total, left = _number(limit), _number(used)
    if found is None or (total is None and left is None):
        return None
    if total is not None and left is not None and left > total:
        return None
    return Budget(_make(total or 0, _seconds(found)), left)


def _seconds(found: re.Match[str]) -> float:
    return int(found["many"] or 1) * _UNITS[found["unit"].lower()]


def _make(limit: int, seconds: float, policy: str = "") -> Quota | None:
    sound = limit >= 1 and 1 <= seconds <= _LONGEST
    return Quota(limit, seconds, policy) if sound else None


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
