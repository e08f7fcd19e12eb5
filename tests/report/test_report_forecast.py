"""The forecast: known from the start, held by the cap, and calm after a pause."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.cli.show import describe_duration, describe_window
from batch_updater.delivery.window import End
from batch_updater.models import Outcome
from batch_updater.report.forecast import Forecast, rows_over
from batch_updater.report.summary import Tally


def tally(updated: int, **others: int) -> Tally:
    counts = Tally()
    counts.outcomes[Outcome.UPDATED] = updated
    for name, count in others.items():
        counts.outcomes[Outcome(name)] = count
        counts.unasked += count if name in {"invalid", "duplicate"} else 0
    return counts


def worked(forecast: Forecast, rate: float, seconds: int, now: float = 0.0) -> float:
    """Let rows be done at a rate, seen every second; return the time it is then."""
    for second in range(1, seconds + 1):
        forecast.take(tally(int(rate * second)), now + second)
    return now + seconds


def test_known_before_the_first_result() -> None:
    """The rate alone says how long it will take; without one nothing is known."""
    assert Forecast(3000, lambda: 100.0, now=0.0).tell() == "ETA 30 s"
    assert Forecast(3000, lambda: None, now=0.0).tell() == "ETA ?"


def test_the_slower_of_pace_and_cap() -> None:
    """A service slower than the cap is what counts; what is faster is a burst."""
    slow, fast = (
        Forecast(1000, lambda: 10.0, now=0.0),
        Forecast(1000, lambda: 10.0, now=0.0),
    )
    worked(slow, 4.0, 50)
    assert slow.tell() == "ETA 3 min 20 s"
    worked(fast, 15.0, 20)
    assert fast.tell() == "ETA 1 min 10 s"


def test_without_a_cap_the_pace_counts() -> None:
    """`unlimited` is forecast from the first results on."""
    forecast = Forecast(1000, lambda: None, now=0.0)
    worked(forecast, 50.0, 10)
    assert forecast.tell() == "ETA 10 s"


def test_retries_are_counted() -> None:
    """Rows that take three tries are done at a third of the rate."""
    forecast = Forecast(1000, lambda: 30.0, now=0.0)
    worked(forecast, 10.0, 40)
    assert forecast.tell() == "ETA 1 min 0 s"


def test_what_breaks_a_rule_takes_no_time() -> None:
    """A million invalid rows that fly past are no pace, and none of them is left."""
    forecast = Forecast(1000, lambda: None, now=0.0)
    for second in range(1, 11):
        now = tally(10 * second, invalid=100_000 * second, duplicate=5)
        forecast.take(now, second)
    assert forecast.tell() == "ETA 1 min 30 s"


def test_a_pause_leaves_little_trace() -> None:
    """An hour of silence changes nothing while it lasts, and little afterwards."""
    forecast = Forecast(10_000, lambda: 10.0, now=0.0)
    now = worked(forecast, 10.0, 300)
    before = forecast.rate
    forecast.take(tally(3000), now + 3600)
    assert forecast.rate == before
    forecast.take(tally(3010), now + 3601)
    assert before
    assert forecast.rate
    assert 0.8 * before < forecast.rate <= before


def test_a_pace_that_changes_is_followed() -> None:
    """Ten minutes after a change the old pace is forgotten."""
    forecast = Forecast(100_000, lambda: None, now=0.0)
    now = worked(forecast, 100.0, 600)
    for second in range(1, 1201):
        forecast.take(tally(60_000 + 10 * second), now + second)
    assert forecast.rate == pytest.approx(10.0, rel=0.3)


def test_the_end_is_the_end() -> None:
    """Nothing left takes no time, whatever is known."""
    forecast = Forecast(10, lambda: None, now=0.0)
    forecast.take(tally(8, failed=2), 0.0)
    assert forecast.tell() == "ETA 0 s"


def test_a_window_that_ends_before() -> None:
    """What will be left is said as long as it would be."""
    left = 60.0
    forecast = Forecast(1000, lambda: 10.0, 0.0, lambda: left)
    assert forecast.tell() == "ETA 1 min 40 s, about 400 rows will be left for resume"
    left = 120.0
    assert forecast.tell() == "ETA 1 min 40 s"
    left = -1.0
    assert forecast.tell().endswith("about 1,000 rows will be left for resume")


def test_rows_over() -> None:
    """Nothing is left where nothing is known."""
    assert rows_over(10, None, 5.0) == rows_over(10, 1.0, None) == 0
    assert rows_over(10, 1.0, 5.0) == 5


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.floats(-1e6, 1e6)), max_size=30),
    st.none() | st.floats(0.001, 1e5),
)
def test_it_never_goes_wild(steps: list[tuple[int, float]], cap: float | None) -> None:
    """Whatever rows and clock do, the rate is positive, finite and within the cap."""
    forecast, done, now = Forecast(5000, lambda: cap, now=0.0), 0, 0.0
    for rows, seconds in steps:
        done, now = done + rows, now + seconds
        forecast.take(tally(done), now)
        rate = forecast.rate
        assert rate is None or 0 < rate < float("inf")
        assert not cap or (rate is not None and rate <= cap)
        assert forecast.tell().startswith("ETA ")


def test_a_long_estimate_names_its_end() -> None:
    """From ten minutes on the time of day is told, with the date if it is another."""
    zone = timezone(timedelta(hours=8))
    now = datetime(2026, 11, 24, 13, 18, tzinfo=UTC).astimezone(zone)
    assert (
        describe_duration(599, 1.0, now)
        == "599 rows take about 9 min 59 s at 1 a second"
    )
    assert describe_duration(6000, 10.0, now) == (
        "6,000 rows take about 10 min 0 s at 10 a second, until about 21:28"
    )
    assert describe_duration(100_000, 10.0, now).endswith(
        "until about 2026-11-25 00:04"
    )
    assert describe_duration(1, None) == "1 row, as fast as the service answers"


def test_whether_rows_fit_the_window() -> None:
    """Before anything is sent it is said how many rows will be left."""
    end = End(600.0, "--max-duration 10 min 0 s")
    assert describe_window(6000, 10.0, end) == "--max-duration 10 min 0 s; fits: yes"
    assert describe_window(7000, 10.0, end) == (
        "--max-duration 10 min 0 s; fits: no, about 1,000 rows will be left for resume"
    )
    assert describe_window(7000, None, end) == "--max-duration 10 min 0 s"
