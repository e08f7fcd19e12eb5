"""The real command in processes of its own, each ended by its own id."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import PATIENCE, Bench, Ended, wait_for

COMMAND = str(Path(sys.executable).with_name("batch-updater"))


def environment(bench: Bench, **more: str) -> dict[str, str]:
    """Return this environment with the token, and nothing else of ours."""
    ours = ("BATCH_UPDATER_", "HUAWEICLOUD_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    scratch = bench.folder / ".tmp"
    scratch.mkdir(exist_ok=True)
    token = bench.emulator.token
    return {**kept, "TMPDIR": str(scratch), "BATCH_UPDATER_TOKEN": token, **more}


class Started:
    """A command that is running, with its output in files."""

    def __init__(
        self,
        bench: Bench,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        stdin: str = os.devnull,
    ) -> None:
        self._bench = bench
        self._out, self._err = bench.folder / ".out", bench.folder / ".err"
        # For reading and writing, so that a named pipe does not wait for a writer.
        source = os.open(stdin, os.O_RDWR)
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [COMMAND, *arguments],
                cwd=bench.folder,
                env=dict(environ),
                stdin=source,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        os.close(source)

    def send(self, signum: int) -> None:
        """Send a signal to this process alone."""
        self.process.send_signal(signum)

    def gone_after(self, signum: int) -> bool:
        """
        Send a signal unless the process has ended; return whether it has.

        Not to one that stops at once already: one more would leave its views unmade.
        """
        if self.gone_within(0.05):
            return True
        if not self.has_said("stopping at once"):
            self.process.send_signal(signum)
        return False

    def gone_within(self, seconds: float) -> bool:
        """Wait for so long at the most; return whether the process has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def has_said(self, words: str) -> bool:
        """Return whether these words are in its stderr."""
        return words in self._err.read_text("utf-8")

    def has_open(self, name: str) -> bool:
        """Return whether the process has opened a file of this name."""
        links = []
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                links.append(entry.readlink().name)
            except OSError:
                continue  # closed in between
        return name in links

    def wait(self) -> Ended:
        """Wait for the end and return it."""
        code = self.process.wait(PATIENCE)
        return Ended(code, self._out.read_text("utf-8"), self._err.read_text("utf-8"))

    def wait_for_results(self, count: int, name: str = "job") -> None:
        """Wait until the journal holds so many results."""
        journal = self._bench.folder / name / "journal.jsonl"

        def enough() -> bool:
            assert self.process.poll() is None, self.wait()
            if not journal.exists():
                return False
            return journal.read_bytes().count(b'"kind":"result"') >= count

        wait_for(enough, f"{journal} never held {count} results")

    def end(self) -> None:
        """Kill the process if it is still there."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(PATIENCE)


@contextmanager
def started(
    bench: Bench, *arguments: str, stdin: str = os.devnull, **more: str
) -> Iterator[Started]:
    """Start a command; it does not outlive the block."""
    command = Started(bench, arguments, environment(bench, **more), stdin)
    try:
        yield command
    finally:
        command.end()


def call(
    bench: Bench, *arguments: str, stdin: bytes | None = None, **more: str
) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=bench.folder,
        env=environment(bench, **more),
        input=b"" if stdin is None else stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def run(
    bench: Bench, *arguments: str, stdin: bytes | None = None, **more: str
) -> Ended:
    """Run the main job into `job`, fast unless the arguments differ."""
    return call(bench, "run", *usual(bench), *arguments, stdin=stdin, **more)


def usual(bench: Bench) -> tuple[str, ...]:
    """Return the flags of a fast run into `job`."""
    return ("--rate", "1000", "--run-dir", "job", *bench.target)
