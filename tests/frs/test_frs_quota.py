"""What the service tells of its quota, and what is as good as not told."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.frs.quota import Quota, read_quota, read_ratelimit

OBSERVED = "The throttling threshold has been reached: policy user over ratelimit,"


@pytest.mark.parametrize(
    ("told", "quota"),
    [
        ("limit:10,time:1 minute", Quota(10, 60.0)),
        ("limit:200,time:1 second", Quota(200, 1.0)),
        ("limit:5000,time:1 hour", Quota(5000, 3600.0)),
        ("limit:7,time:2 days", Quota(7, 172_800.0)),
        ("limit:10,time:30 seconds.", Quota(10, 30.0)),
        ("Limit: 10 , Time : 1  Minutes", Quota(10, 60.0)),
        ("limit=10,time=minute", Quota(10, 60.0)),
    ],
)
def test_a_refusal_tells_its_quota(told: str, quota: Quota) -> None:
    """The text of 0308 holds limit and window, in the singular, the plural, any spacing."""
    assert read_quota(told) == quota
    assert read_quota(OBSERVED + told) == replace(quota, policy="user")


@pytest.mark.parametrize(
    "told",
    [
        "",
        "limit:0,time:1 minute",
        "limit:-5,time:1 minute",
        "limit:10,time:0 minute",
        "limit:10,time:1 fortnight",
        "limit:10,time:999999 days",
        f"limit:{10**30},time:1 minute",
        f"limit:10,time:{10**30} seconds",
        "limit:1.5,time:1 minute",
        "limit:\u0661\u0660,time:1 minute",
        "limit:10,time:1 minuteman",
        "time:1 minute,limit:10",
        "unlimit:10;time:1 minute",
    ],
)
def test_a_hostile_quota_is_not_told(told: str) -> None:
    """Nought, numbers beyond all bounds and other units are as good as nothing."""
    assert read_quota(OBSERVED + told) is None


@given(st.text(st.sampled_from("limit:10,time 9minuteshoudy\x00=-."), max_size=60))
def test_any_text_is_a_sound_quota_or_none(text: str) -> None:
    """Whatever a text says, a quota read from it lets at least one call pass."""
    for quota in (read_quota(text), read_quota("limit:" + text)):
        assert quota is None or (quota.limit >= 1 and quota.seconds >= 1)


@pytest.mark.parametrize(
    ("values", "quota", "left"),
    [
        (("100", "99", "minute"), Quota(100, 60.0), 99),
        (("100", "0", ""), Quota(100, 3600.0), 0),
        (("100", "", "day"), Quota(100, 86_400.0), None),
        (("", "3", "Hour"), None, 3),
        ((" 100 ", "4", "2 minutes"), Quota(100, 120.0), 4),
        (("0", "0", "minute"), None, 0),
        (("100", "many", "minute"), Quota(100, 60.0), None),
    ],
)
def test_headers_tell_what_is_left(
    values: tuple[str, str, str], quota: Quota | None, left: int | None
) -> None:
    """X-ratelimit-used is what is left (page 0005); an hour unless the window is told."""
    budget = read_ratelimit(values)
    assert budget is not None
    assert (budget.quota, budget.left) == (quota, left)


@pytest.mark.parametrize(
    "values",
    [
        ("", "", ""),
        ("", "", "minute"),
        ("ten", "-1", "minute"),
        ("100", "99", "while"),
        ("100", "101", "minute"),
        ("9" * 400, "9" * 400, "hour"),
    ],
)
def test_headers_without_sense_are_not_there(values: tuple[str, str, str]) -> None:
    """More left than there is, other units and numbers without end tell nothing."""
    assert read_ratelimit(values) is None


@pytest.mark.parametrize(
    ("quota", "said"),
    [
        (Quota(10, 60.0), "10 calls in 1 minute"),
        (Quota(5000, 7200.0), "5,000 calls in 2 hours"),
        (Quota(1, 1.0), "1 call in 1 second"),
    ],
)
def test_a_quota_is_said_in_its_largest_unit(quota: Quota, said: str) -> None:
    """People are told the window as the service tells it."""
    assert str(quota) == said
