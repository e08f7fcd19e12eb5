"""The rule of a shared quota: several runs that wake up late, stop, pause and die."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import most_in

from batch_updater.delivery.ledger import Window, rate_window
from batch_updater.delivery.turns import (
    Turn,
    arrived_late,
    begin,
    give,
    make,
    paused,
    with_cap,
)
from batch_updater.files.quota_file import CAPACITY, Head, Start


class Book:
    """The latest starts in memory, in as many places as the file has."""

    def __init__(self) -> None:
        self._starts: dict[int, Start] = {}

    def read(self, number: int) -> Start:
        return self._starts[number % CAPACITY]

    def write(self, number: int, start: Start) -> None:
        self._starts[number % CAPACITY] = start


@dataclass
class Quota:
    """One quota on a clock of its own, and all that was started."""

    head: Head
    now: float = 0.0
    book: Book = field(default_factory=Book)
    starts: list[float] = field(default_factory=list)

    def ask(self, cap: Window, turn: Turn | None) -> Turn | None:
        """Look in once, as a run does; return the turn it waits for."""
        self.head = with_cap(self.head, self.now, cap)
        if turn is None:
            last = self.head.last
            self.head, given_ = give(self.head, self.now, cap, self.book)
            if not isinstance(given_, Turn):
                return None
            turn = given_
            assert turn.at >= last  # or a later one could come before an earlier one
        if turn.at > self.now:
            return turn
        if make(self.head, turn, self.now, cap, self.book):
            self.starts.append(self.now)
        return None


def opened(cap: Window) -> Quota:
    """Return a quota whose file was new long ago."""
    return Quota(begin(-1000.0, cap))


STEPS = st.tuples(
    st.integers(0, 3),  # which run looks in
    st.sampled_from([0.0, 0.0, 0.0, 0.0004, 0.003, 0.02, 0.3, 0.9, 4.0]),  # after
    st.sampled_from(["ask"] * 12 + ["die", "pause", "late"]),
)


@settings(max_examples=100, deadline=None)
@given(
    rates=st.lists(
        st.sampled_from([0.4, 1.0, 2.0, 3.0, 7.5, 20.0]), min_size=4, max_size=4
    ),
    headroom=st.sampled_from([0.0, 0.01, 0.05]),
    steps=st.lists(STEPS, min_size=60, max_size=250),
)
def test_all_runs_together_stay_under_the_largest_rate(
    rates: list[float], headroom: float, steps: list[tuple[int, float, str]]
) -> None:
    """However runs wake up late, die with a turn of theirs, or are paused: one quota."""
    caps = [rate_window(rate, headroom) for rate in rates]
    quota = opened(caps[0])
    turns: list[Turn | None] = [None] * 4
    for run, wait, what in steps:
        quota.now += wait
        if what == "die":
            turns[run] = None
        elif what == "pause":
            quota.head = paused(quota.head, quota.now + 0.7)
        elif what == "late" and quota.starts:
            last = Turn(quota.head.count - 1, quota.starts[-1], quota.head.born)
            arrived_late(quota.head, last, 0.01, quota.book)
        else:
            turns[run] = quota.ask(caps[run], turns[run])
    assert most_in(quota.starts) <= math.ceil(max(rates))


def drive(quota: Quota, caps: Sequence[Window], seconds: float) -> list[list[float]]:
    """Let all runs look in all the time; return what each of them started."""
    turns: list[Turn | None] = [None] * len(caps)
    made: list[list[float]] = [[] for _ in caps]
    end = quota.now + seconds
    while quota.now < end:
        for run, cap in enumerate(caps):
            before = len(quota.starts)
            turns[run] = quota.ask(cap, turns[run])
            if len(quota.starts) > before:
                made[run].append(quota.now)
        quota.now += 0.0005
    return made


def test_turns_go_round() -> None:
    """Equal runs get equal shares, whoever looks in first, and the quota is used."""
    cap = rate_window(20.0, 0.01)
    made = drive(opened(cap), [cap] * 3, 30.0)
    counts = [len(starts) for starts in made]
    assert min(counts) >= 0.9 * max(counts)
    assert sum(counts) >= 0.97 * 20 * 30


def test_a_slow_run_is_not_starved() -> None:
    """Beside a fast run a slow one gets turns too, and the sum is the fast one's."""
    slow, fast = rate_window(5.0, 0.01), rate_window(20.0, 0.01)
    quota = opened(slow)
    made = drive(quota, [slow, fast], 20.0)
    assert len(made[0]) >= 5 * 20 / 4
    assert most_in(quota.starts) <= 20
    assert len(quota.starts) >= 0.97 * 20 * 20


def test_a_fast_run_that_joins_waits_no_longer_than_a_second() -> None:
    """Slow runs are given their turns a little in advance, not minutes."""
    slow, fast = rate_window(0.05, 0.01), rate_window(20.0, 0.01)
    quota = opened(slow)
    drive(quota, [slow, slow], 2.0)
    made = drive(quota, [fast], 2.5)
    assert quota.now - made[0][0] >= 1.5


def test_the_quota_shrinks_when_the_fast_run_has_gone() -> None:
    """Two windows after its last question, only the rates that are left count."""
    slow, fast = rate_window(5.0, 0.01), rate_window(20.0, 0.01)
    quota = opened(slow)
    drive(quota, [slow, fast], 3.0)
    quota.now += 0.001
    drive(quota, [slow, slow], 2.5)
    left = drive(quota, [slow, slow], 10.0)
    assert most_in(left[0] + left[1]) <= 5


def test_a_late_run_uses_its_place_or_none() -> None:
    """Who comes after its place was given away again does not start."""
    cap = rate_window(2.0, 0.0)
    quota = opened(cap)
    turn = None
    while turn is None:
        quota.now += 0.01
        turn = quota.ask(cap, None)
    drive(quota, [cap], 10.0)
    before = len(quota.starts)
    assert quota.ask(cap, turn) is None
    assert len(quota.starts) == before


def test_a_new_file_is_quiet_for_a_window() -> None:
    """Whoever lost the old file may have used the whole quota a moment ago."""
    cap = rate_window(20.0, 0.01)
    quota = Quota(begin(50.0, cap), now=50.0)
    drive(quota, [cap], 3.0)
    assert quota.starts[0] >= 51.0
    assert most_in(quota.starts) <= 20


def test_what_was_given_away_in_an_older_file_is_void() -> None:
    """A turn of the file that was there before is no turn."""
    cap = rate_window(20.0, 0.01)
    quota = Quota(begin(60.0, cap), now=100.0)
    old = Turn(number=0, at=99.0, born=10.0)
    assert make(quota.head, old, 100.0, cap, quota.book) is None
    assert not arrived_late(quota.head, old, 0.1, quota.book)


def test_a_place_that_was_used_again_is_left_alone() -> None:
    """The answer to an hour-old request says nothing about the start in its place."""
    cap = rate_window(20.0, 0.01)
    quota = opened(cap)
    drive(quota, [cap], 1.0)
    old = Turn(number=quota.head.count - CAPACITY, at=0.0, born=quota.head.born)
    assert not arrived_late(quota.head, old, 0.0, quota.book)
