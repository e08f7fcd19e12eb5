"""`make demo`: the main job on the sample data, against an emulator that misbehaves."""

import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import FrameType

from emulator_child import COMMAND, DemoFailed, Doors, running_emulator, started
from face_set import EXAMPLE, FACE_SET
from verdict import Expected, Verdict, expect, judge

ROOT = Path(__file__).resolve().parent.parent
DATA = Path("sample_data")
RUNS = Path("demo-run")
FIRST, SECOND = RUNS / "run", RUNS / "retry"
RATE = 100  # requests a second, and the emulator's quota
ATTEMPTS = 4  # what faults.toml counts on
TOKEN = "emulator-token"  # noqa: S105  (the emulator's published one)
PROJECT = "0123456789abcdef0123456789abcdef"


def main() -> int:
    """Run the demo from the project's folder; 0 when all was as it should be."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _leave)
    try:
        verdict = demonstrate()
    except DemoFailed as problem:
        print(f"\ndemo: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped; what it had started has ended", file=sys.stderr)
        return 130
    for line in verdict.lines:
        print(line)
    good = "all is as it should be" if verdict.good else "SOMETHING IS WRONG"
    print(f"\ndemo: {good}; {time.monotonic() - began:.0f} s")
    return 0 if verdict.good else 1


def demonstrate() -> Verdict:
    """Tell the whole story, and return what the emulator saw of it."""
    for folder in (FIRST, SECOND):
        shutil.rmtree(folder, ignore_errors=True)
    expected = expect(DATA / "faults.toml", ATTEMPTS)
    flags = f"--qps {RATE} --latency 30ms --script {DATA / 'faults.toml'}"
    tell(f"An emulator of FRS, with a quota of {RATE} requests a second and faults.")
    show(f"batch-updater emulator --port 0 {flags} &")
    with running_emulator(*shlex.split(flags)) as doors:
        load(doors)
        Shell(doors).tell_story(expected)
        return judge(doors, FIRST, SECOND, RATE, expected)


def load(doors: Doors) -> None:
    """Put the faces into the emulator, as they are before the update."""
    url = f"{doors.url}/_emulator/seed"
    show(f"curl --data-binary @{DATA / 'emulator.json'} {url}")
    seeded = doors.act("seed", (DATA / "emulator.json").read_bytes())
    print(f"{seeded['seeded']:,} faces in {FACE_SET}")


class Shell:
    """Types commands as a newcomer would, and minds their exit codes."""

    def __init__(self, doors: Doors) -> None:
        self._environment = {
            "BATCH_UPDATER_ENDPOINT": doors.url,
            "BATCH_UPDATER_PROJECT_ID": PROJECT,
            "BATCH_UPDATER_TOKEN": TOKEN,
        }

    def tell_story(self, expected: Expected) -> None:
        """Check, run, retry, and look at what is recorded."""
        tell("Settings may stand in the environment; the token always does.")
        for name, value in self._environment.items():
            show(f"export {name}={value}")
        tell("Rows that break a rule: found before anything is sent.")
        target = f"--face-set {FACE_SET}"
        self.type(f"check {DATA / 'dirty.csv'} {target} --against-face-set", 1)
        tell(f"{expected.rows:,} rows, sent at {RATE} a second.")
        pace = f"--rate {RATE} --max-attempts {ATTEMPTS} --timeout 3s"
        self.type(f"run {DATA / 'faces.csv'} {target} {pace} --run-dir {FIRST}", 1)
        tell("Send the failed rows again; only those of people who left stay failed.")
        self.type(f"retry {FIRST} --run-dir {SECOND}", 1)
        tell("What happened to one face, and to all of them.")
        self.type(f"results {FIRST} --face {EXAMPLE.face_id}", 0)
        head(3, FIRST / "results.csv")
        head(4, SECOND / "failed.csv")

    def type(self, command: str, code: int) -> None:
        """Run one command of batch-updater; it must end with this exit code."""
        show(f"batch-updater {command}")
        argv = [str(COMMAND), *shlex.split(command)]
        with started(argv, self._environment) as child:
            got = child.wait()
        if got != code:
            raise DemoFailed(f"exit code {got}, and {code} was expected")


def head(lines: int, path: Path) -> None:
    """Show the first lines of a file."""
    show(f"head -n {lines} {path}")
    with path.open(encoding="utf-8") as file:
        for line in _lines(file, lines):
            print(line)


def _lines(file: Iterator[str], count: int) -> Iterator[str]:
    return (line.rstrip("\r\n") for line in islice(file, count))


def tell(text: str) -> None:
    """Say what comes next."""
    print(f"\n# {text}", flush=True)


def show(command: str) -> None:
    """Print a command line."""
    print(f"$ {command}", flush=True)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
