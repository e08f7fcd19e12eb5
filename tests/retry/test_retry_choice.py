"""Which failed rows a retry takes, and which others have to go along."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import Bench, face, fault, make_rows
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.models import ErrorClass, Outcome, Result
from batch_updater.retries.choice import Asked, Wanted, is_code, read_runs, write_runs

MIXED = {2: "FRS.0303", 4: "FRS.0018", 5: "FRS.0018", 7: "FRS.0402"}


def run_with(
    bench: Bench, codes: dict[int, str], rows: Sequence[dict[str, str]] = (), *more: str
) -> None:
    """Leave a run in `job` whose rows of these faces failed with these codes."""
    rows = rows or make_rows(10)
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    bench.emulator.script(
        [
            fault("respond", name=f"{n}", code=code, face_id=face(n), times=0)
            for n, code in codes.items()
        ]
    )
    assert bench.run(source, "--max-attempts", "1", *more).code == 1
    bench.emulator.script([])


def sent(bench: Bench, name: str) -> list[int]:
    """Return the row numbers that a run was about."""
    return [int(row["row_number"]) for row in bench.record(name).results]


@pytest.mark.parametrize(
    ("flags", "rows"),
    [
        ((), [2, 4, 5, 7]),
        (("--class", "all"), [2, 4, 5, 7]),
        (("--class", "transient"), [4, 5]),
        (("--class", "permanent"), [2, 7]),
        (("--code", "FRS.0402"), [7]),
        (("--code", "frs.0402", "--code", "FRS.0018"), [4, 5, 7]),
        (("--class", "permanent", "--code", "FRS.0303"), [2]),
    ],
)
def test_class_and_code_choose(
    bench: Bench, flags: tuple[str, ...], rows: list[int]
) -> None:
    """Class and code choose among the failed rows; without them all are sent."""
    run_with(bench, MIXED)
    assert bench.command("retry", "job", "--run-dir", "second", *flags).code == 0
    assert sent(bench, "second") == rows
    noted = [line for line in bench.record("second").journal if line["kind"] == "retry"]
    assert [line["class"] for line in noted] == [
        flags[1] if "--class" in flags else "all"
    ]
    manifest, parent = bench.record("second").manifest, bench.record().manifest
    key = {"run_id": parent["run_id"], "created_at": parent["created_at"]}
    assert manifest["parent_run"] == manifest["root_run"] == key


def test_a_code_that_no_row_has(bench: Bench) -> None:
    """A code that no failed row has is a slip of the pen: 2, and the codes there are."""
    run_with(bench, MIXED)
    seen = bench.emulator.witness.requests
    ended = bench.command("retry", "job", "--code", "FRS.0403", "--run-dir", "second")
    assert ended.code == 2
    assert "FRS.0018 (2)" in ended.err
    assert bench.emulator.witness.requests == seen
    assert not bench.record("second").path.exists()


def test_a_class_that_no_row_has(bench: Bench) -> None:
    """A class that no failed row has leaves nothing to do, which is no error."""
    run_with(bench, {2: "FRS.0402"})
    ended = bench.command("retry", "job", "--class", "transient", "--output", "json")
    assert (ended.code, ended.json["read"]) == (0, 0)
    assert "no transient row of job is left that has failed" in ended.err


def test_our_own_codes_choose_too(bench: Bench) -> None:
    """Rows that failed without an answer are chosen by this tool's own codes."""
    bench.prepare(3)
    bench.emulator.script([fault("reset", face_id=face(2), times=0)])
    assert bench.run("faces.csv", "--max-attempts", "1").code == 1
    bench.emulator.script([])
    ended = bench.command(
        "retry", "job", "--code", "TRANSPORT.RESET", "--run-dir", "second"
    )
    assert ended.code == 0
    assert sent(bench, "second") == [2]


@pytest.mark.parametrize(
    ("code", "written", "same"),
    [
        ("FRS.0403", "frs.0403", True),
        ("APIG.0308", "APIGW.0308", True),
        ("HTTP.503", "HTTP.503", True),
        ("HTTP.503", "HTTP.500", False),
        ("FRS.0403", "0403", False),
        ("", "FRS.0403", False),
    ],
)
def test_codes_as_written(code: str, written: str, same: bool) -> None:
    """Case and the gateway's two prefixes do not matter; nothing else is forgiven."""
    assert is_code(code, written) == same


