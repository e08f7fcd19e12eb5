"""Calls against a service that dies and comes back, on a clock that jumps."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtual import make_pacer, now, run_virtually

from batch_updater.delivery.breaker import Breaker
from batch_updater.delivery.calls import Caller, Tries
from batch_updater.delivery.circuit import Circuit, CircuitRules, State
from batch_updater.delivery.clock import Clock, Clocks
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.renewal import Renewal
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.delivery.tokens import Tokens
from batch_updater.errors import CircuitOpen
from batch_updater.frs.verdicts import judge
from batch_updater.models import Reply

# A busy machine is no fault of what is tested.
MANY = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)

GOOD = Reply(200, b'{"face_number":1}')
DOWN = Reply(503, b"")
LIMITED = Reply(429, b'{"error_code":"FRS.0033","error_msg":"slowly"}')
EXPIRED = Reply(401, b'{"error_code":"APIGW.0307","error_msg":"expired"}')
REFUSED = Reply(400, b'{"error_code":"FRS.0303","error_msg":"no such face"}')


class Credentials:
    """Credentials that are renewed in a second, as often as asked."""

    version = 0

    async def renew(self) -> bool:
        await asyncio.sleep(1.0)
        self.version += 1
        return True

    def due(self) -> bool:
        return False

    def until_look(self) -> float:
        return 1e9


@dataclass(kw_only=True)
class House:
    """All that a call goes through, and an account of what it did."""

    answer: Callable[[int], Reply]
    trip: Callable[[], float] = lambda: 0.1
    rate: float | None = 100.0
    max_outage: float | None = 900.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    notes: list[dict[str, Any]] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    tries: dict[int, Tries] = field(default_factory=dict)
    most_probes: int = 0
    probing: int = 0

    def open(self) -> None:
        """Build it; inside the loop."""
        self.gate, notices = Gate(), Notices()
        notices._note = lambda kind, facts: self.notes.append(dict(facts))
        rules = None if self.max_outage is None else CircuitRules()
        self.circuit = Circuit(rules, Random(1))
        self.breaker = Breaker(self.gate, notices, self.circuit, self.max_outage)
        credentials, chance = Credentials(), Random(2)
        self.caller = Caller(
            renewal=Renewal(credentials, self.gate, self.retry, chance, notices),
            pacer=make_pacer(self.rate, 0.01, self.gate),
            gate=self.gate,
            breaker=self.breaker,
            tokens=Tokens(self.gate),
            retry=self.retry,
            clock=Clock(Clocks(awake=asyncio.get_running_loop().time)),
            chance=chance,
        )

    async def call(self, number: int) -> Tries:
        """Make one call to its end."""
        tries = self.tries[number] = Tries()

        async def send() -> Reply:
            state = self.circuit.state
            assert state is not State.OPEN, "nobody starts while it is open"
            probe = state is State.HALF_OPEN
            self.starts.append(now())
            self.probing += probe
            self.most_probes = max(self.most_probes, self.probing)
            await asyncio.sleep(self.trip())
            self.probing -= probe
            return self.answer(number)

        await self.caller.call(send, judge, tries)
        return tries

    def run(self, rows: int, workers: int) -> float:
        """Send so many rows from workers; return the seconds that it took."""

        async def story() -> float:
            self.open()
            numbers = iter(range(rows))

            async def work() -> None:
                for number in numbers:
                    if self.gate.closed:
                        return
                    await self.call(number)

            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(work())
            self.breaker.close()
            return now()

        return run_virtually(story())

    @property
    def states(self) -> list[str]:
        """The changes of state that were recorded."""
        return [note["state"] for note in self.notes]

    def sent_between(self, start: float, end: float) -> int:
        """Return how many attempts started in this time."""
        return sum(start <= each < end for each in self.starts)


def down_between(start: float, end: float) -> Callable[[int], Reply]:
    """Return answers of a service that is down for a while."""
    return lambda number: DOWN if start <= now() < end else GOOD


OUTAGES = st.lists(st.tuples(st.floats(0.5, 30), st.floats(0.5, 200)), max_size=4)


@MANY
@given(
    outages=OUTAGES,
    rows=st.integers(1, 300),
    workers=st.integers(1, 30),
    rate=st.none() | st.floats(1, 200),
    seed=st.integers(0, 10**6),
)
def test_every_row_ends_when_the_service_is_back(
    outages: list[tuple[float, float]],
    rows: int,
    workers: int,
    rate: float | None,
    seed: int,
) -> None:
    """However often it dies: one probe at a time, and no row hangs or fails for it."""
    chance, edges, moment = Random(seed), [], 0.0
    for up, down in outages:
        edges.append((moment + up, moment + up + down))
        moment += up + down

    def answer(number: int) -> Reply:
        return DOWN if any(a <= now() < b for a, b in edges) else GOOD

    house = House(
        answer=answer,
        trip=lambda: chance.uniform(0.01, 2.0),
        rate=rate,
        retry=RetryPolicy(max_attempts=1000, max_elapsed=1e9),
    )
    house.run(rows, workers)
    assert len(house.tries) == rows
    assert all(each.succeeded for each in house.tries.values())
    assert house.most_probes <= 1
    assert not house.gate.is_held
    assert house.states == ["open", "closed"] * (len(house.states) // 2)


@pytest.mark.parametrize("workers", [3, 32, 64])
def test_an_outage_fails_no_row(workers: int) -> None:
    """Six attempts outlast ten minutes: what fails while it is down costs no attempt."""
    house = House(answer=down_between(5.0, 605.0))
    house.run(2000, workers)
    assert all(each.succeeded for each in house.tries.values())
    assert house.states == ["open", "closed"]
    # What was in flight, what it took to notice, and a probe every 20 s or so.
    assert house.sent_between(5.0, 605.0) <= workers + 15 + 50
    opened, closed = house.notes
    assert (opened["code"], opened["failures"]) == ("HTTP.503", 15)
    assert 600 <= closed["outage_s"] <= 631
    assert 20 <= closed["probes"] <= 50
    recorded = sum(len(each.attempts) for each in house.tries.values())
    assert recorded == len(house.starts), "probes are on record like any attempt"
    assert sum(each.counted for each in house.tries.values()) <= 2000 + 14


def test_it_goes_on_at_full_speed() -> None:
    """One answer opens the way for everybody: the rate is reached within a second."""
    house = House(answer=down_between(5.0, 100.0))
    house.run(5000, 64)
    back = 100.0 + house.notes[1]["outage_s"] - 95.0
    assert house.sent_between(back + 1, back + 2) >= 97


@pytest.mark.parametrize("sign", [LIMITED, EXPIRED, REFUSED, GOOD])
def test_any_answer_of_a_living_service_closes_it(sign: Reply) -> None:
    """A throttled probe, or a refused one, proves as much as one that is taken."""
    signs = [DOWN] * 15 + [sign]
    house = House(answer=lambda number: signs.pop(0) if signs else GOOD)
    house.run(30, 3)
    assert house.states == ["open", "closed"]
    assert house.notes[1]["probes"] == 0


def test_a_poison_row_alone() -> None:
    """A row that always fails spends its own attempts, however many, and stops nobody."""
    policy = RetryPolicy(max_attempts=200, max_elapsed=1e9)
    house = House(answer=lambda number: DOWN if number == 3 else GOOD, retry=policy)
    house.run(20, 1)
    assert house.states == []
    assert house.tries[3].gave_up
    assert len(house.tries[3].attempts) == 200
    assert sum(each.succeeded for each in house.tries.values()) == 19


def test_waiting_for_the_service_costs_no_time_of_the_row() -> None:
    """--max-elapsed is the row's own: an outage ten times as long does not touch it."""
    policy = RetryPolicy(max_elapsed=60.0)
    house = House(answer=down_between(1.0, 600.0), retry=policy)
    house.run(200, 16)
    assert all(each.succeeded for each in house.tries.values())
    assert max(each.spent for each in house.tries.values()) < 10.0


