"""The ledger of starts: when a place in it is given away again."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_updater.delivery.ledger import (
    MOST_STARTS,
    LocalLedger,
    Slot,
    Window,
    make_window,
)

SECOND = make_window(10, 1.0, 0.01)


def start(ledger: LocalLedger, now: float, *windows: Window) -> Slot:
    """Start now, for which there must be room."""
    slot = ledger.take(now, windows, now)
    assert isinstance(slot, Slot)
    return slot


STEPS = st.lists(
    st.tuples(
        st.floats(0, 0.4),
        st.one_of(st.none(), st.floats(0, 0.1)),
        st.lists(st.integers(1, 30), min_size=0, max_size=3),
    ),
    max_size=200,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_grants_what_all_windows_have_room_for(
    steps: list[tuple[float, float | None, list[int]]],
) -> None:
    """Whichever windows are asked for in turn, a start is granted when all have room."""
    ledger, now = LocalLedger(), 1000.0
    starts: list[float] = []
    for delay, trip, sizes in steps:
        now += delay
        windows = [make_window(n, n / 7, 0.01) for n in sizes]
        granted = ledger.take(now, windows, now)
        full = [each for each in windows if len(starts) >= each.starts]
        soonest = [
            starts[-each.starts] + each.seconds + each.least_late for each in full
        ]
        if isinstance(granted, Slot):
            assert max(soonest, default=now) <= now
            starts.append(now)
            if trip is not None:
                ledger.landed(granted, trip)
        else:
            due = now + granted
            assert due >= max(soonest)
            assert due <= max(
                start + 0.16 * each.seconds
                for start, each in zip(soonest, full, strict=True)
            )


def answered(trips: list[float]) -> LocalLedger:
    """Return a ledger of ten starts, 0.1 s apart, that took so long each."""
    ledger = LocalLedger()
    for number, trip in enumerate(trips):
        ledger.landed(start(ledger, number / 10), trip)
    return ledger


def test_a_place_is_given_away_as_much_later_as_its_request_was_late() -> None:
    """Late is a trip that is longer than the shortest, also one that ends later."""
    assert answered([0.06] + [0.035] * 9).due([SECOND]) == pytest.approx(1.025)
    assert answered([0.04] + [0.035] * 9).due([SECOND]) == pytest.approx(1.01)


def test_what_is_not_answered_yet_counts_as_late() -> None:
    """By 2.5 % of the window, as long as that can be afforded."""
    ledger = LocalLedger()
    for number in range(10):
        start(ledger, number / 10)
    assert ledger.due([SECOND]) == pytest.approx(1.025)


def test_a_rare_pause_is_waited_out() -> None:
    """After some time without lateness, a seventh of a window is given away at once."""
    ledger, at = LocalLedger(), 0.0
    for number in range(500):
        at = number * 0.102
        late = 0.14 if number == 490 else 0.0
        ledger.landed(start(ledger, at, SECOND), 0.03 + late)
    assert ledger.due([SECOND]) == pytest.approx(490 * 0.102 + 1.14)


def test_what_is_always_late_costs_a_share() -> None:
    """Requests that are all late by 40 ms leave 98.5 % of the rate, from the first on."""
    ledger, now, chance, starts = LocalLedger(), 0.0, random.Random(1), 0
    ledger.landed(start(ledger, now), 0.001)
    while now < 30.0:
        granted = ledger.take(now, [SECOND], 0.0)
        if isinstance(granted, Slot):
            starts += 1
            ledger.landed(granted, chance.uniform(0.03, 0.05))
        else:
            now += granted
    assert starts >= 0.985 * 10 * 30


def test_an_hour_without_work_is_nobodys_caution() -> None:
    """What is put by for late requests is not used up by a time in which nobody asked."""
    ledger = answered([0.03] * 10)
    for number in range(10):
        start(ledger, 3600.0 + number / 10, SECOND)
    assert ledger.due([SECOND]) == pytest.approx(3601.025)


def test_a_way_that_became_longer_is_no_lateness() -> None:
    """Two minutes later, only trips of now are compared."""
    ledger = LocalLedger()
    for number in range(2000):
        trip = 0.03 if number < 100 else 0.2
        ledger.landed(start(ledger, number / 10), trip)
    assert ledger.due([SECOND]) == pytest.approx(199.0 + 1.01)


def test_a_start_counts_from_when_it_was_made() -> None:
    """What was granted and came to nothing for a while frees its place that much later."""
    ledger = answered([0.03] * 10)
    late = start(ledger, 1.0)
    assert ledger.begin(late, 1.3) == Slot(1.3, late.number)
    one = make_window(1, 1.0, 0.01)
    ledger.landed(late, 0.03)
    assert ledger.due([one]) == pytest.approx(2.31)


def test_grows_without_forgetting() -> None:
    """A window that is larger than all before finds the starts that are remembered."""
    ledger = LocalLedger()
    for number in range(5000):
        start(ledger, number / 1000)
    wide = make_window(20_000, 100.0, 0.0)
    for number in range(15_000):
        start(ledger, 5.0 + number / 1000, wide)
    assert 100.0 <= ledger.due([wide]) <= 100.0 + wide.most_late


def test_what_lands_long_after_its_place_is_gone_does_no_harm() -> None:
    """An answer to a start that the ring has forgotten changes no other start."""
    ledger = LocalLedger()
    first = start(ledger, 0.0)
    for number in range(1, 100_000):
        start(ledger, number / 1000)
    before = ledger.due([SECOND])
    ledger.landed(first, 50.0)
    assert ledger.due([SECOND]) == before


def test_counts_the_starts_after_a_moment() -> None:
    """Since a moment means after it; what is not remembered is not counted."""
    ledger = LocalLedger()
    assert ledger.since(-math.inf) == 0
    for now in (1.0, 2.0, 2.0, 3.0):
        start(ledger, now)
    assert [ledger.since(moment) for moment in (0.0, 1.0, 2.0, 3.0)] == [4, 3, 1, 0]
    for number in range(100_000):
        start(ledger, 4.0 + number)
    assert 1000 <= ledger.since(0.0) < 100_000


def test_a_pause_is_never_made_shorter() -> None:
    """The longest of all pauses that were asked for holds."""
    ledger = LocalLedger()
    ledger.pause(10.0)
    ledger.pause(5.0)
    assert ledger.take(4.0, [], 4.0) == 6.0
    start(ledger, 10.0)


@given(st.integers(1, 10**9), st.floats(1, 1e6))
def test_a_window_of_any_size_is_bounded(starts: int, seconds: float) -> None:
    """Millions of starts become a part of them, and no more of them in the same time."""
    window = make_window(starts, seconds, 0.01)
    assert 1 <= window.starts <= MOST_STARTS
    assert window.starts / window.seconds <= starts / seconds * (1 + 1e-9)
