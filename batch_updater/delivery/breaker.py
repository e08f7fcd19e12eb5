"""The circuit on the loop's clock: what it holds back, says, and ends."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from batch_updater.delivery.circuit import Circuit, State, Ticket
from batch_updater.delivery.clock import loop_time
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.errors import CircuitOpen
from batch_updater.frs.verdicts import Judgement
from batch_updater.models import Reply, Verdict
from batch_updater.report.durations import format_duration

_MESSAGE = 200
_HINT = (
    "When it is back, resume goes on. If only these rows fail, "
    "--max-outage off lets each fail for itself."
)


class Breaker:
    """
    Keeps calls from a service that is down, and lets one through to ask.

    Args:
        gate: held while nothing may start; closed when the outage is too long.
        notices: told of each change of the circuit.
        max_outage: seconds without a probe that succeeds, after which the run
            ends; None waits for ever.
    """

    def __init__(
        self, gate: Gate, notices: Notices, circuit: Circuit, max_outage: float | None
    ) -> None:
        self._gate, self._notices = gate, notices
        self._circuit, self._max_outage = circuit, max_outage
        self._holds = False
        self._opened = 0.0
        self._since = ""
        self._last = Judgement(Verdict.RETRY)
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> Ticket:
        """Take note of a start, which the gate allowed."""
        ticket = self._circuit.start()
        if ticket.probe:
            self._hold_or_release()
        return ticket

    def landed(
        self, ticket: Ticket, call: object, reply: Reply, judgement: Judgement
    ) -> bool:
        """
        Take note of how an attempt ended.

        Args:
            call: what was tried; its attempts are known by it.

        Returns:
            Whether it failed because the service is down: that is no fault of
            the call.
        """
        before, failed = self._circuit.state, judgement.verdict is Verdict.RETRY
        if not failed and self._circuit.is_calm:
            return False  # nearly always, and nothing would change
        if failed:
            self._last = judgement
            self._circuit.failed(ticket, call, loop_time(), reply.retry_after)
        elif reply.status is None:
            self._circuit.dropped(ticket)
        else:
            self._circuit.answered(ticket)
        if self._circuit.state is not before:
            self._turned(before)
        self._hold_or_release()
        return failed and self._circuit.state is not State.CLOSED

    def close(self) -> None:
        """Let go of what would still happen by itself."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _turned(self, before: State) -> None:
        if self._gate.closed:
            return
        if self._circuit.state is State.CLOSED:
            self.close()
            self._tell_closed()
            return
        if before is State.CLOSED:
            self._begin()
        self._timers["pause"] = _at(self._circuit.due, self._let_one_through)

    def _begin(self) -> None:
        self._opened = loop_time()
        self._since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        if self._max_outage is not None:
            due = self._opened + self._max_outage
            self._timers["outage"] = _at(due, self._give_up)
        failures = self._circuit.failures
        self._notices.record(
            "circuit",
            f"the service is down: {failures} attempts in a row failed, the last with "
            f"{self._last.code}; nothing is sent but a probe now and then",
            state="open",
            code=self._last.code,
            message=self._last.message[:_MESSAGE],
            failures=failures,
        )

    def _let_one_through(self) -> None:
        self._circuit.pause_is_over()
        self._hold_or_release()

    def _tell_closed(self) -> None:
        probes, lasted = self._circuit.probes, format_duration(self._lasted)
        said = f"the service is back after {lasted}; probes that failed: {probes}"
        self._tell_end(said, "closed")

    def _tell_end(self, said: str, state: str) -> None:
        lasted, probes = round(self._lasted, 3), self._circuit.probes
        self._notices.record(
            "circuit", said, state=state, outage_s=lasted, probes=probes
        )

    def _give_up(self) -> None:
        if self._gate.closed:
            return
        probes, lasted = self._circuit.probes, format_duration(self._lasted)
        self._gate.close(
            CircuitOpen(
                f"the service has been down for {lasted}, since {self._since}, the "
                f"last time with {self._trouble}; probes that failed: {probes}",
                hint=_HINT,
            )
        )
        said = f"the service is not back after {lasted} (--max-outage)"
        self._tell_end(said, "given_up")

    @property
    def _lasted(self) -> float:
        return loop_time() - self._opened

    @property
    def _trouble(self) -> str:
        return f"{self._last.code}: {self._last.message[:_MESSAGE]}".rstrip(": ")

    def _hold_or_release(self) -> None:
        holds = not self._circuit.admits
        if holds == self._holds:
            return
        self._holds = holds
        if holds:
            self._gate.hold()
        else:
            self._gate.release()


def _at(moment: float, act: Callable[[], object]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_at(moment, act)
