"""The real command, run to its end or killed on the way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rehearsal.service import FACE_SET
from served import PROJECT, TOKEN

_PATIENCE = 1800.0
_LOOK = 0.01


@dataclass(frozen=True, slots=True)
class Commands:
    """
    Types commands in a folder, as a nightly job would.

    Args:
        concurrency: requests in flight at once.
    """

    folder: Path
    url: str
    concurrency: int = 32

    def run(self, *words: str) -> int:
        """Run a command to its end; return its exit code."""
        with self._started(*words) as process:
            return process.wait(_PATIENCE)

    def run_killed(self, *words: str, journal: Path, results: int) -> int:
        """Run a command and kill it once its journal holds so many results."""
        with self._started(*words) as process:
            while process.poll() is None and _results(journal) < results:
                time.sleep(_LOOK)
            process.send_signal(signal.SIGKILL)
            return process.wait(_PATIENCE)

    def _started(self, *words: str) -> subprocess.Popen[bytes]:
        ours = ("BATCH_UPDATER_", "HUAWEICLOUD_", "XDG_")
        environ = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        out, err = self.folder / "out", self.folder / "err"
        with out.open("ab") as stdout, err.open("ab") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "batch_updater", *words, "-q"],
                cwd=self.folder,
                env={**environ, **dict(self._settings())},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    def _settings(self) -> Iterator[tuple[str, str]]:
        yield "XDG_STATE_HOME", str(self.folder / "state")
        yield "BATCH_UPDATER_TOKEN", TOKEN
        yield "BATCH_UPDATER_PROJECT_ID", PROJECT
        yield "BATCH_UPDATER_ENDPOINT", self.url
        yield "BATCH_UPDATER_FACE_SET", FACE_SET
        yield "BATCH_UPDATER_RATE", "unlimited"
        yield "BATCH_UPDATER_SETTLE", "0s"  # this emulator shows at once what is new
        yield "BATCH_UPDATER_CONCURRENCY", str(self.concurrency)


def _results(journal: Path) -> int:
    if not journal.exists():
        return 0
    return journal.read_bytes().count(b'"kind":"result"')
