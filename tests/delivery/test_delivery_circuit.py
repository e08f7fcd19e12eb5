"""When the circuit opens, whom it lets through, and when it closes again."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from batch_updater.delivery.circuit import Circuit, CircuitRules, State, Ticket

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

RULES = CircuitRules()


def opened(now: float = 0.0, retry_after: float | None = None) -> Circuit:
    """Return a circuit that opens at this moment."""
    circuit = Circuit(RULES, Random(1))
    fail(circuit, range(RULES.failures), now, retry_after)
    assert circuit.state is State.OPEN
    return circuit


def fail(
    circuit: Circuit, calls: range, now: float = 0.0, retry_after: float | None = None
) -> None:
    """Let attempts of these calls fail, one after the other."""
    for call in calls:
        circuit.failed(circuit.start(), call, now, retry_after)


def probe(circuit: Circuit) -> Ticket:
    """Let the pause end, and return the one that goes."""
    circuit.pause_is_over()
    assert circuit.admits
    ticket = circuit.start()
    assert ticket.probe
    return ticket


def test_enough_failures_open_it() -> None:
    """The last of the failures in a row opens it, none before."""
    circuit = Circuit(RULES, Random(1))
    fail(circuit, range(RULES.failures - 1))
    assert circuit.admits
    fail(circuit, range(1))
    assert (circuit.state, circuit.admits) == (State.OPEN, False)


def test_one_row_never_opens_it() -> None:
    """A row that always fails, or two of them, say nothing about the service."""
    circuit = Circuit(RULES, Random(1))
    for _ in range(1000):
        fail(circuit, range(RULES.calls - 1))
    assert circuit.admits
    fail(circuit, range(7, 8))
    assert circuit.state is State.OPEN


def test_an_answer_between_keeps_it_closed() -> None:
    """A service that answers now and then lives, however seldom that is."""
    circuit = Circuit(RULES, Random(1))
    for _ in range(100):
        fail(circuit, range(RULES.failures - 1))
        circuit.answered(circuit.start())
    assert circuit.state is State.CLOSED


def test_without_rules_it_never_opens() -> None:
    """`--max-outage off` takes any number of failures."""
    circuit = Circuit(None, Random(1))
    fail(circuit, range(1000))
    assert circuit.state is State.CLOSED


def test_one_probe_at_a_time() -> None:
    """While the probe is on its way nobody else may start."""
    circuit = opened()
    probe(circuit)
    assert (circuit.state, circuit.admits) == (State.HALF_OPEN, False)


def test_an_answered_probe_closes_it() -> None:
    """One answer is enough, and failures are counted from nought again."""
    circuit = opened()
    circuit.answered(probe(circuit))
    assert (circuit.state, circuit.admits) == (State.CLOSED, True)
    fail(circuit, range(RULES.failures - 1))
    assert circuit.admits


def test_a_probe_that_was_cut_off_makes_room() -> None:
    """A probe without an end would let nobody through any more."""
    circuit = opened()
    circuit.dropped(probe(circuit))
    assert circuit.admits


def test_what_began_before_says_nothing() -> None:
    """Answers and failures of what was in flight when it opened change nothing."""
    circuit = Circuit(RULES, Random(1))
    early = [circuit.start() for _ in range(100)]
    fail(circuit, range(RULES.failures))
    circuit.answered(early[0])
    assert not circuit.admits
    circuit.answered(probe(circuit))
    for number, ticket in enumerate(early):
        circuit.failed(ticket, number, 0.0, None)
    assert circuit.state is State.CLOSED


def test_pauses_grow_to_their_bound() -> None:
    """About 1, 2, 4, ... seconds, never above 30, spread over half of each."""
    circuit, now, pauses = opened(100.0), 100.0, []
    for call in range(12):
        pauses.append(circuit.due - now)
        now = circuit.due + 5.0
        circuit.failed(probe(circuit), call, now, None)
    bounds = [min(30.0, 2.0**n) for n in range(12)]
    for pause, bound in zip(pauses, bounds, strict=True):
        assert bound / 2 <= pause <= bound
    assert circuit.probes == 12


@pytest.mark.parametrize(("asked", "waited"), [(120.0, 120.0), (1e9, 3600.0)])
def test_retry_after_is_respected(asked: float, waited: float) -> None:
    """No probe goes sooner than the service asked, an hour of it at the most."""
    circuit = opened(50.0, asked)
    assert circuit.due == 50.0 + waited
    circuit.failed(probe(circuit), 1, 60.0, asked)
    assert circuit.due == 60.0 + waited


class Machine(RuleBasedStateMachine):
    """Any order of starts, ends and times."""

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        rules = CircuitRules(failures=4, calls=2)
        self.circuit = Circuit(rules, Random(seed))
        self.now = 0.0
        self.flying: list[Ticket] = []

    @rule(seconds=st.floats(0, 100))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = self.circuit.state is State.OPEN and self.now >= self.circuit.due
        if due:
            self.circuit.pause_is_over()

    @precondition(lambda self: self.circuit.admits)
    @rule()
    def start(self) -> None:
        self.flying.append(self.circuit.start())

    @precondition(lambda self: self.flying)
    @rule(
        data=st.data(),
        end=st.sampled_from(["failed", "answered", "dropped"]),
        asked=st.none() | st.floats(0, 50),
    )
    def land(self, data: st.DataObject, end: str, asked: float | None) -> None:
        ticket = data.draw(st.sampled_from(self.flying))
        self.flying.remove(ticket)
        if end == "failed":
            self.circuit.failed(ticket, object(), self.now, asked)
        elif end == "answered":
            self.circuit.answered(ticket)
        else:
            self.circuit.dropped(ticket)

    @invariant()
    def one_probe(self) -> None:
        if not hasattr(self, "circuit") or self.circuit.state is State.CLOSED:
            return
        probes = [each for each in self.flying if each.probe]
        assert len(probes) <= 1
        if self.circuit.state is State.OPEN:
            assert not self.circuit.admits
        elif not self.circuit.admits:
            assert probes, "somebody is on the way, or may go"

    def teardown(self) -> None:
        """Once the service lives, time and one start are enough to close it."""
        circuit = self.circuit
        for ticket in self.flying:
            circuit.answered(ticket)
        if circuit.state is State.OPEN:
            circuit.pause_is_over()
        if circuit.state is State.HALF_OPEN:
            assert circuit.admits
            circuit.answered(circuit.start())
        assert circuit.admits


Machine.TestCase.settings = settings(MANY, max_examples=60)
TestMachine = Machine.TestCase


@MANY
@given(share=st.floats(0, 0.2), seed=st.integers(0, 1000))
def test_a_fifth_of_failures_never_opens_it(share: float, seed: int) -> None:
    """Failures that come by chance among successes are the retries' business."""
    circuit, chance = Circuit(RULES, Random(seed)), Random(seed)
    for call in range(2000):
        if chance.random() < share:
            fail(circuit, range(call, call + 1))
        else:
            circuit.answered(circuit.start())
    assert circuit.state is State.CLOSED
