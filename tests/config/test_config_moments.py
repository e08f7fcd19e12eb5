"""--stop-at: a moment as people write it, also on the two nights of the year."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_updater.config.moments import parse_stop_at

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 28, 22, tzinfo=UTC)  # 23:00; 02:00 leaps to 03:00
AUTUMN = datetime(2026, 10, 24, 22, tzinfo=UTC)  # 00:00; 02:00 to 03:00 comes twice


def stop_at(text: str, now: datetime, zone: ZoneInfo = BERLIN) -> str:
    return f"{parse_stop_at(text, now=now, zone=zone):%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("23:30", "03-28 22:30:00"),
        ("22:30", "03-29 20:30:00"),
        ("23:00", "03-29 21:00:00"),
        ("06:00:30", "03-29 04:00:30"),
        ("2026-03-29T06:00", "03-29 04:00:00"),
        ("2026-03-29 06:00:30", "03-29 04:00:30"),
        ("2026-03-29t06:00z", "03-29 06:00:00"),
        ("2026-03-29T06:00+08:00", "03-28 22:00:00"),
        ("2026-03-29T06:00-0330", "03-29 09:30:00"),
        ("2026-03-01T06:00", "03-01 05:00:00"),
    ],
)
def test_what_it_means(text: str, moment: str) -> None:
    """A time of day is the next one by the local clock; a date may bring its zone."""
    assert stop_at(text, SPRING) == moment


@pytest.mark.parametrize("text", ["02:00", "02:30", "2026-03-29T02:30"])
def test_a_time_that_is_never_shown(text: str) -> None:
    """A time that the clock leaps over means the moment of the leap."""
    assert stop_at(text, SPRING) == "03-29 01:00:00"


def test_a_time_that_is_shown_twice() -> None:
    """It means the first time, and in between the second."""
    between = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    for text in ("02:30", "2026-10-25T02:30"):
        assert stop_at(text, AUTUMN) == "10-25 00:30:00"
        assert stop_at(text, between) == "10-25 01:30:00"


@given(
    seconds=st.integers(0, 240 * 86400),
    clock=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    zone=st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "Asia/Shanghai"]),
)
@settings(max_examples=60, deadline=None)
def test_it_is_the_next_time(seconds: int, clock: time, zone: str) -> None:
    """No clock shows the time between now and the moment, nor leaps over it."""
    here, now = ZoneInfo(zone), SPRING + timedelta(seconds=seconds)
    moment = parse_stop_at(f"{clock:%H:%M}", now=now, zone=here)
    assert moment > now
    minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while minute < moment:
        assert minute.astimezone(here).time() != clock
        minute += timedelta(minutes=1)
    before = (moment - timedelta(minutes=1)).astimezone(here).time()
    assert moment.astimezone(here).time() == clock or (
        before < clock < moment.astimezone(here).time()
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "6", "6:00", "0600", "24:00", "06:60", "now", "\u0661\u0662:00"),
        *("2026-11-25", "2026-11-25T06", "2026-13-25T06:00"),
        *("0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"),
        "9999-12-31T23:30Z",  # is in the year 10000 in Berlin
    ],
)
def test_what_is_no_moment(text: str) -> None:
    """Anything else is refused in words; a bare date does not say when."""
    with pytest.raises(ValueError, match="give a time such as 06:00"):
        parse_stop_at(text, now=SPRING, zone=BERLIN)
