"""The pacer, on a clock that jumps to the next timer instead of waiting for it."""

import asyncio
import random
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import make_pacer, most_in, now, run_virtually, start_many

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.pacing import Pacer
from batch_updater.delivery.pacing import make_pacer as make_real_pacer
from batch_updater.errors import Interrupted


@pytest.mark.parametrize("rate", [0.5, 1, 2.5, 10, 100, 1000])
def test_uses_the_rate(rate: float) -> None:
    """While work is left, at least 98.5 % of the allowed starts happen."""

    async def story() -> float:
        starts = await start_many(
            make_pacer(rate, 0.01, Gate()), int(rate * 60) + 1, 64, lambda: 0.03
        )
        return (len(starts) - 1) / (starts[-1] - starts[0])

    achieved = run_virtually(story())

    assert 0.985 * rate <= achieved


@settings(max_examples=60, deadline=None)
@given(
    rate=st.one_of(st.integers(1, 300), st.floats(0.2, 50)),
    workers=st.integers(1, 80),
    seed=st.integers(0, 2**32),
    pauses=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), max_size=4),
)
def test_no_sliding_second_exceeds_the_rate(
    rate: float, workers: int, seed: int, pauses: list[tuple[float, float]]
) -> None:
    """Whatever the latency, the lateness of timers and the pauses, the cap holds."""
    chance = random.Random(seed)

    async def story() -> list[float]:
        pacer = make_pacer(rate, 0.01, Gate())
        for at, length in pauses:
            asyncio.get_running_loop().call_later(at, pacer.pause, length)
        return await start_many(
            pacer, min(int(rate * 5) + 2, 400), workers, lambda: chance.uniform(0, 0.3)
        )

    starts = run_virtually(story(), lambda: chance.choice([0, 0, 0.001, 0.02, 0.4]))

    assert most_in(starts) <= -(-rate // 1)


async def arrive(
    pacer: Pacer, count: int, workers: int, held_up: Callable[[], float]
) -> list[float]:
    """Return when so many requests arrive, each of which may be held up on its way."""
    arrivals: list[float] = []

    async def work() -> None:
        while len(arrivals) < count:
            slot = await pacer.start()
            assert slot is not None
            await asyncio.sleep(0.01 + held_up())
            arrivals.append(now())
            await asyncio.sleep(0.02)
            pacer.landed(slot)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return arrivals


@settings(max_examples=40, deadline=None)
@given(
    rate=st.integers(2, 300),
    workers=st.integers(1, 64),
    late=st.floats(0, 0.01),
    seed=st.integers(0, 2**32),
)
def test_what_is_late_by_less_than_the_headroom_is_never_too_much(
    rate: int, workers: int, late: float, seed: int
) -> None:
    """However often: 1 % of a second, and no second holds more arrivals than the rate."""
    chance = random.Random(seed)

    async def story() -> list[float]:
        pacer = make_pacer(rate, 0.01, Gate())
        return await arrive(
            pacer,
            rate * 4,
            workers,
            lambda: chance.choice([0, chance.uniform(0, late)]),
        )

    assert most_in(run_virtually(story())) <= rate


@settings(max_examples=15, deadline=None)
@given(rate=st.integers(2, 80), at=st.floats(8.0, 9.0), length=st.floats(0.01, 0.14))
def test_a_rare_pause_on_the_way_is_never_too_much(
    rate: int, at: float, length: float
) -> None:
    """What was sent in 140 ms arrives at once, and no second holds more than the rate."""

    async def story() -> list[float]:
        pacer = make_pacer(rate, 0.01, Gate())
        return await arrive(
            pacer,
            rate * 11,
            32,
            lambda: at + length - now() if at <= now() <= at + length else 0.0,
        )

    assert most_in(run_virtually(story())) <= rate


@settings(max_examples=8, deadline=None)
@given(
    rate=st.sampled_from([5, 10, 100]),
    workers=st.sampled_from([64, 512]),
    late=st.floats(0, 0.03),
    seed=st.integers(0, 2**32),
)
def test_uses_98_5_percent_whatever_the_way_is_like(
    rate: int, workers: int, late: float, seed: int
) -> None:
    """In half a minute that begins after three seconds, with timers half a ms late."""
    chance = random.Random(seed)

    async def story() -> list[float]:
        pacer = make_pacer(rate, 0.01, Gate())
        return await start_many(
            pacer, rate * 33, workers, lambda: 0.03 + chance.uniform(0, late)
        )

    starts = run_virtually(story(), lambda: chance.uniform(0, 0.001))

    steady = [start for start in starts if start >= 3.0]
    assert (len(steady) - 1) / (steady[-1] - steady[0]) >= 0.985 * rate


def test_slow_answers_cost_no_more() -> None:
    """Answers that take three seconds tell nothing of the way: 98.5 % is used too."""

    async def story() -> list[float]:
        return await start_many(make_pacer(20, 0.01, Gate()), 600, 100, lambda: 3.0)

    starts = run_virtually(story())
    steady = [start for start in starts[:600] if start >= 3.0]
    assert (len(steady) - 1) / (steady[-1] - steady[0]) >= 0.985 * 20


@given(st.sets(st.integers(0, 39), max_size=39), st.floats(0, 3))
@settings(max_examples=30, deadline=None)
def test_who_is_cancelled_takes_nobodys_place(leaving: set[int], at: float) -> None:
    """The others start in their order, as soon as if the cancelled had never waited."""

    async def story() -> tuple[list[int], float]:
        pacer, order = make_pacer(10, 0.01, Gate()), list[int]()

        async def wait(number: int) -> None:
            if await pacer.start():
                order.append(number)

        tasks = [asyncio.ensure_future(wait(i)) for i in range(40)]
        await asyncio.sleep(at)
        for number in leaving:
            tasks[number].cancel()
        await asyncio.wait(tasks)
        return order, now()

    order, ended = run_virtually(story())
    assert order == sorted(order)
    assert set(order) | leaving == set(range(40))
    assert ended <= max(len(order), 10 * at) * 0.104 + 0.2


@pytest.mark.parametrize("rate", [300.0, 5000.0, None])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_cap_holds_on_the_clock_of_any_loop(rate: float | None, loop: str) -> None:
    """Also on one whose time is no finer than a millisecond, as uvloop's is."""

    async def story() -> list[float]:
        pacer, starts = make_real_pacer(rate, 0.01, Gate()), list[float]()

        async def work() -> None:
            while len(starts) < int(min(rate or 5000, 5000) * 1.2):
                slot = await pacer.start()
                assert slot is not None
                starts.append(time.monotonic())
                pacer.landed(slot)

        async with asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(work())
        return starts

    starts = pytest.importorskip(loop).run(story())
    assert rate is None or most_in(starts) <= rate


def test_a_start_without_a_wait() -> None:
    """Unlimited and open, a start needs no loop; with a rate, a pause or a hold it does."""

    async def story() -> list[bool]:
        gate = Gate()
        free, capped = make_pacer(None, 0.01, gate), make_pacer(10, 0.01, gate)
        got = [free.try_start(), capped.try_start()]
        with gate.held():
            got.append(free.try_start())
        free.pause(1.0)
        got.append(free.try_start())
        await asyncio.sleep(1.1)
        got.append(free.try_start())
        gate.close(Interrupted(2))
        got.append(free.try_start())
        return [each is not None for each in got]

    assert run_virtually(story()) == [True, False, False, False, True, False]


def test_an_idle_pacer_saves_up_no_burst() -> None:
    """After a minute of silence the next second still holds no more than the rate."""

    async def story() -> list[float]:
        pacer = make_pacer(50, 0.01, Gate())
        first = await start_many(pacer, 50, 8, lambda: 0.0)
        await asyncio.sleep(60)
        return first + await start_many(pacer, 200, 8, lambda: 0.0)

    assert most_in(run_virtually(story())) <= 50


def test_a_rate_below_one_spaces_its_starts() -> None:
    """A rate of 0.5 starts one request every two seconds."""

    async def story() -> list[float]:
        return await start_many(make_pacer(0.5, 0.01, Gate()), 5, 3, lambda: 0.0)

    starts = run_virtually(story())

    assert all(later - sooner >= 2 for sooner, later in pairwise(starts))


@pytest.mark.parametrize("rate", [None, 20.0])
def test_a_pause_holds_everybody(rate: float | None) -> None:
    """While a pause lasts nobody starts, also those who were waiting before it."""

    async def story() -> list[float]:
        pacer = make_pacer(rate, 0.01, Gate())
        asyncio.get_running_loop().call_later(1.0, pacer.pause, 5.0)
        return await start_many(pacer, 200, 16, lambda: 0.5)

    starts = run_virtually(story())

    assert any(start >= 6.0 for start in starts)
    assert not [start for start in starts if 1.0 < start < 6.0]


@pytest.mark.parametrize("rate", [None, 0.01, 10.0])
def test_closing_the_gate_frees_all_who_wait(rate: float | None) -> None:
    """A drain ends every wait at once, even at one request in 100 seconds."""

    async def story() -> tuple[list[object], float]:
        gate = Gate()
        pacer = make_pacer(rate, 0.01, gate)
        await pacer.start()
        pacer.pause(1000.0)
        waiting = [asyncio.ensure_future(pacer.start()) for _ in range(50)]
        asyncio.get_running_loop().call_later(3.0, gate.close, Interrupted(2))
        slots = [await each for each in waiting]
        return list(slots), now()

    slots, ended = run_virtually(story())

    assert slots == [None] * 50
    assert ended == pytest.approx(3.0, abs=0.01)


def test_waiting_is_no_busy_loop() -> None:
    """At 10 a second a start costs a handful of wake-ups, not hundreds."""
    wake_ups = 0

    def count() -> float:
        nonlocal wake_ups
        wake_ups += 1
        return 0.0

    async def story() -> None:
        await start_many(make_pacer(10, 0.01, Gate()), 100, 32, lambda: 0.03)

    run_virtually(story(), count)

    assert wake_ups < 800


def test_unlimited_does_not_wait() -> None:
    """Without a rate no time passes between starts."""

    async def story() -> float:
        gate = Gate()
        pacer = make_pacer(None, 0.01, gate)
        for _ in range(1000):
            assert await pacer.start() is not None
        return now()

    assert run_virtually(story()) == 0.0
