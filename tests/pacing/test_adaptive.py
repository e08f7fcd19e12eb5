"""The rate after throttled replies: numbers in, numbers out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.delivery.adaptive import Adaptive, Curve, Fall

RATES = st.floats(0.001, 100_000)


def throttled(cap: float | None, achieved: float) -> Adaptive:
    """Return what was throttled at 0 s and resumes at 1 s."""
    adaptive = Adaptive(cap)
    adaptive.cut(0.0, 1.0, achieved)
    return adaptive


def test_the_curve_is_cubic() -> None:
    """From 0.7 of the plateau, flat there after K seconds, and symmetrical about it."""
    curve = Curve(begin=5.0, plateau=50.0, patience=1.0)
    k = math.cbrt(50 * 0.3 / 0.4)
    assert curve.at(5.0) == pytest.approx(35.0)
    assert curve.flat_at == pytest.approx(5.0 + k)
    assert curve.at(curve.flat_at) == pytest.approx(50.0)
    assert curve.at(curve.flat_at + k) == pytest.approx(65.0)
    assert curve.at(0.0) == pytest.approx(35.0)


def test_falls_to_seven_tenths_of_what_was_achieved() -> None:
    """What counts is the rate at which the service refused, not the one allowed."""
    adaptive = Adaptive(200.0)
    assert adaptive.cut(0.0, 1.0, 50.0) == Fall(200.0, 35.0)
    assert adaptive.rate == pytest.approx(35.0)
    assert adaptive.recovers


def test_never_more_is_achieved_than_allowed() -> None:
    """Starts that were counted in a hurry cannot raise the rate."""
    adaptive = Adaptive(10.0)
    adaptive.cut(0.0, 1.0, 500.0)
    assert adaptive.rate == pytest.approx(7.0)


@given(cap=RATES, achieved=st.floats(0, 200_000), wait=st.floats(0, 1e6))
def test_never_above_the_cap_and_never_below_the_floor(
    cap: float, achieved: float, wait: float
) -> None:
    """Whatever was achieved, the rate stays between 0.5 a second and the cap."""
    adaptive = throttled(cap, achieved)
    for now in (0.0, wait / 1000, wait):
        adaptive.advance(now)
        assert adaptive.rate is not None
        assert min(0.5, cap) <= adaptive.rate <= cap


@given(cap=RATES, achieved=st.floats(0, 200_000))
def test_comes_back_to_the_cap_exactly(cap: float, achieved: float) -> None:
    """After some minutes without a refusal the rate is the cap, and nothing is left to do."""
    adaptive = throttled(cap, achieved)
    adaptive.advance(200.0)
    assert adaptive.rate == cap
    assert not adaptive.recovers
    assert not adaptive.advance(300.0)


def test_a_rate_below_the_floor_is_left_alone() -> None:
    """Who asks for less than one start in two seconds gets neither less nor more."""
    adaptive = Adaptive(0.1)
    assert adaptive.cut(0.0, 1.0, 0.1) is None
    assert adaptive.rate == 0.1
    assert not adaptive.recovers


def test_at_the_floor_the_rise_begins_again() -> None:
    """A service that refuses even one start in two seconds is not asked more often."""
    adaptive = throttled(10.0, 0.0)
    adaptive.cut(3.0, 4.0, 0.0)
    adaptive.advance(4.0)
    assert adaptive.rate == 0.5
    assert adaptive.recovers


def test_unlimited_gets_a_rate_and_loses_it_again() -> None:
    """Without a cap the rise goes on until no rate could be asked for."""
    adaptive = throttled(None, 100.0)
    assert adaptive.rate == pytest.approx(70.0)
    assert adaptive.advance(30.0)
    assert (adaptive.rate or 0.0) > 100.0
    assert adaptive.advance(500.0)
    assert adaptive.rate is None
    assert not adaptive.recovers


def test_small_rises_are_no_change() -> None:
    """The rate goes up by steps of 5 % at least, so that changing it costs little."""
    adaptive, changes = throttled(1000.0, 100.0), 0
    for tick in range(20_000):
        changes += adaptive.advance(1.0 + tick / 1000)
    assert adaptive.rate == 1000.0
    assert changes <= math.log(1000 / 70, 1.05) + 1


def test_a_quota_that_stays_is_probed_less_and_less() -> None:
    """Each refusal at the same rate doubles the time until the next one, up to 16-fold."""
    adaptive, now, waits = Adaptive(100.0), 0.0, []
    for _ in range(7):
        adaptive.cut(now, now + 1, 50.0)
        begin = now + 1
        while (adaptive.rate or 0.0) < 50.0:
            now += 0.01
            adaptive.advance(now)
        waits.append(now - begin)
    factors = [wait / waits[0] for wait in waits]
    assert factors == pytest.approx([1, 2, 4, 8, 16, 16, 16], rel=0.03)


@pytest.mark.parametrize(("later", "achieved"), [(5.0, 20.0), (500.0, 50.0)])
def test_a_quota_that_moved_is_probed_at_once(later: float, achieved: float) -> None:
    """Refused at another rate, or after a long peace, the rise is as fast as the first."""
    adaptive = throttled(100.0, 50.0)
    adaptive.advance(later)
    adaptive.cut(later, later + 1, achieved)
    k = math.cbrt(achieved * 0.3 / 0.4)
    adaptive.advance(later + 1 + k)
    assert adaptive.rate == pytest.approx(achieved, rel=0.05)


def test_steady_falls_are_told_once() -> None:
    """Only a fall that differs by half from the last one told is worth a line."""
    adaptive, told = Adaptive(100.0), []
    for now, achieved in ((0.0, 50.0), (5.0, 52.0), (10.0, 45.0), (15.0, 10.0)):
        adaptive.advance(now)
        told.append(adaptive.cut(now, now + 1, achieved))
    assert [bool(fall) for fall in told] == [True, False, False, True]
    assert adaptive.rate == 7.0


@pytest.mark.parametrize(
    ("cap", "rate"), [(20.0, 20.0), (60.0, 35.0), (None, 35.0), (500.0, 35.0)]
)
def test_another_cap_keeps_the_rise(cap: float | None, rate: float) -> None:
    """A cap below the rate takes its place at once; one above it only ends the rise."""
    adaptive = throttled(100.0, 50.0)
    adaptive.change_cap(cap)
    assert adaptive.rate == pytest.approx(rate)
    adaptive.advance(1000.0)
    assert adaptive.rate == cap
