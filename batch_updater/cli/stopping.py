"""
Signals where no run goes on: before it begins, and in commands that only read.

SIGTERM and SIGHUP would end the process where it stands. As exceptions, as SIGINT is
one, they let it put away what lies open: rows of stdin in the temporary folder, and
half of a view.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal that ends the command; no Exception, so that nobody swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.signum = signum


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """
    Leave the block by an exception when a signal comes.

    What is ignored, as SIGHUP is under nohup, stays so.

    Raises:
        KeyboardInterrupt: SIGINT; Stopped: another signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        signum: signal.signal(signum, _stop)
        for signum in _SIGNALS
        if signal.getsignal(signum) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for signum, handler in before.items():
            if signal.getsignal(signum) is _stop:  # else one more is ignored by now
                signal.signal(signum, handler)


def _stop(signum: int, frame: FrameType | None) -> None:
    signal.signal(signum, signal.SIG_IGN)  # putting away is quick, and comes first
    raise Stopped(signum)


def signal_of(stop: KeyboardInterrupt) -> signal.Signals:
    """Return which signal it was."""
    return signal.Signals(stop.signum if isinstance(stop, Stopped) else signal.SIGINT)
