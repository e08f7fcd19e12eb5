"""One quota for all runs of this machine: a ledger that is kept in a file."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.ledger import LocalLedger, Slot, Window
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.turns import (
    Turn,
    arrived_late,
    begin,
    give,
    make,
    paused,
    with_cap,
    without_cap,
)
from batch_updater.errors import QuotaFailed, UsageError
from batch_updater.files.quota_file import Head, QuotaFile, open_quota_file

T = TypeVar("T")
_PATIENCE = 5.0  # seconds of silence before a person is told why
_SOON = 0.002  # seconds; whoever holds the file needs it for microseconds
_LATER = 0.05  # if it is still held then, its holder is stopped or starved


class SharedLedger:
    """
    Grants a start when both this run's own windows and the shared quota have room.

    The quota is what the largest rate of the runs at work allows, so that a slower
    run keeps to its own rate and gets its turns all the same. What this run has been
    told about itself stays in its own ledger; a pause is everybody's.

    Args:
        cap: this run's --rate.
        directory: where the files of quotas are.
        gate: closed when the file cannot be kept any more.
        notices: told what a long wait is for.
        clock: tells the seconds of CLOCK_MONOTONIC.
    """

    breath = 0.0  # a turn is for its own moment

    def __init__(
        self,
        cap: Window,
        directory: Path,
        gate: Gate,
        notices: Notices,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cap = cap
        self._directory = directory
        self._gate = gate
        self._notices = notices
        self.clock = clock
        self._own = LocalLedger(clock)
        self._file: QuotaFile | None = None
        self._turn: Turn | None = None
        self._made: dict[int, Turn] = {}
        self._not_before = 0.0
        self._held_since: float | None = None
        self._told: float | None = None

    def join(self, endpoint: str, project_id: str) -> None:
        """
        Share the quota of a project from now on; nothing is granted before.

        Raises:
            UsageError: its file cannot be used.
        """
        self._file = open_quota_file(self._directory, endpoint, project_id)
        try:
            self._change(_look)
        except QuotaFailed as failure:
            raise UsageError(failure.message, hint=failure.hint) from failure

    def leave(self) -> None:
        """Let go of the file."""
        if self._file:
            self._give_up(self._cap)
            self._file.close()
            self._file = None

    def take(self, now: float, windows: Sequence[Window], asked: float) -> Slot | float:
        """Note a start, or return the seconds until there may be room for it."""
        if (due := self._own.due(windows)) > now:
            return due - now
        made = self._try(self._ask)
        if made is None:
            return self._wait_for_holder(now)
        self._held_since = None
        if not isinstance(made, Turn):
            return made - now
        slot = self._own.note(made.at, asked)
        self._made[slot.number] = made
        return slot

    def due(self, windows: Sequence[Window]) -> float:
        """Return the moment when this run's own windows have room for a start."""
        return self._own.due(windows)

    def begin(self, slot: Slot, now: float) -> Slot:
        """Note that a start is made only now."""
        return self._own.begin(slot, now)

    def landed(self, slot: Slot, trip: float) -> None:
        """Take note that a start was answered."""
        self._own.landed(slot, trip)
        made = self._made.pop(slot.number, None)
        if made is None:
            return
        seconds = slot.started - made.at + self._own.lateness(trip)

        def note(head: Head, now: float, file: QuotaFile) -> tuple[Head, bool]:
            return head, arrived_late(head, made, seconds, file)

        # Should the file be held just now, the start counts as late as can be.
        self._try(note)

    def pause(self, until: float) -> None:
        """Grant nothing before this moment, to none of the runs."""
        self._own.pause(until)
        self._not_before = max(self._not_before, until)
        self._spread()

    def since(self, moment: float) -> int:
        """Return how many of this run's own starts came after a moment."""
        return self._own.since(moment)

    def change_cap(self, cap: Window | None) -> None:
        """
        Let the quota be what another rate of this run allows, if it is the largest.

        Raises:
            ValueError: there is no rate; all runs would be without one.
        """
        if cap is None:
            raise ValueError("--share-quota needs a rate")
        before, self._cap = self._cap, cap
        self._give_up(before)

    def _give_up(self, cap: Window) -> None:
        """Let no other run go by a cap that is no longer this one's."""

        def forget(head: Head, now: float, file: QuotaFile) -> tuple[Head, bool]:
            return without_cap(head, cap), True

        # Should the file be held just now, it is forgotten a little later.
        self._try(forget)

    def _spread(self) -> None:
        if self._file and self._try(_look) is None and not self._gate.closed:
            asyncio.get_running_loop().call_later(_LATER, self._spread)

    def _ask(
        self, head: Head, now: float, file: QuotaFile
    ) -> tuple[Head, Turn | float]:
        turn, self._turn = self._turn, None
        if turn is None:
            head, given = give(head, now, self._cap, file)
            if not isinstance(given, Turn):
                return head, given
            turn = given
        if turn.at > now:
            self._turn = turn
            return head, turn.at
        made = make(head, turn, now, self._cap, file)
        return (head, made) if made else self._ask(head, now, file)

    def _try(self, step: "Step[T]") -> T | None:
        try:
            return self._change(step)
        except QuotaFailed as failure:
            self._gate.close(failure)
            return None

    def _change(self, step: "Step[T]") -> T | None:
        """Take a step on the file's head; None while somebody else holds the file."""
        if self._file is None:
            return None
        with self._file.locked() as file:
            if file is None:
                return None
            now = self.clock()
            head = file.read_head() or begin(now, self._cap)
            head = paused(with_cap(head, now, self._cap), self._not_before)
            self._tell_of_pause(head.not_before, now)
            head, answer = step(head, now, file)
            file.write_head(head)
            return answer

    def _tell_of_pause(self, until: float, now: float) -> None:
        if until - now > _PATIENCE and until not in (self._not_before, self._told):
            self._told = until
            self._notices.tell(
                f"the shared quota is not to be used for another {until - now:.0f} s: "
                "a run was asked to pause, or its file is new"
            )

    def _wait_for_holder(self, now: float) -> float:
        since = self._held_since = self._held_since or now
        if self._file and now - since > _PATIENCE and self._told != since:
            self._told = since
            holder = self._file.holder()
            who = f"process {holder}" if holder else "another process"
            self._notices.tell(
                f"waiting for {who}, which holds the shared quota {self._file.path}; "
                "is it stopped? Ctrl-C leaves"
            )
        return _SOON if now - since < _LATER else _LATER


Step = Callable[[Head, float, QuotaFile], tuple[Head, T]]


def _look(head: Head, now: float, file: QuotaFile) -> tuple[Head, bool]:
    return head, True
