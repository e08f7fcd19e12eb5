"""A hundred times kill -9 at full speed with 64 in flight: nothing recorded is lost."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from bench import Bench, face, make_rows, start_emulator, wait_for
from commands import Started, call, started

ROWS = 2000
KILLS = 25
IN_FLIGHT = 64
FULL_SPEED = ("--rate", "unlimited", "--concurrency", str(IN_FLIGHT))
# Long enough for 64 to be on their way, short enough for some hundred rows a session.
LATE = {"latency": 0.04, "jitter": 0.01}


@dataclass(slots=True)
class Known:
    """What the journal and the server knew at a kill."""

    journal: bytes = b""
    applied: Counter[str] = field(default_factory=Counter)
    """How often each face was applied whose `updated` line was in the journal."""


class Victim:
    """A run that is killed again and again, and what must never change about it."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name
        self.kills, self.excess, self.most, self.twice = 0, 0, 0, 0
        self._known = Known()
        self._sent_before = bench.updates
        self._applied_before = bench.applied

    @property
    def folder(self) -> Path:
        """The run directory."""
        return self.bench.folder / self.name

    @property
    def words(self) -> tuple[str, ...]:
        """What to type next: the run, or its resume once there is one."""
        if (self.folder / "run.json").exists():
            return ("resume", self.name)
        target = (*self.bench.target, "--run-dir", self.name)
        return ("run", "faces.csv", *FULL_SPEED, *target)

    def kill(self, chance: Random) -> None:
        """Start the command, kill it at some moment, and look at what is left."""
        with started(self.bench, *self.words, "--progress", "none") as command:
            _wait_for_some_moment(command, self, chance)
            command.send(signal.SIGKILL)
            command.process.wait(30)
        self.kills += 1
        wait_for(lambda: self.bench.emulator.witness.in_flight == 0)
        self.check()

    def check(self) -> None:
        """Assert that nothing that was known is lost or was done again."""
        journal, applied = self.whole_lines(), self.applied
        assert journal.startswith(self._known.journal)
        for face_id, times in self._known.applied.items():
            assert applied[face_id] == times, face_id
        results = _results(journal)
        assert all(each["outcome"] == "updated" for each in results)
        done = [each["face_id"] for each in results]
        assert len(done) == len(set(done))
        # What the server saw and no journal knows was on its way at a kill.
        excess = self.sent - sum(len(each["attempts"]) for each in results)
        assert 0 <= excess - self.excess <= IN_FLIGHT
        self.most = max(self.most, excess - self.excess)
        self.excess = excess
        self._known = Known(journal, Counter({f: applied[f] for f in done}))

    def whole_lines(self) -> bytes:
        """Return the journal up to its last whole line."""
        path = self.folder / "journal.jsonl"
        content = path.read_bytes() if path.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    @property
    def done(self) -> int:
        """How many rows have a result."""
        if not (path := self.folder / "journal.jsonl").exists():
            return 0
        known = self._known.journal
        with path.open("rb") as file:
            file.seek(len(known))
            return sum(part.count(b'"kind":"result"') for part in (known, file.read()))

    @property
    def sent(self) -> int:
        """How many updates the server saw of this run."""
        return self.bench.updates - self._sent_before

    @property
    def applied(self) -> Counter[str]:
        """How often this run changed each face."""
        return self.bench.applied - self._applied_before

    def end(self) -> None:
        """Resume to the end, and assert that journal, views and server agree."""
        assert call(self.bench, *self.words).code == 0
        self.check()
        record = self.bench.record(self.name)
        assert record.outcomes == {"updated": ROWS}
        assert [row["face_id"] for row in record.results] == [
            row["face_id"] for row in make_rows(ROWS)
        ]
        assert record.manifest["state"] == "finished"
        applied = self.applied
        assert set(applied) == {face(number) for number in range(1, ROWS + 1)}
        assert sum(applied.values()) <= ROWS + self.excess
        assert self.excess <= IN_FLIGHT * self.kills
        self.twice = sum(times > 1 for times in applied.values())
        for number in range(1, ROWS + 1):
            assert self.bench.stored(face(number))["age"] == number


def _results(journal: bytes) -> list[dict[str, Any]]:
    lines = [orjson.loads(line) for line in journal.splitlines()]
    return [line for line in lines if line["kind"] == "result"]


def _wait_for_some_moment(command: Started, victim: Victim, chance: Random) -> None:
    """Wait for a moment of any kind: rows, requests, time, or the views."""

    def gone() -> bool:
        return command.process.poll() is not None

    done, sent = victim.done, victim.sent
    match chance.choice(("rows", "rows", "rows", "requests", "requests", "time")):
        case "rows":
            more = chance.randint(1, 250)
            wait_for(lambda: gone() or victim.done >= min(done + more, ROWS))
        case "requests":
            more = chance.randint(1, 200)
            wait_for(lambda: gone() or victim.sent >= sent + more)
        case _:
            command.gone_within(chance.uniform(0.0, 1.2))
    if victim.done == ROWS:  # while the views are made
        command.gone_within(chance.uniform(0.0, 0.1))


def _tell(runs: Sequence[Victim]) -> None:
    """Print the figures; `pytest -rP` shows them."""
    figures = {
        "runs": len(runs),
        "kills": sum(each.kills for each in runs),
        "most in flight at a kill": max(each.most for each in runs),
        "sent without a record": sum(each.excess for each in runs),
        "rows applied twice": sum(each.twice for each in runs),
    }
    sys.stdout.write(f"{figures}\n")


def victims(bench: Bench) -> Iterator[Victim]:
    """Yield runs over the same rows, one after the other."""
    number = 0
    while True:
        number += 1
        yield Victim(bench, f"job{number}")


@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_kills(bench: Bench, seed: int) -> None:
    """
    A quarter of a hundred random kills, in start-up, check, sending, views and resume.

    After each, every whole line of the journal is still there, no row with an
    `updated` line was sent again, and what was sent without being recorded is at
    most what was in flight. At the end every row is updated, and the sums agree.
    """
    chance, kills = Random(seed), KILLS
    with start_emulator(**LATE) as emulator:
        here = Bench(bench.folder, emulator)
        here.prepare(ROWS)
        runs = []
        for victim in victims(here):
            runs.append(victim)
            while kills and victim.done < ROWS:
                victim.kill(chance)
                kills -= 1
            victim.end()
            if not kills:
                break
    _tell(runs)
    assert sum(each.kills for each in runs) == KILLS
    assert max(each.most for each in runs) > 0  # they did hit requests in flight
