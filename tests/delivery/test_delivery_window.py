"""The time window on clocks that a test turns: asleep, awake, set, and both ends."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from batch_updater.delivery.clock import Clocks
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pacing import make_pacer
from batch_updater.delivery.window import Window, kept_within, refuse_past, tell_moment
from batch_updater.errors import TimeWindowOver, UsageError

SIX = datetime(2026, 11, 25, 6, tzinfo=UTC)
FIVE = SIX.timestamp() - 3600


@dataclass
class Machine:
    """The clocks that a window goes by."""

    wall: float = FIVE
    passed: float = 50.0

    @property
    def clocks(self) -> Clocks:
        return Clocks(wall=lambda: self.wall, passed=lambda: self.passed)

    def sleep(self, seconds: float) -> None:
        self.wall += seconds
        self.passed += seconds


BOTH = Window(max_duration=7200.0, stop_at=SIX, named="2 h 0 min")


def limits(window: Window, machine: Machine) -> tuple[float, str]:
    end = window.opened(machine.clocks)()
    assert end
    return end.left, end.limit


def test_the_earlier_end_counts() -> None:
    """Of two ends the one that is nearer, each by its own clock."""
    machine = Machine()
    first = BOTH.opened(machine.clocks)
    stop_at = f"--stop-at {tell_moment(SIX)}"
    end = first()
    assert end
    assert (end.left, end.limit) == (3600.0, stop_at)
    machine.wall -= 86400  # set back by a day: only the wall clock's end moves
    end = first()
    assert end
    assert (end.left, end.limit) == (7200.0, "--max-duration 2 h 0 min")
    machine.passed += 7200.5
    end = first()
    assert end
    assert end.left == -0.5


def test_no_window_has_no_end() -> None:
    """Without either there is nothing to wait for."""
    assert Window().opened(Machine().clocks)() is None


def test_the_past_is_refused() -> None:
    """A moment that has passed is refused before anything is sent, this second included."""
    with pytest.raises(UsageError, match="has passed; nothing was sent"):
        refuse_past(SIX, SIX)
    refuse_past(SIX, datetime(2026, 11, 25, 5, 59, 59, tzinfo=UTC))
    refuse_past(None)


async def test_nothing_starts_after_a_sleep_past_the_end() -> None:
    """Whoever wakes first, worker or watch: the pacer gives no start any more."""
    machine, gate = Machine(), Gate()
    pacer = make_pacer(1000, 0.01, gate)
    async with kept_within(BOTH, gate, Notices(), machine.clocks):
        assert await pacer.start()
        machine.sleep(8 * 3600)  # no task has run since: the watch has seen nothing
        assert await pacer.start() is None
    assert isinstance(gate.reason, TimeWindowOver)
    assert "--stop-at" in gate.reason.message


async def test_a_clock_that_is_set_is_honoured() -> None:
    """--stop-at is over as soon as the wall clock says so."""
    machine, gate = Machine(), Gate()
    async with kept_within(Window(stop_at=SIX), gate, Notices(), machine.clocks):
        assert not gate.closed
        machine.wall += 3600
        assert gate.closed


async def test_the_watch_wakes_those_who_wait() -> None:
    """A row that backs off for an hour does not sleep through the end of the window."""
    machine, gate = Machine(), Gate()
    window = Window(max_duration=0.01, named="0.0 s")
    async with kept_within(window, gate, Notices(), machine.clocks):
        waiting = asyncio.create_task(gate.sleep(3600))
        await asyncio.sleep(0)
        machine.passed += 0.02
        await waiting
    assert gate.closed


async def test_after_the_block_nobody_is_stopped() -> None:
    """The window of the first request is not that of the rows."""
    machine, gate = Machine(), Gate()
    async with kept_within(BOTH, gate, Notices(), machine.clocks):
        pass
    machine.sleep(86400)
    assert not gate.closed


async def test_a_jump_is_noted() -> None:
    """The journal says by how much the clock was set, and a person reads it."""
    machine, gate = Machine(), Gate()
    told: list[str] = []
    noted: list[tuple[str, Mapping[str, Any]]] = []
    seen, notices = asyncio.Event(), Notices(told.append)

    def note(kind: str, facts: Mapping[str, Any]) -> None:
        noted.append((kind, facts))
        seen.set()

    # So near an end that does not come, the watch looks often.
    window = Window(max_duration=0.001)
    with notices.kept(note):
        async with kept_within(window, gate, notices, machine.clocks):
            await asyncio.sleep(0)
            machine.wall -= 60
            await seen.wait()
    ((kind, facts),) = noted
    assert kind == "clock"
    assert facts["jump_s"] == -60
    assert told == [facts["said"]]
    assert "set back by 60.0 s" in told[0]
