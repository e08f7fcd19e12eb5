"""The pacer, on a clock that jumps to the next timer instead of waiting for it."""

import asyncio
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import make_pacer, most_in, now, run_virtually, start_many

from batch_updater.delivery.gate import Gate
from batch_updater.errors import Interrupted


@pytest.mark.parametrize("rate", [0.5, 1, 2.5, 10, 100, 1000])
def test_uses_at_least_97_percent_of_the_rate(rate: float) -> None:
    """While work is left, at least 97 % of the allowed starts happen."""

    async def story() -> float:
        starts = await start_many(
            make_pacer(rate, 0.01, Gate()), int(rate * 60) + 1, 64, lambda: 0.03
        )
        return (len(starts) - 1) / (starts[-1] - starts[0])

    achieved = run_virtually(story())

    assert 0.97 * rate <= achieved


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


@settings(max_examples=40, deadline=None)
@given(rate=st.integers(2, 300), seed=st.integers(0, 2**32))
def test_arrivals_stay_under_the_rate_when_requests_are_held_up(
    rate: int, seed: int
) -> None:
    """
    Up to 2.5 % of a second of delay on the way cannot push a window over.

    Once one request has shown how short the way can be.
    """
    chance = random.Random(seed)
    arrivals: list[float] = []

    async def story() -> None:
        pacer = make_pacer(rate, 0.01, Gate())
        await start_many(pacer, 1, 1, lambda: 0.02)

        async def work() -> None:
            while len(arrivals) < rate * 4:
                slot = await pacer.start()
                assert slot is not None
                held_up = chance.choice([0, 0, 0, chance.uniform(0, 0.024)])
                await asyncio.sleep(0.01 + held_up)
                arrivals.append(now())
                await asyncio.sleep(0.01)
                pacer.landed(slot)

        async with asyncio.TaskGroup() as group:
            for _ in range(32):
                group.create_task(work())

    run_virtually(story())

    assert most_in(arrivals) <= rate


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