def test_waiting_for_a_token_costs_no_time_of_the_row() -> None:
    """Without tokens retries go at the trickle, and no row fails for having waited."""
    failing = iter(range(10**9))
    policy = RetryPolicy(max_attempts=1000, max_elapsed=60.0, base=0.1, cap=1.0)

    def answer(number: int) -> Reply:
        return GOOD if next(failing) % 10 == 0 else DOWN

    house = House(answer=answer, retry=policy, rate=None)
    took = house.run(150, 32)
    assert house.states == []
    assert took > 500.0
    assert all(each.succeeded for each in house.tries.values())


def test_waiting_for_the_pacer_costs_nothing() -> None:
    """Rows that wait for their start longer than --max-elapsed are sent all the same."""
    policy = RetryPolicy(max_attempts=1, max_elapsed=2.0)
    house = House(answer=lambda number: GOOD, rate=1.0, retry=policy)
    assert house.run(60, 30) > 50.0
    for tries in house.tries.values():
        assert (tries.succeeded, tries.counted) == (True, 1)
        assert tries.spent == pytest.approx(0.1)


@pytest.mark.parametrize("max_outage", [0.0, 0.3, 10.0, 900.0])
def test_it_ends_after_max_outage(max_outage: float) -> None:
    """The run ends at that time, whatever the pause; rows are left, none has failed."""
    house = House(answer=down_between(5.0, 1e9), max_outage=max_outage)
    took = house.run(2000, 32)
    assert house.states == ["open", "given_up"]
    assert took == pytest.approx(5.0 + max_outage, abs=0.5)
    reason = house.gate.reason
    assert isinstance(reason, CircuitOpen)
    assert "HTTP.503" in reason.message
    assert "resume" in reason.hint
    assert not any(each.failed for each in house.tries.values())


