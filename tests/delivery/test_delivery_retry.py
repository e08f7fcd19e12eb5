"""Whether and when to try again."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.delivery.retry import RetryPolicy

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 10),
    max_elapsed=st.floats(0, 1000),
    base=st.floats(0, 10),
    cap=st.floats(0, 100),
    throttle_floor=st.floats(0, 10),
)
ATTEMPTS = st.integers(1, 10_000)
RETRY_AFTER = st.none() | st.floats(0, 10_000)
CHANCE = st.integers(0, 2**32).map(Random)


@MANY
@given(policy=POLICIES, attempt=ATTEMPTS, asked=RETRY_AFTER, chance=CHANCE)
def test_backoff_stays_within_its_bounds(
    policy: RetryPolicy, attempt: int, asked: float | None, chance: Random
) -> None:
    """A backoff is never below Retry-After (an hour of it), nor above its bound."""
    delay = policy.backoff(attempt, asked, chance)
    least = min(asked or 0.0, 3600.0)
    bound = min(policy.cap, policy.base * 2.0 ** min(attempt - 1, 900))
    assert least <= delay <= max(least, bound)


@MANY
@given(policy=POLICIES, attempt=ATTEMPTS, asked=RETRY_AFTER, chance=CHANCE)
def test_a_throttle_pause_never_falls_below_its_floor(
    policy: RetryPolicy, attempt: int, asked: float | None, chance: Random
) -> None:
    """After a 429 nobody sends for longer than the quota's window, nor sooner than asked."""
    pause = policy.throttle_pause(attempt, asked, chance)
    least = min(asked or 0.0, 3600.0)
    assert pause >= policy.throttle_floor
    assert pause >= least
    assert pause <= max(least, policy.throttle_floor + policy.cap)


def test_the_default_floor_is_longer_than_the_quota_window() -> None:
    """The quota counts a second; a retry inside the same one would be lost."""
    assert RetryPolicy().throttle_floor > 1.0


def test_jitter_is_full() -> None:
    """Delays spread over the whole range, so that workers do not march in step."""
    policy, chance = RetryPolicy(base=1.0, cap=8.0), Random(1)
    delays = [policy.backoff(4, None, chance) for _ in range(1000)]
    assert min(delays) < 0.5
    assert max(delays) > 7.5


@pytest.mark.parametrize(
    ("attempt", "spent", "delay", "allowed"),
    [
        (1, 0.0, 0.0, True),
        (2, 0.0, 0.0, True),
        (3, 0.0, 0.0, False),
        (4, 0.0, 0.0, False),
        (1, 10.0, 0.0, True),
        (1, 10.1, 0.0, False),
        (1, 5.0, 5.0, True),
        (1, 5.0, 5.1, False),
    ],
)
def test_two_limits(attempt: int, spent: float, delay: float, allowed: bool) -> None:
    """max_attempts counts the first one; the coming delay counts as time spent."""
    policy = RetryPolicy(max_attempts=3, max_elapsed=10.0)
    assert policy.allows(attempt, spent, delay) is allowed


@MANY
@given(settle=st.floats(0, 1000), chance=CHANCE)
def test_settling_uses_its_time_and_no_more(settle: float, chance: Random) -> None:
    """Pauses of about 1, 2, 4, ... seconds add up to the time that was given."""
    policy, settled, pauses = RetryPolicy(settle=settle), 0.0, []
    while (pause := policy.settle_pause(settled, chance)) is not None:
        pauses.append(pause)
        settled += pause
    assert settled == pytest.approx(settle)
    assert all(pause > 0 for pause in pauses)
    assert len(pauses) <= 15
    for number, pause in enumerate(pauses[:-1]):
        assert 0.75 * 1.75**number <= pause <= 1.25 * 2.25**number
    assert bool(pauses) == (settle > 0)


def test_a_missing_face_is_not_waited_for_by_default() -> None:
    """Without --settle a face that does not exist fails at once."""
    assert RetryPolicy().settle_pause(0.0, Random(1)) is None
