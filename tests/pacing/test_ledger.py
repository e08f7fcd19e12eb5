"""The ledger of starts, beside a list that forgets nothing."""

import math
from dataclasses import dataclass, field

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


@dataclass
class Plain:
    """What a ledger says, the slow way."""

    starts: list[list[float]] = field(default_factory=list)

    def room_at(self, window: Window) -> float:
        if len(self.starts) < window.starts:
            return -math.inf
        started, late = self.starts[-window.starts]
        late = min(max(late, window.least_late), window.most_late)
        return started + window.seconds + late


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 0.4),
            st.one_of(st.none(), st.floats(0, 0.1)),
            st.lists(st.integers(1, 30), min_size=0, max_size=3),
        ),
        max_size=200,
    )
)
def test_grants_what_all_windows_have_room_for(
    steps: list[tuple[float, float | None, list[int]]],
) -> None:
    """Whichever windows are asked for, in turn, a start is granted when all have room."""
    ledger, plain, now = LocalLedger(), Plain(), 1000.0
    for delay, late, starts in steps:
        now += delay
        windows = [make_window(n, n / 7, 0.01) for n in starts]
        due = max((plain.room_at(each) for each in windows), default=-math.inf)
        granted = ledger.take(now, windows)
        if isinstance(granted, Slot):
            assert due <= now
            assert granted.started == now
            plain.starts.append([now, math.inf if late is None else late])
            if late is not None:
                ledger.late(granted, late)
        else:
            assert granted == due - now > 0


def test_grows_without_forgetting() -> None:
    """A window that is larger than all before finds the starts that are remembered."""
    ledger = LocalLedger()
    for number in range(5000):
        assert ledger.take(number / 1000, [])
    wide = make_window(20_000, 100.0, 0.0)
    for number in range(15_000):
        assert isinstance(ledger.take(5.0 + number / 1000, [wide]), Slot)
    assert ledger.take(20.0, [wide]) == 0.0 + 100.0 + wide.most_late - 20.0


def test_what_lands_long_after_its_place_is_gone_does_no_harm() -> None:
    """An answer to a start that the ring has forgotten changes no other start."""
    ledger = LocalLedger()
    first = ledger.take(0.0, [])
    assert isinstance(first, Slot)
    for number in range(1, 100_000):
        ledger.take(number / 1000, [])
    before = ledger.take(99.999, [SECOND])
    ledger.late(first, 50.0)
    assert ledger.take(99.999, [SECOND]) == before


def test_counts_the_starts_after_a_moment() -> None:
    """Since a moment means after it; what is not remembered is not counted."""
    ledger = LocalLedger()
    assert ledger.since(-math.inf) == 0
    for now in (1.0, 2.0, 2.0, 3.0):
        ledger.take(now, [])
    assert [ledger.since(moment) for moment in (0.0, 1.0, 2.0, 3.0)] == [4, 3, 1, 0]
    for number in range(100_000):
        ledger.take(4.0 + number, [])
    assert 1000 <= ledger.since(0.0) < 100_000


def test_a_pause_is_never_made_shorter() -> None:
    """The longest of all pauses that were asked for holds."""
    ledger = LocalLedger()
    ledger.pause(10.0)
    ledger.pause(5.0)
    assert ledger.take(4.0, []) == 6.0
    assert isinstance(ledger.take(10.0, []), Slot)


@given(st.integers(1, 10**9), st.floats(1, 1e6))
def test_a_window_of_any_size_is_bounded(starts: int, seconds: float) -> None:
    """Millions of starts become a part of them, and no more of them in the same time."""
    window = make_window(starts, seconds, 0.01)
    assert 1 <= window.starts <= MOST_STARTS
    assert window.starts / window.seconds <= starts / seconds * (1 + 1e-9)