def test_a_long_retry_after_does_not_outlast_max_outage() -> None:
    """Who asks for an hour is not asked sooner, and the run ends in time."""
    asked = Reply(503, b"", retry_after=3600.0)
    house = House(answer=lambda number: asked if now() > 5.0 else GOOD, max_outage=60.0)
    assert house.run(2000, 32) == pytest.approx(65.0, abs=0.5)
    assert house.notes[1]["probes"] == 0


def test_half_of_all_requests_fail_for_ever() -> None:
    """A service that is half broken gets all rows done, at what the budget allows."""
    chance = Random(3)
    policy = RetryPolicy(max_attempts=100, max_elapsed=1e9)
    house = House(answer=lambda number: chance.choice((GOOD, DOWN)), retry=policy)
    took = house.run(1000, 64)
    assert all(each.succeeded for each in house.tries.values())
    assert 300.0 < took < 1000.0


def test_off_lets_each_row_fail_for_itself() -> None:
    """Without the circuit the budget alone spares the service: about a retry a second."""
    house = House(answer=lambda number: DOWN, max_outage=None)
    took = house.run(40, 16)
    assert house.states == []
    assert all(each.gave_up for each in house.tries.values())
    assert len(house.starts) == 240
    assert took > 100.0


def test_a_renewal_and_the_circuit_hold_the_gate_together() -> None:
    """Credentials that end while it is down are renewed, and the probe waits for them."""

    async def story() -> list[str]:
        house.open()
        for number in range(15):
            ticket = house.breaker.start()
            house.breaker.landed(ticket, number, DOWN, judge(DOWN))
        renewing = asyncio.create_task(house.caller.renewal.renew(0))
        await asyncio.sleep(0)
        call = asyncio.create_task(house.call(1))
        assert await renewing
        assert house.gate.is_held or house.circuit.state is State.HALF_OPEN
        assert (await call).succeeded
        house.breaker.close()
        return house.states

    house = House(answer=lambda number: GOOD)
    assert run_virtually(story()) == ["open", "closed"]
    assert not house.gate.is_held


def test_a_probe_that_is_cut_off_lets_the_next_one_go() -> None:
    """Who is cancelled on the way of a probe does not lock the door behind him."""

    async def story() -> bool:
        house.open()
        for number in range(15):
            ticket = house.breaker.start()
            house.breaker.landed(ticket, number, DOWN, judge(DOWN))
        probe = asyncio.create_task(house.call(1))
        await asyncio.sleep(10.0)
        assert house.probing == 1
        probe.cancel()
        await asyncio.wait([probe])
        house.probing = 0
        done = await house.call(2)
        house.breaker.close()
        return done.succeeded

    house = House(answer=lambda number: GOOD, trip=lambda: 60.0)
    assert run_virtually(story())
    assert house.tries[1].attempts[-1].code == "TRANSPORT.CUT_OFF"
