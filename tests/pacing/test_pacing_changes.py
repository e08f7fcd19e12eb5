"""A rate that changes while the run goes on, on a clock that takes no time."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import make_pacer, most_in, now, run_virtually, start_many

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pacing import Pacer
from batch_updater.frs.quota import Budget, Quota

REFUSED = "The throttling threshold has been reached: policy user over ratelimit,"
RATES = st.one_of(st.none(), st.integers(1, 300), st.floats(0.3, 50))
LATENESS = [0, 0, 0.001, 0.02, 0.4]

Change = tuple[float, float | None]


def later(delay: float, act: Callable[..., object], *arguments: object) -> None:
    asyncio.get_running_loop().call_later(delay, act, *arguments)


def throttle(pacer: Pacer, message: str = "", pause: float = 1.1) -> None:
    """Tell a pacer of a reply that is throttled, to an attempt sent just now."""
    pacer.throttled(trip=0.0, pause=pause, longest=3600.0, message=message)


class Told(Notices):
    """Keeps what was recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[dict[str, Any]] = []

    def record(self, kind: str, said: str, **facts: Any) -> None:
        assert kind == "rate"
        assert said
        self.facts.append(facts)


def highest(changes: Sequence[Change], since: float, until: float) -> float | None:
    """Return the highest rate in force between two moments; None is unlimited."""
    starts = [at for at, _ in changes]
    ends = [*starts[1:], float("inf")]
    rates = [
        rate
        for (at, rate), end in zip(changes, ends, strict=True)
        if at <= until and end >= since
    ]
    return None if None in rates else max(rate for rate in rates if rate)


