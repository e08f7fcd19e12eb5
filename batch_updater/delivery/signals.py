"""The first SIGINT or SIGTERM drains the run, the second stops it at once."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.errors import Interrupted

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Turns signals into a closed gate, then into a cut."""

    def __init__(self, gate: Gate, notices: Notices) -> None:
        self.gate = gate
        self.notices = notices
        self._cut_off: Callable[[], object] | None = None

    def receive(self, signum: int) -> None:
        """Take one signal."""
        if not self.gate.closed:
            self.notices.tell("finishing what is in flight; once more stops at once")
            self.gate.close(Interrupted(signum))
        elif self._cut_off:
            self._cut_off()

    @contextmanager
    def cutting_off(self, cut_off: Callable[[], object]) -> Iterator[None]:
        """Say what a second signal does while the block runs."""
        self._cut_off = cut_off
        try:
            yield
        finally:
            self._cut_off = None

    async def until_cut_off(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Return what the work returns; a second signal does not wait for it.

        Raises:
            RunStopped: a second signal came; the gate's reason.
        """
        task = asyncio.ensure_future(work)
        try:
            with self.cutting_off(task.cancel):
                await asyncio.wait([task])
        finally:
            task.cancel()
        if task.cancelled() and self.gate.reason:
            raise self.gate.reason
        return task.result()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Receive this process's signals while the block runs; main thread only."""
        loop = asyncio.get_running_loop()
        for signum in _SIGNALS:
            loop.add_signal_handler(signum, self.receive, signum)
        try:
            yield
        finally:
            for signum in _SIGNALS:
                loop.remove_signal_handler(signum)
                if isinstance(self.gate.reason, Interrupted):
                    # All is recorded; one more would only spoil the exit code.
                    signal.signal(signum, signal.SIG_IGN)
