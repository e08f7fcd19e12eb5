"""
Moments as people write them: a time of day, or a date and time.

Without a zone both mean this machine's own clock, which is wrong twice a year. A
time that it shows twice means the first one that is still to come. A time that it
leaps over means the moment of the leap: the first at which it shows that time, or a
later one.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import partial
from typing import TypeVar

Kind = TypeVar("Kind", time, datetime)

_TIME = r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?"
_TIME_OF_DAY = re.compile(_TIME)
_DATE_TIME = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt ]{_TIME}([Zz]|[+-][0-9]{{2}}:?[0-9]{{2}})?"
)
_SAY = "give a time such as 06:00, or 2026-11-25T06:00 with or without Z or +08:00"


def parse_stop_at(
    text: str, *, now: datetime | None = None, zone: tzinfo | None = None
) -> datetime:
    """
    Return a moment in UTC; of a time of day the next one, of a date maybe a past one.

    Args:
        zone: instead of this machine's.
    """
    now = now or datetime.now(UTC)
    if _TIME_OF_DAY.fullmatch(text):
        return _next(_read(time.fromisoformat, text), now, zone)
    if not _DATE_TIME.fullmatch(text):
        raise ValueError(_SAY)
    return _read(partial(_moment, now=now, zone=zone), text.upper())


def _read(read: Callable[[str], Kind], text: str) -> Kind:
    try:
        return read(text)
    except (ValueError, OverflowError):  # a date beyond what calendars hold
        raise ValueError(_SAY) from None


def _moment(text: str, *, now: datetime, zone: tzinfo | None) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment.astimezone(zone)  # people are told it by this machine's clock
        return moment.astimezone(UTC)
    shown = list(_moments(moment, zone))
    return next((each for each in shown if each > now), shown[-1])


def _next(clock: time, now: datetime, zone: tzinfo | None) -> datetime:
    today = now.astimezone(zone).date()
    days = (today + timedelta(days=after) for after in (0, 1, 2))
    shown = (m for day in days for m in _moments(datetime.combine(day, clock), zone))
    return min(moment for moment in shown if moment > now)


def _moments(naive: datetime, zone: tzinfo | None) -> Iterator[datetime]:
    """Yield the moments in UTC at which a clock shows this, earliest first."""
    first, second = (_at(naive, zone, fold) for fold in (0, 1))
    if second >= first:
        yield from dict.fromkeys((first, second))
    else:  # of a time that is never shown, these lie on either side of the leap
        yield _leap(second, first, zone)


def _at(naive: datetime, zone: tzinfo | None, fold: int) -> datetime:
    shown = naive.replace(tzinfo=zone, fold=fold)
    # Not astimezone: of naive times that are never shown, it takes the other fold.
    return datetime.fromtimestamp(shown.timestamp(), UTC)


def _leap(before: datetime, after: datetime, zone: tzinfo | None) -> datetime:
    offset = before.astimezone(zone).utcoffset()
    early, late = 0, round((after - before).total_seconds())
    while late - early > 1:
        middle = (early + late) // 2
        moment = before + timedelta(seconds=middle)
        if moment.astimezone(zone).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return before + timedelta(seconds=late)
