"""One night after the other: plan, apply, retry, verify, and what is left to be said."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from rehearsal.commands import Commands
from rehearsal.service import Service
from rehearsal.story import Story, faults
from rehearsal.warehouse import Fields, Warehouse, open_warehouse, other


@dataclass(frozen=True)
class Night:
    """
    What one night came to.

    Args:
        codes: the exit code of each command.
        needed: faces that differed from the warehouse when the night began.
        statuses: the plan's rows by status, as pandas counts them.
        sent, read: requests that arrived to update and to read, all tries.
        planned: those of them that planning took.
        listed: faces that the files name as failed, drifted or not as they should be.
        differing: faces that differ when the night is over.
        before: what all faces held when the night began.
        foreign: faces that somebody else has written since.
        otherwise: of some faces that the SDK read back, those that it sees differ.
    """

    number: int
    codes: Mapping[str, int]
    needed: int
    statuses: Mapping[str, int]
    sent: int
    read: int
    planned: int
    listed: Mapping[str, frozenset[str]]
    differing: frozenset[str]
    before: Mapping[str, Fields]
    foreign: frozenset[str]
    otherwise: frozenset[str]


@dataclass(frozen=True)
class Rehearsal:
    """
    What a rehearsal left.

    Args:
        not_back: faces that do not hold what they held before the last night, after
            it was rolled back, but for those that somebody else has written.
    """

    story: Story
    nights: tuple[Night, ...]
    warehouse: Warehouse
    rollback_codes: tuple[int, ...]
    not_back: frozenset[str]


def rehearse(story: Story, folder: Path, service: Service) -> Rehearsal:
    """Live through all nights of a story, and take the last one back."""
    random = Random(story.seed)
    warehouse = open_warehouse(random, story.faces)
    service.seed(warehouse.faces)
    commands = Commands(folder, service.url)
    nights = []
    for number in range(1, story.nights + 1):
        live = _Night(story, number, commands, service, warehouse, random)
        nights.append(live.through())
    last = nights[-1]
    service.plan_faults([])
    codes = [
        commands.run("rollback", name, "--yes", "--run-dir", f"back-{name}")
        for name in (f"retry{last.number}", f"apply{last.number}")
    ]
    held = service.held()
    not_back = {face_id for face_id in held if held[face_id] != last.before[face_id]}
    return Rehearsal(
        story=story,
        nights=tuple(nights),
        warehouse=warehouse,
        rollback_codes=tuple(codes),
        not_back=frozenset(not_back - last.foreign),
    )


@dataclass(frozen=True)
class _Night:
    story: Story
    number: int
    commands: Commands
    service: Service
    warehouse: Warehouse
    random: Random

    def through(self) -> Night:
        """Live through the day before and the night; return what it came to."""
        self._spend_the_day()
        before, requests = self.service.held(), self.service.requests()
        needed = _differing(before, self.warehouse)
        codes = {"plan": self._plan()}
        planned = _reads(requests, self.service.requests())
        plan = pd.read_parquet(self._path(f"plan{self.number}.parquet"))
        changes = plan[plan["status"] == "change"]
        foreign = self._meddle(list(changes["face_id"]))
        codes |= self._apply(list(changes["face_id"]))
        self.service.plan_faults([])
        listed = self._list()
        held, after = self.service.held(), self.service.requests()
        names = self.random.sample(sorted(held), min(self.story.read_back, len(held)))
        return Night(
            number=self.number,
            codes=codes,
            needed=len(needed),
            statuses=Counter(plan["status"]),
            sent=_more(requests, after, "UpdateFace"),
            read=_reads(requests, after),
            planned=planned,
            listed=listed,
            differing=frozenset(_differing(held, self.warehouse)),
            before=before,
            foreign=frozenset(foreign),
            otherwise=frozenset(self._otherwise(names)),
        )

    def _path(self, name: str) -> Path:
        return self.commands.folder / name

    def _spend_the_day(self) -> None:
        """Let the warehouse change, and somebody else change some faces."""
        self.service.plan_faults([])
        self.warehouse.change(self.random, self.story.changed)
        self.warehouse.write(self._path(f"night{self.number}.parquet"))
        held = self.service.held()
        strayed = self.random.sample(sorted(held), self.story.drifting)
        self.service.write({each: other(held[each], self.random) for each in strayed})

    def _plan(self) -> int:
        """Plan; the first time it is killed on the way."""
        number, story = self.number, self.story
        self.service.plan_faults(faults((), story.every))
        words = ["plan", f"night{number}.parquet", "-o", f"plan{number}.parquet"]
        words += ["--run-dir", f"plan{number}"]
        if number > 1:
            return self.commands.run(*words)
        journal = self._path("plan1") / "journal.jsonl"
        self.commands.run_killed(*words, journal=journal, results=story.faces // 4)
        return self.commands.run("resume", "plan1")

    def _meddle(self, changing: list[str]) -> list[str]:
        """Let somebody else write some of the faces that are about to be changed."""
        self.service.plan_faults([])
        chosen = self.random.sample(changing, min(self.story.meddled, len(changing)))
        held = self.service.held()
        self.service.write({each: other(held[each], self.random) for each in chosen})
        return chosen

    def _apply(self, changing: list[str]) -> dict[str, int]:
        """Apply, killed on the way; go on, try again, and read everything back."""
        number, story, run = self.number, self.story, self.commands.run
        refused = self.random.sample(changing, min(story.refused, len(changing)))
        self.service.plan_faults(faults(refused, story.every))
        words = ["apply", f"plan{number}.parquet", "--yes"]
        words += ["--run-dir", f"apply{number}"]
        journal = self._path(f"apply{number}") / "journal.jsonl"
        middle = story.faces - len(changing) + len(changing) // 2
        return {
            "killed": self.commands.run_killed(
                *words, journal=journal, results=self.random.randint(1, middle)
            ),
            "resume": run("resume", f"apply{number}"),
            "retry": run("retry", f"apply{number}", "--run-dir", f"retry{number}"),
            "verify": run(
                "verify", f"night{number}.parquet", "--run-dir", f"verify{number}"
            ),
        }

    def _list(self) -> dict[str, frozenset[str]]:
        """Return the faces that the files of this night name, by why."""
        applied = self._results(f"apply{self.number}")
        again = self._results(f"retry{self.number}")
        mended = set(again[again["outcome"] == "updated"]["face_id"])
        failed = set(applied[applied["outcome"] == "failed"]["face_id"]) - mended
        drifted = set(applied[applied["outcome"] == "drifted"]["face_id"])
        drifted |= set(again[again["outcome"] == "drifted"]["face_id"])
        mismatches = self._path(f"verify{self.number}") / "mismatches.csv"
        wrong: set[Any] = set()
        if mismatches.exists():
            wrong = set(pd.read_csv(mismatches, dtype=str)["face_id"])
        return {
            "failed": frozenset(failed),
            "drifted": frozenset(drifted),
            "mismatch": frozenset(wrong),
        }

    def _otherwise(self, names: list[str]) -> set[str]:
        found = self.service.read(names)
        return {each for each in names if found[each] != self.warehouse.faces[each]}

    def _results(self, run: str) -> pd.DataFrame:
        return pd.read_csv(self._path(run) / "results.csv", dtype=str)


def _differing(held: Mapping[str, Fields], warehouse: Warehouse) -> set[str]:
    return {
        face_id
        for face_id, fields in warehouse.faces.items()
        if held[face_id] != fields
    }


def _reads(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    named = ("ShowFacesByFaceId", "ShowFacesByLimit")
    return sum(_more(before, after, operation) for operation in named)


def _more(before: Mapping[str, int], after: Mapping[str, int], operation: str) -> int:
    return after.get(operation, 0) - before.get(operation, 0)
