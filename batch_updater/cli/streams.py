"""
Streams that cannot fail: what is written to people must not disturb a run.

A terminal is closed, the reader of a pipe goes away, the disk of a log fills up, or
somebody starts the command without any stream at all. While a command runs, stdout
and stderr are guarded here, for print, the progress bar, tracebacks and all others.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

# Nobody will ever read again; all else, such as a full disk, may pass.
_GONE = frozenset({errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET})


class Unfailing:
    """
    A text stream whose writes and flushes do not raise what the system says.

    Args:
        stream: where text goes as long as somebody takes it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.trouble: OSError | None = None

    def write(self, text: str) -> int:
        """Write what can be written."""
        self._dare(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Pass on what can be passed on."""
        self._dare(self._stream.flush)

    def close_down(self) -> None:
        """Leave nothing behind at which Python could stumble when it ends."""
        self.flush()
        if self.trouble:
            _send_nowhere(self._stream)
            self.flush()

    def _dare(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.trouble = error
            if error.errno in _GONE:
                _send_nowhere(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _send_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextmanager
def unfailing_streams() -> Iterator[Unfailing]:
    """Guard stdout and stderr while the block, a whole command, runs; give stdout."""
    _open_closed()
    before = sys.stdout, sys.stderr
    out, err = Unfailing(sys.stdout), Unfailing(sys.stderr)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield out
    finally:
        out.close_down()
        err.close_down()
        sys.stdout, sys.stderr = before


def _open_closed() -> None:
    """
    Open what the shell has closed (`2>&-`), on /dev/null.

    Otherwise the journal would become the process's stderr, and print() would take
    stdout for a stderr that is not there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
