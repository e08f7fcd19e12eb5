"""Whether the emulator's own account agrees with what the runs have recorded."""

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from emulator_child import Doors
from face_set import FACE_SET, FIELDS, make_faces, seed

FACES = Path(__file__).with_name("faces.parquet")
TWICE = ("reset-after-commit", "timeout-after-commit")
ID = "external_image_id"

State = dict[str, dict[str, object]]
"""A face's external_image_id and custom fields, by face id."""


@dataclass(frozen=True, slots=True)
class Expected:
    """
    What the data and the script lead to.

    Args:
        missing: faces that are not in the face set: they fail each time.
        stubborn: faces that fail in the first run and not in the retry.
        lost: updates that are applied though their answer gets lost.
    """

    rows: int
    missing: frozenset[str]
    stubborn: frozenset[str]
    lost: int

    @property
    def first(self) -> dict[str, int]:
        """The outcomes of the first run."""
        failed = len(self.missing) + len(self.stubborn)
        return {"updated": self.rows - failed, "failed": failed}

    @property
    def second(self) -> dict[str, int]:
        """The outcomes of the retry."""
        return {"updated": len(self.stubborn), "failed": len(self.missing)}


@dataclass(slots=True)
class Verdict:
    """Lines to print, and whether all of them are good."""

    lines: list[str] = field(default_factory=list)
    good: bool = True

    def say(self, text: str, *, good: bool) -> None:
        """Add a finding."""
        self.lines.append(f"{'ok   ' if good else 'WRONG'} {text}")
        self.good &= good


def expect(script: Path, attempts: int) -> Expected:
    """Read from the script of faults what should happen."""
    faults = tomllib.loads(script.read_text("utf-8"))["fault"]
    faces = make_faces()
    return Expected(
        rows=len(faces),
        missing=frozenset(face.face_id for face in faces if not face.known),
        stubborn=frozenset(
            fault["face_id"]
            for fault in faults
            if fault["action"] == "face-number-0" or fault.get("times", 1) >= attempts
            if "face_id" in fault
        ),
        lost=sum(fault["action"] in TWICE for fault in faults),
    )


def judge(
    doors: Doors, first: Path, second: Path, quota: int, expected: Expected
) -> Verdict:
    """Compare the witness, the face set and both journals."""
    verdict = Verdict(["", "# What the emulator witnessed"])
    witness = doors.look("witness")
    outcomes = [read_outcomes(first), read_outcomes(second)]
    _judge_outcomes(verdict, outcomes, expected)
    _judge_witness(verdict, witness, quota)
    updated = {
        face_id
        for fates in outcomes
        for face_id, outcome in fates.items()
        if outcome == "updated"
    }
    _judge_applied(verdict, witness["applied"], len(updated), expected.lost)
    _judge_state(verdict, read_state(doors), expected_state(updated))
    return verdict


def _judge_outcomes(
    verdict: Verdict, outcomes: list[dict[str, str]], expected: Expected
) -> None:
    wanted = (expected.first, expected.second)
    for name, fates, counts in zip(("run", "retry"), outcomes, wanted, strict=True):
        found = Counter(fates.values())
        said = ", ".join(f"{count:,} {outcome}" for outcome, count in found.items())
        verdict.say(f"{name}: {said}", good=found == Counter(counts))


def _judge_witness(verdict: Verdict, witness: Mapping[str, Any], quota: int) -> None:
    worst, requests = witness["worst_second"], witness["requests"]
    said = f"{requests:,} requests, {worst} in the worst second of {quota} allowed"
    verdict.say(said, good=worst <= quota)
    faults = witness["faults"]
    fired = sum(fault["fired"] for fault in faults)
    idle = [fault["name"] for fault in faults if fault["fired"] != fault["times"]]
    said = f"{fired} faults fired, of {len(faults)} kinds"
    verdict.say(f"{said}; not as planned: {idle}" if idle else said, good=not idle)


def _judge_applied(verdict: Verdict, applied: int, faces: int, lost: int) -> None:
    said = f"{applied:,} updates applied to {faces:,} faces"
    more = f", {lost} of them twice: the first answer was lost"
    verdict.say(said + more, good=applied == faces + lost)


def _judge_state(verdict: Verdict, found: State, wanted: State) -> None:
    wrong = [face for face in found | wanted if found.get(face) != wanted.get(face)]
    values = sum(map(len, found.values()))
    said = f"{len(found):,} faces, {values:,} values: all as the journals say"
    if wrong:
        said = f"{len(wrong):,} faces are not as the journals say, such as {wrong[:3]}"
    verdict.say(said, good=not wrong)


def read_outcomes(run: Path) -> dict[str, str]:
    """Return the last outcome of each face in a run's journal."""
    with (run / "journal.jsonl").open(encoding="utf-8") as journal:
        records = [json.loads(line) for line in journal]
    results = [record for record in records if record["kind"] == "result"]
    return {result["face_id"]: result["outcome"] for result in results}


def read_state(doors: Doors) -> State:
    """Return the faces that the emulator holds now."""
    faces = doors.look(f"faces/{FACE_SET}")["faces"]
    return {face["face_id"]: _values(face) for face in faces}


def _values(face: Mapping[str, Any]) -> dict[str, object]:
    return {ID: face[ID], **face["external_fields"]}


def expected_state(updated: set[str]) -> State:
    """
    Return the seed with the rows of these faces written over it.

    The rows are those of faces.parquet, whose values have types of their own,
    so that a mistake in reading CSV cannot hide.
    """
    before = seed()["faces"]
    assert isinstance(before, list)  # noqa: S101  (for the type checker)
    state = {face["face_id"]: _values(face) for face in before}
    for face_id, values in _new_values():
        if face_id in updated:
            state[face_id] = state.get(face_id, {}) | values
    return state


def _new_values() -> Iterator[tuple[str, dict[str, object]]]:
    columns = {ID: ID} | {f"external_fields.{name}": name for name in FIELDS}
    for row in pq.read_table(FACES).to_pylist():
        given = {name: row[column] for column, name in columns.items()}
        kept = {name: value for name, value in given.items() if value is not None}
        yield row["face_id"], kept
