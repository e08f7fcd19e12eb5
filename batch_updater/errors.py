"""
What stops a run, each with its exit code and a hint.

A failed row is data (a Result); only these are exceptions:

    BatchUpdaterError
    ├── UsageError            2   settings, flags, mapping
    ├── InputError            2   a file that cannot be read as said
    ├── RunDirectoryError     2   a run directory that cannot be used
    ├── StateError            2   the state (what was last applied) cannot be used
    └── RunStopped                a run that began and did not end by itself
        ├── RunRefused        3   the service refuses every row
        ├── TooManyErrors     4   --max-errors
        ├── SameFailures      4   --same-failures
        ├── CircuitOpen       4   --max-outage
        ├── JournalFailed     4   an outcome could not be written down
        ├── QuotaFailed       4   the file of a shared quota could not be kept
        ├── StateFailed       4   what is about to be sent could not be noted in the state
        ├── ViewsFailed       4   all is recorded, but results could not be written
        ├── TimeWindowOver    5   --max-duration, --stop-at
        └── Interrupted 129/130/143   SIGHUP, SIGINT, SIGTERM
"""

import signal
from typing import ClassVar


class BatchUpdaterError(Exception):
    """
    The root of all that this package raises on purpose.

    Args:
        message: what is wrong, and where.
        hint: the flag or command that helps, a sentence of its own.
    """

    exit_code: ClassVar[int] = 7

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BatchUpdaterError):
    """A setting, flag or mapping that cannot be meant; nothing was sent."""

    exit_code = 2


class InputError(BatchUpdaterError):
    """An input that cannot be read as it was described; nothing was sent."""

    exit_code = 2


class RunDirectoryError(BatchUpdaterError):
    """A run directory that is missing, in use, or not one; nothing was sent."""

    exit_code = 2


class StateError(BatchUpdaterError):
    """What was last applied cannot be read or kept; nothing was sent."""

    exit_code = 2


class StateDamaged(StateError):
    """The file of a state is no database any more; it can only be forgotten."""


class RunStopped(BatchUpdaterError):
    """A run that began and was ended early; its run directory can be resumed."""

    exit_code = 4
    name: ClassVar[str] = "stopped"

    def __init__(
        self, message: str, *, hint: str = "", summary: object | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.summary = summary

    @property
    def code(self) -> int:
        """The exit code; a property because a signal brings its own."""
        return self.exit_code


class RunRefused(RunStopped):
    """The service refuses the run as a whole: every further row would fail."""

    exit_code = 3
    name = "refused"


class TooManyErrors(RunStopped):
    """More rows failed than --max-errors allows."""

    exit_code = 4
    name = "too_many_errors"


class SameFailures(RunStopped):
    """The first rows all failed the same way, as --same-failures watches for."""

    exit_code = 4
    name = "same_failures"


class CircuitOpen(RunStopped):
    """The service has failed for longer than --max-outage."""

    exit_code = 4
    name = "circuit_open"


class JournalFailed(RunStopped):
    """An outcome could not be written down, so nothing more may be sent."""

    exit_code = 4
    name = "journal_failed"


class QuotaFailed(RunStopped):
    """The file of a shared quota could not be kept, so nothing more may be sent."""

    exit_code = 4
    name = "quota_failed"


class StateFailed(RunStopped):
    """The state could not be told of what is about to be sent, so nothing was."""

    exit_code = 4
    name = "state_failed"


class ViewsFailed(RunStopped):
    """Every outcome is in the journal, but the views of it could not be written."""

    exit_code = 4
    name = "views_failed"


class TimeWindowOver(RunStopped):
    """The time given by --max-duration is used up, or the moment of --stop-at is here."""

    exit_code = 5
    name = "time_window_over"


class Interrupted(RunStopped):
    """SIGHUP, SIGINT or SIGTERM, after a clean drain."""

    name = "interrupted"

    def __init__(self, signum: int, *, hint: str = "") -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}", hint=hint)
        self.signum = signum

    @property
    def code(self) -> int:
        """129 for SIGHUP, 130 for SIGINT and 143 for SIGTERM, as shells count."""
        return 128 + self.signum
