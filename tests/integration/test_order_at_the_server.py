"""Order per face as the server sees it: duplicates, faults, retries and resumes together."""

import itertools
from collections import defaultdict
from random import Random

import pytest
from bench import Bench, face, fault

FACES = 20
ROWS = 240

FAULTS = [
    fault("respond", name="inner", code="FRS.0018", every=9, times=12),
    fault("respond", name="quota", code="APIG.0308", status=429, after=60, times=1),
    fault("respond", name="for good", code="FRS.0402", every=13, times=9),
    fault("reset", every=17, times=6),
    fault("reset-after-commit", every=19, times=6),
    fault("timeout-after-commit", after=40, every=60, times=2),
    fault("stall", after=50, every=70, times=2),
    fault("partial", every=41, times=2),
]
FLAGS = ("--on-duplicate", "in-order", "--concurrency", "64", "--max-attempts", "2")


def make_rows(seed: int, count: int = ROWS, faces: int = FACES) -> list[dict[str, str]]:
    """Return rows for few faces, some of which follow one another directly."""
    chance = Random(seed)
    numbers = [chance.randrange(faces) for _ in range(count)]
    numbers[10:30] = [3] * 20
    return [
        {"face_id": face(n), "external_fields.age": str(row)}
        for row, n in enumerate(numbers, 1)
    ]


def last_updated(bench: Bench, name: str) -> dict[str, int]:
    """Return for each face the last row that a run or family calls updated."""
    return {
        row["face_id"]: int(row["row_number"])
        for row in bench.record(name).results
        if row["outcome"] == "updated"
    }


def assert_order(bench: Bench, name: str = "job") -> None:
    """Assert that no two rows of a face were in flight together, and went in order."""
    answered = {row["request_id"]: row for row in bench.record(name).results}
    rows: dict[str, list[int]] = defaultdict(list)
    for applied in bench.emulator.witness.updates():
        if applied.status == 200 and applied.request_id in answered:
            number = int(answered[applied.request_id]["row_number"])
            rows[applied.face_id].append(number)
    assert {face_id: numbers[-1] for face_id, numbers in rows.items()} == last_updated(
        bench, name
    )
    for numbers in rows.values():
        assert numbers == sorted(set(numbers))
    ended: dict[str, str] = {}
    for row in bench.record(name).results:
        assert ended.get(row["face_id"], "") <= row["started_at"]
        ended[row["face_id"]] = row["finished_at"]


@pytest.mark.parametrize("seed", [1, 2])
def test_any_fault_keeps_the_order(bench: Bench, seed: int) -> None:
    """64 workers, resets, timeouts, throttling and refusals: the last row of a face wins."""
    rows = make_rows(seed)
    bench.seed([face(n) for n in range(FACES)])
    source = bench.write("faces.csv", rows)
    bench.emulator.script(FAULTS)
    assert bench.run(source, *FLAGS, "--timeout", "0.3s").code == 1
    bench.all_fired()
    assert_order(bench)
    last = last_updated(bench, "job")
    assert {face_id: bench.stored(face_id)["age"] for face_id in last} == last
    bench.emulator.script([])
    assert bench.command("retry", "job", "--run-dir", "second").code == 0
    ages = {row["face_id"]: int(row["external_fields.age"]) for row in rows}
    assert {face_id: bench.stored(face_id)["age"] for face_id in ages} == ages
    told = bench.command("results", "job", "--family", "--output", "json").json
    assert told["outcomes"]["updated"] == told["read"] == ROWS


@pytest.mark.parametrize("seed", range(3))
def test_retries_and_resumes_end_with_the_last_row(bench: Bench, seed: int) -> None:
    """However often runs and retries are stopped and go on, the newest value stays."""
    chance = Random(seed)
    rows = make_rows(seed, 60, 6)
    bench.seed([face(n) for n in range(6)])
    source = bench.write("faces.csv", rows)

    def trouble() -> None:
        bench.emulator.script(
            [
                fault(
                    "respond", code="FRS.0018", every=chance.randrange(2, 6), times=0
                ),
                fault("respond", name="stop", code="FRS.0202", after=20, times=0),
            ]
        )

    trouble()
    code = bench.run(source, *FLAGS, "--max-attempts", "1").code
    names = itertools.chain(["job"], (f"r{n}" for n in itertools.count()))
    done: list[str] = []
    for name in itertools.islice(names, 5):
        if done:
            parent = chance.choice(done)
            flags = ("--run-dir", name, "--class", chance.choice(["all", "transient"]))
            code = bench.command("retry", parent, *flags).code
        if bench.record(name).path.exists():
            done.append(name)
        if code == 3:
            bench.emulator.script([])
            bench.command("resume", name)
        trouble()
    bench.emulator.script([])
    told = {}
    for n in range(50):
        told = bench.command("results", "job", "--family", "--output", "json").json
        words = told["next_command"].split()[1:]
        if not words:
            break
        more = ("--run-dir", f"z{n}") if words[0] == "retry" else ()
        bench.command(*words, *more)
    assert told["outcomes"]["updated"] == told["read"] == 60
    ages = {row["face_id"]: int(row["external_fields.age"]) for row in rows}
    assert {face_id: bench.stored(face_id)["age"] for face_id in ages} == ages
