"""Quotas that the service told, and how far its headers are believed."""

from batch_updater.delivery.told import NO_HINT, Hint, Hints, Told, binds
from batch_updater.frs.quota import Budget, Quota

MINUTE = Quota(10, 60.0)
HOUR = Quota(100, 3600.0)


def test_a_quota_that_the_rate_cannot_reach_binds_nobody() -> None:
    """A limit of as much as the rate or more changes nothing."""
    assert binds(MINUTE, 1.0)
    assert not binds(MINUTE, 1 / 6)
    assert not binds(Quota(600, 60.0), 10.0)
    assert binds(Quota(10**9, 1.0), None)


def test_the_last_one_told_for_a_window_holds() -> None:
    """Another limit takes its place; another window, or policy, is kept beside it."""
    told = Told()
    assert told.take(MINUTE)
    assert not told.take(MINUTE)
    assert told.take(HOUR)
    assert told.take(Quota(20, 60.0))
    assert told.take(Quota(90, 60.0, "ip"))
    assert told.binding(None) == [HOUR, Quota(20, 60.0), Quota(90, 60.0, "ip")]


def test_few_windows_are_kept() -> None:
    """A service that tells ever new windows costs no more than four of them."""
    told = Told()
    for seconds in range(1, 50):
        told.take(Quota(1, float(seconds)))
    assert [quota.seconds for quota in told.binding(None)] == [46, 47, 48, 49]


def test_a_hint_holds_for_a_minute() -> None:
    """An hour's limit in a header is kept to within a minute, and no longer."""
    hint = Hints(1.1).read(Budget(HOUR, 50), 0.0, passed=True)
    assert hint == Hint(keep=Quota(100, 60.0))


def test_nothing_left_is_one_pause_a_window() -> None:
    """A header that always tells of nothing left cannot stop a run."""
    hints = Hints(1.1)
    pauses = [
        hints.read(Budget(Quota(1000, 60.0), 0), now / 10, passed=False).pause
        for now in range(1300)
    ]
    assert [i for i, pause in enumerate(pauses) if pause] == [0, 600, 1200]
    assert hints.read(Budget(None, 0), 200.0, passed=True).pause == 1.1
    assert not hints.read(Budget(None, 0), 230.0, passed=True).pause


def test_a_limit_that_is_not_kept_by_the_service_is_nonsense() -> None:
    """When twice as many calls pass as a header allows, headers count no more."""
    hints = Hints(1.1)
    told = [hints.read(Budget(MINUTE, 3), now, passed=True) for now in range(30)]
    assert all(hint.keep for hint in told[:20])
    assert told[20] == Hint(drop=True)
    assert set(told[21:]) == {NO_HINT}


def test_refused_calls_refute_no_limit() -> None:
    """What the service did not let pass says nothing against its limit."""
    hints = Hints(1.1)
    told = [hints.read(Budget(MINUTE, 0), now, passed=False) for now in range(50)]
    assert all(hint.keep for hint in told)


def test_a_limit_that_never_stays_the_same_is_nonsense() -> None:
    """After eight changes headers count no more, also when it goes to and fro."""
    hints = Hints(1.1)
    told = [
        hints.read(Budget(Quota(1000 + i % 2, 60.0), 5), 0.0, passed=True)
        for i in range(20)
    ]
    assert [hint.drop for hint in told].index(True) == 8
    assert told[-1] == NO_HINT
