"""The log of a command: one handler on stderr, and the one place that writes there."""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress

from batch_updater.config.modes import LogFormat
from batch_updater.config.options import BY_NAME
from batch_updater.config.secrets import VARIABLES
from batch_updater.frs.redaction import Redaction
from batch_updater.report.log_lines import JsonLines, TextLines, is_ours

_SECRETS = ("token", "secret_key", "security_token", "iam_password", "proxy_password")
_LEVELS = {0: logging.WARNING, 1: logging.INFO}
_command = logging.getLogger("batch_updater.command")


def write_line(line: str) -> None:
    """
    Write a line to stderr; a bar that is drawn there is drawn again below.

    A log that nobody reads any more stops nothing: this is called from workers.
    """
    bar = sys.modules.get("tqdm")  # without its module there is none
    beside = bar.tqdm.external_write_mode(file=sys.stderr) if bar else nullcontext()
    with suppress(OSError, ValueError), beside:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class _Handler(logging.Handler):
    """
    Takes all records of ours, and what other packages warn of.

    Other packages' debug records quote headers and URLs: they are never taken.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; one that cannot be written must not lose a row."""
        try:
            if is_ours(record) or record.levelno >= self._least():
                write_line(self.format(record))
        except Exception as error:
            write_line(
                f"batch-updater: a line of the log is lost: {type(error).__name__}"
            )

    def _least(self) -> int:
        return max(logging.WARNING, logging.getLogger("batch_updater").level)

    def choose(self, form: str, environ: Mapping[str, str]) -> None:
        """Write lines of this form from now on, without what is secret there."""
        clean = _secrets_of(environ).clean_text
        self.setFormatter((JsonLines if form == LogFormat.JSON else TextLines)(clean))


_HANDLER = _Handler()


def _secrets_of(environ: Mapping[str, str]) -> Redaction:
    """Return what hides the environment's secrets; answers are clean without it."""
    redaction = Redaction()
    for name in _SECRETS:
        secret = environ.get(VARIABLES[name], "")
        if secret.isascii() or not _is_half(secret):
            redaction.hide(secret)
    return redaction


def _is_half(text: str) -> bool:
    """Return whether text is bytes that are no UTF-8; no command takes such a secret."""
    return any("\ud800" <= c <= "\udfff" for c in text)


@contextmanager
def logging_to_stderr(arguments: argparse.Namespace) -> Iterator[None]:
    """Log to stderr while the block runs, as far as flags and environment say how."""
    option = BY_NAME["log-format"]
    said = getattr(arguments, option.attribute, None) or os.environ.get(option.variable)
    _HANDLER.choose(said or LogFormat.TEXT, os.environ)
    quiet = getattr(arguments, "quiet", False)
    least = _LEVELS.get(getattr(arguments, "verbose", 0), logging.DEBUG)
    levels = {
        "batch_updater": logging.ERROR if quiet else least,
        "batch_updater.progress": logging.ERROR if quiet else logging.INFO,
    }
    before = {name: logging.getLogger(name).level for name in levels}
    logging.getLogger().addHandler(_HANDLER)
    try:
        _set_levels(levels)
        yield
    finally:
        logging.getLogger().removeHandler(_HANDLER)
        _set_levels(before)


def _set_levels(levels: Mapping[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def set_log_format(form: LogFormat) -> None:
    """Log in the form that the settings say, now that they are known."""
    _HANDLER.choose(form, os.environ)


def log_error(message: str, hint: str = "") -> None:
    """Say why a command ends."""
    _command.error("%s", message, extra={"hint": hint} if hint else {})


def log_bug() -> None:
    """Say that the exception being handled should not have come this far."""
    _command.exception(
        "this is a bug in batch-updater; the run directory, if there is one, holds "
        "every outcome known so far"
    )
