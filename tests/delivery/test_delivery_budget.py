"""The retry budget: what a retry costs, who earns it, and where it is waited for."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtual import now, run_virtually

from batch_updater.delivery.budget import BudgetRules, RetryBudget
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.tokens import Tokens
from batch_updater.errors import Interrupted

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

RULES = st.builds(
    BudgetRules,
    reserve=st.floats(1, 100),
    earned=st.floats(0, 2),
    trickle=st.floats(0.01, 10),
)
STEPS = st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["earn", "take"])))


@MANY
@given(rules=RULES, steps=STEPS)
def test_no_more_is_spent_than_came_in(
    rules: BudgetRules, steps: list[tuple[float, str]]
) -> None:
    """Retries never exceed the reserve, what was earned and what trickled in."""
    budget, moment, spent, earned = RetryBudget(rules, 0.0), 0.0, 0, 0
    for pause, step in steps:
        moment += pause
        if step == "earn":
            budget.earn()
            earned += 1
        else:
            spent += budget.take(moment)
        came = rules.reserve + earned * rules.earned + moment * rules.trickle
        assert spent <= came + 1e-6


@MANY
@given(rules=RULES, start=st.floats(0, 1e6))
def test_a_token_comes_by_itself(rules: BudgetRules, start: float) -> None:
    """However empty it is, a token is there after the time that it says."""
    budget = RetryBudget(rules, start)
    while budget.take(start):
        pass
    later = start + budget.missing(start) + 1e-6
    assert later <= start + 1 / rules.trickle + 1e-5
    assert budget.take(later)


def test_more_than_the_reserve_is_never_kept() -> None:
    """A long good time does not allow a long storm of retries."""
    budget = RetryBudget(BudgetRules(reserve=5.0), 0.0)
    for _ in range(1000):
        budget.earn()
    assert sum(budget.take(3600.0) for _ in range(100)) == 5


@pytest.mark.parametrize(("every", "felt"), [(100, False), (10, False), (2, True)])
def test_what_a_failing_share_feels(every: int, felt: bool) -> None:
    """1 % and 10 % of failures never wait for a token; every second one does."""
    budget, waited = RetryBudget(BudgetRules(), 0.0), False
    for number in range(1, 10_000):
        if number % every:
            budget.earn()
        else:
            waited |= not budget.take(0.0)  # not even the trickle helps
    assert waited is felt


def test_retries_wait_in_turn() -> None:
    """Without a token a retry waits, the first to come is the first to go, at the trickle."""
    order: list[tuple[int, float]] = []

    async def story() -> None:
        tokens = Tokens(Gate(), BudgetRules(reserve=2.0, trickle=0.5))

        async def retry(number: int) -> None:
            await tokens.take()
            order.append((number, round(now(), 2)))

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(retry(number))

    run_virtually(story())
    assert order == [(0, 0.0), (1, 0.0), (2, 2.0), (3, 4.0), (4, 6.0)]


def test_a_success_wakes_who_waits() -> None:
    """What is earned is spent at once: nobody sleeps out the trickle."""

    async def story() -> float:
        tokens = Tokens(Gate(), BudgetRules(reserve=1.0, earned=0.5, trickle=1e-6))
        await tokens.take()
        waiting = asyncio.create_task(tokens.take())
        for _ in range(2):
            await asyncio.sleep(1.0)
            assert not waiting.done()
            tokens.earn()
        await waiting
        return now()

    assert run_virtually(story()) == pytest.approx(2.0)


def test_a_closed_gate_frees_everybody() -> None:
    """When the run drains, nobody waits for a token any more."""

    async def story() -> float:
        gate = Gate()
        tokens = Tokens(gate, BudgetRules(reserve=1.0, trickle=1e-6))
        waiting = [asyncio.create_task(tokens.take()) for _ in range(9)]
        await asyncio.sleep(1.0)
        assert sum(each.done() for each in waiting) == 1
        gate.close(Interrupted(2))
        await asyncio.wait(waiting)
        return now()

    assert run_virtually(story()) == 1.0
