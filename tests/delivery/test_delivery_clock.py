"""Clocks that are set and machines that sleep, on clocks that a test turns."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from batch_updater.delivery.clock import Clock, Clocks, Jumps

START = 1_800_000_000.0


@dataclass
class Machine:
    """A machine whose clocks go as it is told."""

    wall: float = START
    passed: float = 1000.0
    awake: float = 400.0

    @property
    def clocks(self) -> Clocks:
        return Clocks(
            wall=lambda: self.wall,
            passed=lambda: self.passed,
            awake=lambda: self.awake,
        )

    def work(self, seconds: float) -> None:
        self.awake += seconds
        self.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        self.wall += seconds
        self.passed += seconds

    def set_clock(self, by: float) -> None:
        self.wall += by


def test_stamps_stay_true_through_a_sleep() -> None:
    """After a night asleep a stamp is the wall clock's, and a latency has no night in it."""
    machine = Machine()
    clock = Clock(machine.clocks)
    before = clock.now()
    machine.work(2.0)
    machine.sleep(8 * 3600)
    assert clock.now().stamp == machine.wall
    assert clock.since(before) == 2.0


def test_the_machines_own_clocks_agree() -> None:
    """On this machine too: a stamp is the time of day, and a jump is not seen."""
    clock, jumps = Clock(), Jumps()
    first = clock.now()
    assert abs(first.stamp - Clocks().wall()) < 1
    assert clock.since(first) >= 0
    assert jumps.look() is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["work", "sleep", "set_clock"]), st.floats(-1e5, 1e5).map(abs)
    )
    | st.tuples(st.just("set_clock"), st.floats(-1e5, 0))
)


@given(STEPS)
def test_stamps_never_go_back(steps: list[tuple[str, float]]) -> None:
    """Whatever is done to the clock, stamps differ by the real time in between."""
    machine = Machine()
    clock = Clock(machine.clocks)
    last = clock.now()
    for act, seconds in steps:
        before = machine.passed
        getattr(machine, act)(seconds)
        now = clock.now()
        assert now.stamp >= last.stamp
        assert abs(now.stamp - last.stamp - (machine.passed - before)) < 1e-3
        assert clock.since(last) >= 0
        last = now


def test_each_jump_is_told_once() -> None:
    """A clock that is set is told by how much; trimming, time and sleep are none."""
    machine = Machine()
    jumps = Jumps(machine.clocks)
    machine.sleep(8 * 3600)
    machine.set_clock(1.5)
    assert jumps.look() is None
    machine.set_clock(-3600)
    assert jumps.look() == -3598.5
    assert jumps.look() is None
    machine.set_clock(2.5)
    assert jumps.look() == 2.5
    assert jumps.look() is None


def test_slow_drift_adds_up_to_a_jump() -> None:
    """A clock that is trimmed day after day is told of once it is two seconds off."""
    machine = Machine()
    jumps = Jumps(machine.clocks)
    told = []
    for _ in range(100):
        machine.work(3600)
        machine.set_clock(0.025)
        told.append(jumps.look())
    assert len([jump for jump in told if jump is not None]) == 1