@settings(max_examples=80, deadline=None)
@given(
    rates=st.lists(st.tuples(st.floats(0.05, 2), RATES), min_size=2, max_size=6),
    pauses=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), max_size=3),
    workers=st.integers(1, 60),
    seed=st.integers(0, 2**32),
)
def test_the_cap_holds_through_changes(
    rates: list[Change], pauses: list[Change], workers: int, seed: int
) -> None:
    """No second holds more than the highest rate that was in force during it."""
    chance, changes = random.Random(seed), [(0.0, rates[0][1])]

    async def story() -> list[float]:
        pacer = make_pacer(rates[0][1], 0.01, Gate())

        def change(rate: float | None) -> None:
            changes.append((now(), rate))
            pacer.change_rate(rate, "test")

        at = 0.0
        for delay, rate in rates[1:]:
            later(at := at + delay, change, rate)
        for moment, length in pauses:
            later(moment, pacer.pause, length)
        return await start_many(pacer, 400, workers, lambda: chance.uniform(0, 0.3))

    starts = run_virtually(story(), lambda: chance.choice(LATENESS))

    for start in starts:
        cap = highest(changes, start - 1, start)
        within = [each for each in starts if start - 1 + 1e-9 < each <= start]
        assert cap is None or len(within) <= -(-cap // 1)


@pytest.mark.parametrize(
    ("before", "after"), [(5, 100), (100, 5), (0.5, 40), (None, 20), (40, 2.5)]
)
def test_the_new_rate_is_used(before: float | None, after: float) -> None:
    """Two seconds after a change at least 97 % of the new rate is used."""

    async def story() -> list[float]:
        pacer = make_pacer(before, 0.01, Gate())
        later(2.0, pacer.change_rate, after, "test")
        count = 40 * 200 if before is None else int(before * 3 + after * 30)
        return await start_many(pacer, count, 64, lambda: 0.5)

    starts = [start for start in run_virtually(story()) if start > 4.0]
    assert (len(starts) - 1) / (starts[-1] - starts[0]) >= 0.97 * after


@pytest.mark.parametrize("after", [50.0, None])
def test_who_waits_at_a_slow_rate_hears_of_a_faster_one(after: float | None) -> None:
    """A wait of 1000 seconds ends within a second of the change that makes it needless."""

    async def story() -> float:
        pacer = make_pacer(0.001, 0.01, Gate())
        await pacer.start()
        later(10.0, pacer.change_rate, after, "test")
        await pacer.start()
        return now()

    assert run_virtually(story()) == pytest.approx(10.5, abs=0.6)


def test_a_change_to_the_same_rate_is_none() -> None:
    """Who writes down the rate that holds changes nothing, and nothing is told."""
    notices = Told()
    pacer = make_pacer(5.0, 0.01, Gate(), notices=notices)
    pacer.change_rate(5.0, "test")
    pacer.change_rate(None, "test")
    pacer.change_rate(None, "test")
    assert notices.facts == [{"why": "test", "rate": None}]


@settings(max_examples=60, deadline=None)
@given(
    rate=RATES,
    limit=st.integers(1, 60),
    many=st.integers(1, 40),
    told_at=st.floats(0.01, 3),
    seed=st.integers(0, 2**32),
)
def test_a_told_quota_holds_from_then_on(
    rate: float | None, limit: int, many: int, told_at: float, seed: int
) -> None:
    """In no window of a quota's length do more than its limit start after it was told."""
    chance, told = random.Random(seed), f"{REFUSED}limit:{limit},time:{many} second"

    async def story() -> list[float]:
        pacer = make_pacer(rate, 0.01, Gate(), adaptive=True)
        later(told_at, throttle, pacer, told)
        return await start_many(pacer, 200, 20, lambda: chance.uniform(0.01, 0.3))

    starts = run_virtually(story(), lambda: chance.choice(LATENESS))
    after = [start for start in starts if start > told_at]
    assert most_in(after, many) <= limit or (rate is not None and limit >= rate * many)


def test_a_told_quota_counts_what_was_sent_before() -> None:
    """Ten a minute, all of them ours: the eleventh starts when the first is a minute old."""

    async def story() -> list[float]:
        pacer = make_pacer(100.0, 0.01, Gate(), adaptive=True)
        await start_many(pacer, 11, 11, lambda: 0.05)
        throttle(pacer, f"{REFUSED}limit:10,time:1 minute")
        return await start_many(pacer, 10, 5, lambda: 0.05)

    starts = run_virtually(story())
    assert 60.0 <= starts[0] <= 62.0
    assert starts[-1] <= 63.0


def test_a_quota_of_an_hour_that_we_used_up_ourselves() -> None:
    """All of them are known to be ours: the next is due an hour after the first."""

    async def story() -> tuple[float, float]:
        pacer = make_pacer(10.0, 0.01, Gate(), adaptive=True)
        [first, *_] = await start_many(pacer, 20_001, 3, lambda: 0.05)
        throttle(pacer, f"{REFUSED}limit:20000,time:1 hour")
        [after] = await start_many(pacer, 1, 1, lambda: 0.05)
        return first, after

    first, after = run_virtually(story())
    assert 3600.0 <= after - first <= 3700.0


@pytest.mark.parametrize(("unit", "wait"), [("minute", 60.0), ("day", 3600.0)])
def test_a_quota_that_others_used_up_is_waited_for(unit: str, wait: float) -> None:
    """When the starts are not ours, nobody starts until the window is over, or an hour."""

    async def story() -> list[float]:
        pacer = make_pacer(10.0, 0.01, Gate(), adaptive=True)
        await start_many(pacer, 1, 1, lambda: 0.0)
        throttle(pacer, f"{REFUSED}limit:50,time:1 {unit}")
        return await start_many(pacer, 3, 3, lambda: 0.0)

    assert run_virtually(story())[0] == pytest.approx(wait, abs=0.2)


def test_a_huge_quota_costs_bounded_memory() -> None:
    """A limit of millions is kept as a part of it in a part of the time."""

    async def story() -> list[float]:
        pacer = make_pacer(None, 0.01, Gate(), adaptive=True)
        throttle(pacer, f"{REFUSED}limit:3000000,time:1 hour", pause=0.0)
        return await start_many(pacer, 100, 4, lambda: 0.0)

    assert run_virtually(story())[-1] < 3602.0


def test_one_burst_is_cut_once() -> None:
    """Replies to attempts that were on their way at the cut cut nothing again."""
    notices = Told()

    async def story() -> None:
        pacer = make_pacer(100.0, 0.01, Gate(), adaptive=True, notices=notices)
        await start_many(pacer, 51, 8, lambda: 0.1)
        for _ in range(8):
            pacer.throttled(trip=0.1, pause=1.1, longest=60.0, message="")
            await asyncio.sleep(0.005)

    run_virtually(story())
    assert [facts["why"] for facts in notices.facts] == ["throttled"]
    assert 0.7 * 45 <= notices.facts[0]["rate"] <= 0.7 * 59


def test_the_rate_comes_back_and_is_used() -> None:
    """After the rise the whole rate is used again, and that is told with its value."""
    notices = Told()

    async def story() -> list[float]:
        pacer = make_pacer(50.0, 0.01, Gate(), adaptive=True, notices=notices)
        later(3.0, throttle, pacer)
        return await start_many(pacer, 1500, 64, lambda: 0.05)

    starts = run_virtually(story())
    risen = [start for start in starts if start > 12.0]
    assert (len(risen) - 1) / (risen[-1] - risen[0]) >= 0.97 * 50
    assert most_in(starts) <= 50
    assert [facts["why"] for facts in notices.facts] == ["throttled", "recovered"]
    assert notices.facts[-1]["rate"] == 50.0


def test_without_adapting_a_refusal_only_pauses() -> None:
    """With --no-adaptive the whole rate is used again as soon as the pause is over."""

    async def story() -> list[float]:
        pacer = make_pacer(50.0, 0.01, Gate())
        later(3.0, throttle, pacer)
        return await start_many(pacer, 400, 64, lambda: 0.05)

    starts = run_virtually(story())
    assert len([start for start in starts if 4.1 <= start < 5.1]) >= 48


@pytest.mark.parametrize(
    ("rate", "quota"),
    [(200.0, 50), (100.0, 10), (10.0, 9), (20.0, 20), (50.0, 4), (None, 30)],
)
def test_settles_under_a_quota_of_the_server(rate: float | None, quota: int) -> None:
    """In a minute against a lower quota few are refused, and most of it is used."""
    chance, passed, refused = random.Random(1), list[float](), 0

    async def story() -> None:
        nonlocal refused
        pacer = make_pacer(rate, 0.01, Gate(), adaptive=True)

        async def work() -> None:
            nonlocal refused
            while now() < 60.0 and (slot := await pacer.start()):
                await asyncio.sleep(0.02)
                fits = len([at for at in passed[-quota:] if at > now() - 1]) < quota
                if fits:
                    passed.append(now())
                else:
                    refused += 1
                await asyncio.sleep(0.02)
                pacer.landed(slot)
                if not fits:
                    trip, pause = now() - slot.started, chance.uniform(1.1, 1.6)
                    pacer.throttled(trip=trip, pause=pause, longest=60.0, message="")

        async with asyncio.TaskGroup() as group:
            for _ in range(32):
                group.create_task(work())

    run_virtually(story())
    assert len(passed) >= 0.8 * 60 * quota
    assert refused <= 0.04 * len(passed)


def test_headers_slow_down_and_never_speed_up() -> None:
    """A limit in a header is kept to; one above the rate changes nothing."""

    async def story(limit: int) -> list[float]:
        pacer = make_pacer(20.0, 0.01, Gate(), adaptive=True)
        budget = Budget(Quota(limit, 60.0), None)
        later(0.5, lambda: pacer.heed(budget, passed=True))
        return await start_many(pacer, 100, 8, lambda: 0.05)

    assert most_in(run_virtually(story(30)), 60.0) <= 30
    assert most_in(run_virtually(story(10**6))) == 20


def test_nonsense_in_headers_stops_no_run() -> None:
    """One call an hour, told with every reply, costs three minutes and is told once."""
    notices = Told()

    async def story() -> list[float]:
        pacer = make_pacer(10.0, 0.01, Gate(), adaptive=True, notices=notices)
        starts = []
        for _ in range(100):
            assert await pacer.start()
            starts.append(now())
            pacer.heed(Budget(Quota(1, 3600.0), 0), passed=True)
        return starts

    assert run_virtually(story())[-1] < 200.0
    assert [facts["why"] for facts in notices.facts] == ["headers"]
