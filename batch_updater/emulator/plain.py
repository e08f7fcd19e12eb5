"""What the emulator says to people, so that it cannot steer their terminal."""

import argparse
import logging
from typing import NoReturn


def printable(text: str) -> str:
    """Return text as one line; what is not shown is spelled out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class Parser(argparse.ArgumentParser):
    """Repeats what was typed so that it cannot steer the terminal."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with 2."""
        super().error(printable(message))


class Lines(logging.Formatter):
    """A log record as plain lines: what is said, and a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        said = [record.getMessage(), *trace.splitlines()]
        return "\n".join(map(printable, said))


def log_to_stderr() -> None:
    """Show warnings of a process that is an emulator and nothing else."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.getLogger().addHandler(handler)
