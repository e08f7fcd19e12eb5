"""The control file of a run: `echo 5 > RUN_DIR/rate` changes its rate."""

import os
import stat
from pathlib import Path

_LONGEST = 100  # bytes


class RateFile:
    """
    What somebody has written into the file since it was looked at last.

    Writing is not atomic: what does not end in a newline is taken once it has been
    the same for two looks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._taken: str | None = None
        self._unsure: str | None = None

    def look(self) -> str | None:
        """Return what the file says, without the newline, if that is new."""
        text = self._read()
        if text == self._taken or not text.strip():
            self._unsure = None
            return None
        if not text.endswith("\n") and text != self._unsure:
            self._unsure = text
            return None
        self._taken, self._unsure = text, None
        return text.strip()

    def _read(self) -> str:
        """Return the file's beginning; nothing when there is no such file."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return ""  # a pipe has no content that stays
            return os.read(fd, _LONGEST).decode("utf-8", "replace")
        except OSError:
            return ""
        finally:
            os.close(fd)
