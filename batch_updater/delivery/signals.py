"""The first signal drains the run, the second stops it at once."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.errors import Interrupted

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Leave(KeyboardInterrupt):
    """Ends what does not wait for the loop; no Exception, so that it comes through."""


class Signals:
    """
    Turns signals into a closed gate, then into a cut.

    A terminal that is closed sends SIGHUP more than once, and nobody means it twice:
    it drains like the others, but is never the second.
    """

    def __init__(self, gate: Gate, notices: Notices) -> None:
        self.gate = gate
        self.notices = notices
        self._first: int | None = None
        self._leaves = False
        self._handled: tuple[signal.Signals, ...] = ()
        self._cut_off: Callable[[], object] | None = None

    def receive(self, signum: int) -> None:
        """Take one signal."""
        if self._first is None:
            self._first = signum
            self.notices.tell("finishing what is in flight; once more stops at once")
            self.gate.close(Interrupted(signum))
        elif signum != signal.SIGHUP:
            self._stop_at_once()

    def _stop_at_once(self) -> None:
        if not self._cut_off:  # between two steps, with the views to come
            self._leaves = True
            return
        self.notices.tell("stopping at once; what is on its way may be applied")
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
    def leaving(self, hint: str) -> Iterator[None]:
        """
        Let a second signal end the block, which is one step of the loop.

        Args:
            hint: what makes good what the block leaves undone.

        Raises:
            Interrupted: it did.
        """
        before = {each: signal.signal(each, self._leave) for each in self._handled}
        try:
            self._leave_if_asked()
            yield
        except _Leave:
            raise Interrupted(self._first or signal.SIGINT, hint=hint) from None
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _leave_if_asked(self) -> None:
        if self._leaves:
            raise _Leave

    def _leave(self, signum: int, frame: FrameType | None) -> None:
        if self._first is None:
            self._first = signum
            self.notices.tell(
                "all is recorded, and the views are being written; once more leaves "
                "them to `batch-updater results`"
            )
        elif signum != signal.SIGHUP:
            self._leaves = True
            self._leave_if_asked()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """
        Receive this process's signals while the block runs; main thread only.

        A SIGHUP that is ignored, as under nohup, stays so.
        """
        loop = asyncio.get_running_loop()
        before = {each: signal.getsignal(each) for each in _SIGNALS}
        if before[signal.SIGHUP] is signal.SIG_IGN:
            del before[signal.SIGHUP]
        self._handled = tuple(before)
        for signum in before:
            loop.add_signal_handler(signum, self.receive, signum)
        try:
            yield
        finally:
            self._handled = ()
            for signum, handler in before.items():
                loop.remove_signal_handler(signum)
                # All is recorded; one more would only spoil the exit code.
                signal.signal(signum, signal.SIG_IGN if self._first else handler)
