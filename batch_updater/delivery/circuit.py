"""Whether the service is down, and when to ask it again; pure, time is an argument."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class State(StrEnum):
    """What an attempt may do."""

    CLOSED = "closed"
    """Start: the service lives."""

    OPEN = "open"
    """Wait: it is down, and a pause goes on."""

    HALF_OPEN = "half_open"
    """One may start, the probe; it is the only one until it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRules:
    """
    When the circuit opens, and how often it is probed.

    Fifteen failures of three calls: with the usual six attempts, three rows in
    flight notice that the service is down before one of them has spent its own.

    Args:
        failures: transient failures in a row, with no answer of a living service
            between them, that open it.
        calls: how many different calls these must be of, at the least: one row
            that always fails says nothing about the others.
        pause: seconds until the first probe; doubles with each one that fails.
        longest_pause: seconds; no pause is longer, unless the service asks for it.
        longest_wait: seconds; a Retry-After that asks for more is asked again
            after this long.
    """

    failures: int = 15
    calls: int = 3
    pause: float = 1.0
    longest_pause: float = 30.0
    longest_wait: float = 3600.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """
    One start.

    Args:
        era: how often the state had changed when it was given. What began in
            another era says nothing about this one.
        probe: whether it is the one that a half-open circuit lets through.
    """

    era: int
    probe: bool


class Circuit:
    """
    Closed, open, half-open: whether anything may start.

    Args:
        rules: None never opens.
    """

    def __init__(self, rules: CircuitRules | None, chance: Random) -> None:
        self.state = State.CLOSED
        self.failures = 0
        self.probes = 0
        self.due = 0.0
        self._rules, self._chance = rules, chance
        self._calls: set[object] = set()
        self._not_before = 0.0
        self._era = 0
        self._probing = False

    @property
    def admits(self) -> bool:
        """Whether an attempt may start now."""
        if self.state is State.HALF_OPEN:
            return not self._probing
        return self.state is State.CLOSED

    @property
    def is_calm(self) -> bool:
        """Whether it is closed, and the last answer was one of a living service."""
        return self.state is State.CLOSED and not self.failures

    def start(self) -> Ticket:
        """Take note of a start; only when it admits one."""
        self._probing = self.state is State.HALF_OPEN
        return Ticket(self._era, self._probing)

    def pause_is_over(self) -> None:
        """Let a probe through from now on: it is due."""
        self.state = State.HALF_OPEN

    def answered(self, ticket: Ticket) -> None:
        """Take note of an answer that shows that the service lives."""
        if ticket.era != self._era:
            return
        if ticket.probe:
            self.state = State.CLOSED
            self._turn()
        self.failures = 0
        self._calls.clear()
        self._not_before = 0.0

    def failed(
        self, ticket: Ticket, call: object, now: float, retry_after: float | None
    ) -> None:
        """
        Take note of a transient failure.

        Args:
            call: what was tried; its attempts are known by it.
            retry_after: seconds that the service asked to be left alone.
        """
        if self._rules is None or ticket.era != self._era:
            return
        wanted = min(retry_after or 0.0, self._rules.longest_wait)
        self._not_before = max(self._not_before, now + wanted)
        if ticket.probe:
            self.probes += 1
            self._open(self._rules, now)
            return
        self.failures += 1
        if len(self._calls) < self._rules.calls:
            self._calls.add(call)
        if self._is_enough(self._rules):
            self.probes = 0
            self._open(self._rules, now)

    def dropped(self, ticket: Ticket) -> None:
        """Take note of an attempt whose end tells nothing: it was cut off."""
        if ticket.probe and ticket.era == self._era:
            self._probing = False

    def _is_enough(self, rules: CircuitRules) -> bool:
        return self.failures >= rules.failures and len(self._calls) >= rules.calls

    def _open(self, rules: CircuitRules, now: float) -> None:
        bound = min(rules.longest_pause, rules.pause * 2.0 ** min(self.probes, 32))
        pause = bound * self._chance.uniform(0.5, 1.0)
        self.due = max(now + pause, self._not_before)
        self.state = State.OPEN
        self._turn()

    def _turn(self) -> None:
        self._era += 1
        self._probing = False
