"""Commands as whole processes: how long, how much processor and memory they took."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TYPED = ("timestamp:long", "score:double")


@dataclass(frozen=True, slots=True)
class Cost:
    """
    What a process took.

    Args:
        wall, cpu: seconds; `cpu` of all its threads, in user and in system mode.
        peak: most memory that was resident at once, in MB.
    """

    wall: float
    cpu: float
    peak: float


class Child:
    """
    A command that runs, with its output thrown away.

    Forked from a small process: a child's peak counts what its parent had.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str] = os.environ
    ) -> None:
        quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
        self.command = command
        self.started = time.perf_counter()
        self.pid = os.posix_spawn(command[0], command, environ, file_actions=quiet)

    def end(self, expected: Sequence[int] = (0,)) -> Cost:
        """Wait for its end; SystemExit when its code is none of those."""
        _, status, usage = os.wait4(self.pid, 0)
        wall = time.perf_counter() - self.started
        code = os.waitstatus_to_exitcode(status)
        if code not in expected:
            raise SystemExit(f"{' '.join(self.command)} ended with {code}")
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def updater(*words: str) -> list[str]:
    """Return the command line of the real command."""
    return [sys.executable, "-m", "batch_updater", *words]


def typed() -> list[str]:
    """Return the flags that say the types of the fields in benchmarks.rows."""
    fields = [f"{f}=external_fields.{f.split(':', 1)[0]}" for f in TYPED]
    return [word for field in fields for word in ("--field", field)]