def test_a_failed_row_without_a_class_is_permanent() -> None:
    """What nobody called transient is not retried as such."""
    result = Result(
        source="a",
        row_number=1,
        face_set_name="s",
        face_id="f",
        outcome=Outcome.FAILED,
    )
    assert Asked(Wanted.PERMANENT).takes(result)
    assert not Asked(Wanted.TRANSIENT).takes(result)
    assert ErrorClass.TRANSIENT  # the only class that passes by itself


def test_later_rows_of_a_face_go_along(bench: Bench) -> None:
    """In order, a retry of an older row is followed by the newer ones of its face."""
    rows = make_rows(9)
    for n in (5, 9):
        rows[n - 1]["face_id"] = face(2)  # rows 2, 5 and 9 are one face
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    bench.emulator.script([fault("respond", code="FRS.0018", face_id=face(2))])
    flags = ("--on-duplicate", "in-order", "--max-attempts", "1")
    assert bench.run(source, *flags).code == 1
    assert bench.stored(face(2))["age"] == 9
    ended = bench.command("retry", "job", "--run-dir", "second")
    assert ended.code == 0
    assert "2 rows that did not fail will go along" in ended.err
    assert sent(bench, "second") == [2, 5, 9]
    assert bench.stored(face(2))["age"] == 9
    [noted] = [
        line for line in bench.record("second").journal if line["kind"] == "retry"
    ]
    assert noted["later"] == [[4, 4], [8, 8]]


@pytest.mark.parametrize("policy", ["first", "last"])
def test_nothing_goes_along_where_one_row_was_sent(bench: Bench, policy: str) -> None:
    """With first or last one row of a face is sent, in a retry too, so none is older."""
    rows = make_rows(4)
    rows[3]["face_id"] = face(2)
    run_with(bench, {2: "FRS.0018"}, rows, "--on-duplicate", policy)
    assert bench.command("retry", "job", "--run-dir", "second").code == 0
    assert sent(bench, "second") == [2 if policy == "first" else 4]
    assert bench.stored(face(2))["age"] == (2 if policy == "first" else 4)


def test_refused_rows_do_not_go_along(bench: Bench) -> None:
    """A later row that breaks a rule was never sent, and is not sent for order either."""
    rows = make_rows(4)
    for n in (3, 4):
        rows[n - 1]["face_id"] = face(2)
    rows[2]["external_fields.age"] = "x"
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    bench.emulator.script([fault("respond", code="FRS.0018", face_id=face(2))])
    flags = ("--on-duplicate", "in-order", "--max-attempts", "1")
    assert bench.run(source, *flags).code == 1
    assert bench.command("retry", "job", "--run-dir", "second").code == 0
    assert sent(bench, "second") == [2, 4]


@given(st.permutations(range(12)).map(lambda order: order[:8]))
def test_positions_read_back_equal(order: list[int]) -> None:
    """Positions are written as runs and read back as they were, in any order."""
    ordinals = np.array(order, dtype=np.int64)
    runs = json.loads(json.dumps(write_runs(ordinals)))
    assert read_runs(runs, len(order)).tolist() == order
    assert read_runs(write_runs(np.arange(1000)), 1000).tolist() == list(range(1000))


@pytest.mark.parametrize(
    "runs",
    [
        [[0, 1]],
        [[0, 3]],
        [[0, 1], [1, 1]],
        [[-1, 1]],
        [[2, 0]],
        [[0, 2, 3]],
        ["ab"],
        [0, 2],
        "abc",
        [[0, 2.5]],
        [[0, 10**30]],
        {"a": 1},
    ],
)
def test_positions_that_are_not_ours(runs: Any) -> None:
    """Whatever else stands there is told apart, also what is not made of numbers."""
    with pytest.raises((TypeError, ValueError, OverflowError)):
        read_runs(runs, 3)


def test_a_damaged_note(bench: Bench) -> None:
    """A note of whose rows they are that is none of ours is refused, by its line."""
    run_with(bench, dict.fromkeys(range(1, 4), "FRS.0402"), make_rows(5))
    flags = ("--from", "job/failed.csv", "--run-dir", "b")
    assert bench.command("retry", "job", *flags).code == 0
    journal = Path("b/journal.jsonl")
    content = journal.read_text("utf-8")
    assert '"origin":[[0,2]]' in content
    for origin in ("[[0,1]]", "[[3,5]]", '"x"', "null"):
        damaged = content.replace('"origin":[[0,2]]', f'"origin":{origin}')
        journal.write_text(damaged, "utf-8")
        ended = bench.command("results", "job", "--family")
        assert ended.code == 2
        assert "journal.jsonl" in ended.err
