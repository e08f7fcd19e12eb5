"""A plan in one process: what it says is what the server holds, and nothing is sent."""

import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bench import FACE_SET, Bench, Ended, face, fault

ONE, LIST = "ShowFacesByFaceId", "ShowFacesByLimit"


def seed(bench: Bench, count: int, **fields: Any) -> None:
    """Put faces whose age is their number into the face set."""
    faces = [
        {"face_id": face(n), "external_fields": {"age": n, **fields}}
        for n in range(1, count + 1)
    ]
    bench.emulator.state.seed_faces(FACE_SET, faces)


def plan(bench: Bench, *arguments: str) -> Ended:
    """Plan into `plan.parquet` and `job`, fast unless the arguments differ."""
    usual = ("--rate", "1000", "--run-dir", "job", "-o", "plan.parquet", *bench.target)
    return bench.command("plan", *usual, *arguments)


def read(bench: Bench, name: str = "plan.parquet") -> list[dict[str, Any]]:
    """Return the rows of a plan."""
    rows: list[dict[str, Any]] = pq.read_table(bench.folder / name).to_pylist()
    return rows


def ages(bench: Bench, ages: Mapping[int, Any], name: str = "faces.csv") -> str:
    """Write rows that give faces an age; return the file's name."""
    rows = [
        {"face_id": face(n), "external_fields.age": str(age)} for n, age in ages.items()
    ]
    return bench.write(name, rows)


def asked(bench: Bench, operation: str) -> int:
    """How many calls of an operation the server saw."""
    return bench.emulator.witness.by_operation.get(operation, 0)


def statuses(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a plan says of each row."""
    return [row["status"] for row in rows]


def test_a_plan_says_what_each_row_would_change(bench: Bench) -> None:
    """A row is change, same, missing or invalid, with values and face as FRS wrote them."""
    seed(bench, 30)
    given = {1: 1, 2: 99, 3: "x", 40: 4}
    ended = plan(bench, ages(bench, given), "--against", "remote")
    rows = read(bench)

    assert ended.code == 1
    assert statuses(rows) == ["same", "change", "invalid", "missing"]
    assert [row["row_number"] for row in rows] == [1, 2, 3, 4]
    assert {row["source"] for row in rows} == {"faces.csv"}
    change = {"field": "external_fields.age", "old": "2", "new": "99"}
    assert [row["changes"] for row in rows] == [[], [change], None, None]
    assert rows[1]["update"] == '{"external_fields": {"age": 99}}'
    held = json.loads(rows[1]["before"])
    assert (held["face_id"], held["external_fields"]) == (face(2), {"age": 2})
    assert held.keys() > {"external_image_id", "bounding_box"}
    assert [row["error_code"] for row in rows[2:]] == ["integer", "FRS.0303"]
    assert bench.updates == 0
    assert "external_fields.age: 2 -> 99" in ended.out
    assert "next        batch-updater apply plan.parquet" in ended.out


def test_values_are_compared_by_type(bench: Bench) -> None:
    """What FRS hands back in another type than it was sent in is the same."""
    held = {"age": "12", "team": "7"}
    bench.emulator.state.seed_faces(
        FACE_SET, [{"face_id": face(1), "external_fields": held}]
    )
    row = {"face_id": face(1), "external_fields.age": "12", "external_fields.team": "7"}
    ended = plan(bench, bench.write("faces.csv", [row]), "--against", "remote")

    assert ended.code == 0
    assert statuses(read(bench)) == ["same"]


def test_an_image_id_and_an_absent_field_are_changes(bench: Bench) -> None:
    """A field that the face does not have has no old value."""
    seed(bench, 1)
    row = {
        "face_id": face(1),
        "external_image_id": "new-id",
        "external_fields.age": "",
        "external_fields.team": "blue",
    }
    ended = plan(bench, bench.write("faces.csv", [row]), "--against", "remote")
    [found] = read(bench)

    assert ended.code == 0
    assert [each["field"] for each in found["changes"]] == [
        "external_image_id",
        "external_fields.team",
    ]
    assert found["changes"][1] == {
        "field": "external_fields.team",
        "old": None,
        "new": '"blue"',
    }
    wanted = {"external_image_id": "new-id", "external_fields": {"team": "blue"}}
    assert json.loads(found["update"]) == wanted
    assert 'external_fields.team: (none) -> "blue"' in ended.out


def test_faces_are_listed_where_that_costs_less(bench: Bench) -> None:
    """250 faces take three pages, and a face that no page showed is asked for itself."""
    seed(bench, 250)
    given = {n: n + 1 for n in range(1, 251)} | {900: 1}
    ended = plan(bench, ages(bench, given), "--against", "remote")
    rows = read(bench)

    assert statuses(rows) == ["change"] * 250 + ["missing"]
    assert {row["seen_in"] for row in rows[:250]} == {"listing"}
    assert (asked(bench, LIST), asked(bench, ONE)) == (3, 1)
    assert "cost        4 requests to plan, 3 of them for pages" in ended.out
    summary = bench.record().summary
    assert summary["attempts"] == summary["plan"]["requests"] == 4
    assert summary["plan"]["pages"] == 3


def test_few_faces_are_asked_for_one_by_one(bench: Bench) -> None:
    """Two rows of a face set of 250 are two requests, where pages would be three."""
    seed(bench, 250)
    plan(bench, ages(bench, {7: 7, 8: 0}), "--against", "remote")

    assert [row["seen_in"] for row in read(bench)] == ["face", "face"]
    assert (asked(bench, LIST), asked(bench, ONE)) == (0, 2)


def test_a_face_that_a_page_missed_is_not_missing(bench: Bench) -> None:
    """Faces slip from page to page while others are removed: only a GET says missing."""
    seed(bench, 4)
    seen = [{"face_id": face(n), "external_fields": {"age": n}} for n in (1, 2, 4)]
    body = json.dumps({"face_set_id": "a", "face_set_name": "staff", "faces": seen})
    slips = fault("respond", operation=LIST, status=200, body=body)
    bench.emulator.script([slips])
    given = {1: 1, 2: 2, 3: 3, 4: 4}
    ended = plan(bench, ages(bench, given), "--against", "remote", "--page", "3")

    assert ended.code == 0
    seen_in = [row["seen_in"] for row in read(bench)]
    assert seen_in == ["listing", "listing", "face", "listing"]
    assert asked(bench, ONE) == 1


def test_pages_that_cannot_be_had_cost_no_plan(bench: Bench) -> None:
    """Faces of a page that fails are asked for one by one, and a person is told."""
    seed(bench, 120)
    fails = fault("respond", operation=LIST, code="FRS.0012", after=1)
    bench.emulator.script([fails])
    given = {n: n for n in range(1, 121)}
    ended = plan(bench, ages(bench, given), "--against", "remote", "--page", "60")

    assert ended.code == 0, ended.err
    assert "faces from number 61 on cannot be listed (FRS.0012)" in ended.err
    assert (asked(bench, LIST), asked(bench, ONE)) == (2, 60)


def test_rows_of_one_face_are_not_planned_in_order(bench: Bench) -> None:
    """A plan has one row for each face: in-order is refused, and says what helps."""
    ended = plan(bench, ages(bench, {1: 1}), "--on-duplicate", "in-order")

    assert ended.code == 2
    assert "no two of its rows may be about the same face" in ended.err
    assert not bench.emulator.witness.by_operation


def test_a_duplicate_is_invalid_in_a_plan(bench: Bench) -> None:
    """With last, the earlier row of a face is told as what it is, and no error."""
    seed(bench, 2)
    rows = [
        {"face_id": face(n), "external_fields.age": str(age)}
        for n, age in ((1, 7), (2, 2), (1, 8))
    ]
    name = bench.write("faces.csv", rows)
    ended = plan(bench, name, "--against", "remote", "--on-duplicate", "last")
    found = read(bench)

    assert ended.code == 0
    assert statuses(found) == ["invalid", "same", "change"]
    assert found[0]["error_code"] == "duplicate_face"
    assert found[2]["changes"][0]["new"] == "8"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere/plan.parquet", "there is no folder"),
        ("plan.csv", "a plan is a Parquet file"),
        ("faces.parquet", "would be overwritten"),
        ("folder.parquet", "not a regular file"),
    ],
)
def test_a_place_where_no_plan_can_be_is_found_at_once(
    bench: Bench, target: str, said: str
) -> None:
    """Nothing is asked for a plan that could not be written in the end."""
    (bench.folder / "folder.parquet").mkdir()
    pq.write_table(pa.table({"face_id": [face(1)]}), bench.folder / "faces.parquet")
    ended = plan(bench, "faces.parquet", "-o", target)

    assert ended.code == 2
    assert said in ended.err
    assert not bench.emulator.witness.by_operation


def test_exit_code_without_changes(bench: Bench) -> None:
    """A scheduler can tell a plan without changes from one with some, and from a bad one."""
    seed(bench, 3)
    same, other = ages(bench, {1: 1}), ages(bench, {1: 5}, "other.csv")
    gone = ages(bench, {9: 1}, "gone.csv")
    code = ("--against", "remote", "--exit-code-no-change", "17")

    assert plan(bench, same, *code).code == 17
    assert plan(bench, other, *code, "--run-dir", "job2").code == 0
    assert plan(bench, gone, *code, "--run-dir", "job3").code == 1
    assert bench.record().summary["exit_code"] == 17
    assert not bench.record().summary["next_command"]


def test_json_carries_values_only_when_asked_to(bench: Bench) -> None:
    """The commonest changes are values, which a scheduler's log should not have."""
    seed(bench, 3)
    name = ages(bench, {1: 77777, 2: 77777, 3: 3})
    base = ("--against", "remote", "--output", "json")
    quiet = plan(bench, name, *base)
    loud = plan(bench, name, *base, "--include-values", "--run-dir", "job2")

    told = quiet.json["plan"]
    assert told["counts"] == {
        "change": 2,
        "same": 1,
        "missing": 0,
        "invalid": 0,
        "failed": 0,
    }
    assert told["fields"] == {"external_fields.age": 2}
    assert (told["apply_requests"], told["apply_s"]) == (4, 0.004)
    assert "77777" not in quiet.out + quiet.err
    assert "77777" not in (bench.folder / "job" / "summary.json").read_text()
    [first, _] = loud.json["plan"]["commonest"]
    assert first["new"] == "77777"


def test_the_time_window_of_apply(bench: Bench) -> None:
    """A plan says whether its changes fit into the time window, at the rate."""
    seed(bench, 40)
    name = ages(bench, dict.fromkeys(range(1, 41), 0))
    told = ("--against", "remote", "--rate", "20", "--max-duration")
    assert "--max-duration 1 min 0 s; fits: yes" in plan(bench, name, *told, "60s").out
    short = plan(bench, name, *told, "1.5s", "--run-dir", "job2")

    assert "; fits: no, about 5" in short.out
    assert "requests will be left for resume" in short.out


def test_a_plan_is_private(bench: Bench) -> None:
    """It holds whole faces: 0600, whatever the umask, and so is all beside it."""
    seed(bench, 3)
    before = os.umask(0)
    try:
        assert plan(bench, ages(bench, {1: 1}), "--against", "remote").code == 0
    finally:
        os.umask(before)
    job = bench.folder / "job"
    files = [bench.folder / "plan.parquet", *job.iterdir()]
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


def test_a_face_that_could_not_be_read_is_read_again_by_resume(bench: Bench) -> None:
    """A failed row is in the plan as such, and resume makes it whole."""
    seed(bench, 300)
    fails = fault("respond", operation=ONE, face_id=face(2), code="FRS.0018", times=2)
    bench.emulator.script([fails])
    name = ages(bench, {1: 1, 2: 0, 3: 3})
    first = plan(bench, name, "--against", "remote", "--max-attempts", "2")
    failed = read(bench)[1]
    again = bench.command("resume", "job")

    assert first.code == 1
    assert (failed["status"], failed["error_code"]) == ("failed", "FRS.0018")
    assert "next        batch-updater resume job" in first.out
    assert again.code == 0
    assert statuses(read(bench)) == ["same", "change", "same"]
    assert asked(bench, ONE) == 5


def test_a_resumed_plan_lists_nothing_again(bench: Bench) -> None:
    """Pages are in the journal: who goes on asks only for what nobody has seen."""
    seed(bench, 150)
    lost = [
        fault("respond", operation=ONE, face_id=face(n), code="FRS.0018", name=f"{n}")
        for n in (901, 902)
    ]
    bench.emulator.script(lost)
    given = {901: 1} | dict.fromkeys(range(1, 151), 0) | {902: 2}
    name = ages(bench, given)
    base = ("--against", "remote", "--concurrency", "1", "--max-attempts", "1")
    (bench.folder / "plan.parquet").write_bytes(b"of yesterday")
    first = plan(bench, name, *base, "--max-errors", "0")
    old = (bench.folder / "plan.parquet").read_bytes()
    again = bench.command("resume", "job", "--max-errors", "2")

    assert first.code == 4
    assert old == b"of yesterday"
    assert "plan.parquet is of an earlier time: none was made" in first.out
    assert again.code == 1, again.err
    found = read(bench)
    assert [row["seen_in"] for row in found[1:151]] == ["listing"] * 150
    assert statuses(found)[0] == "missing"
    assert statuses(found)[-1] == "failed"
    assert asked(bench, LIST) == 2
    kinds = Counter(line["kind"] for line in bench.record().journal)
    assert kinds["page"] == 2


def test_a_plan_is_made_again_from_the_journal(bench: Bench) -> None:
    """`results` writes the same plan, without asking anybody; gone inputs are told."""
    seed(bench, 5)
    name = ages(bench, {1: 1, 2: 0, 9: 1, 3: "x"})
    plan(bench, name, "--against", "remote")
    before = read(bench)
    (bench.folder / "plan.parquet").unlink()
    asked_before = dict(bench.emulator.witness.by_operation)
    again = bench.command("results", "job")
    rows = read(bench)
    (bench.folder / name).write_text("face_id\n")
    changed = bench.command("results", "job")

    assert again.code == 0
    assert rows == before
    assert bench.emulator.witness.by_operation == asked_before
    assert "the plan was not made again" in changed.out
    assert read(bench) == before


def test_whatever_stands_in_a_face(bench: Bench) -> None:
    """Half a pair of surrogates, or a number of any length, is kept as JSON."""
    body = (
        '{"faces": [{"face_id": "%s", "external_fields": '
        '{"team": "a\\ud800", "age": 123456789012345678901234567890}}]}'
    )
    odd = fault("respond", operation=ONE, status=200, body=body % face(1))
    bench.emulator.script([odd])
    ended = plan(bench, ages(bench, {1: 5}), "--against", "remote")
    [row] = read(bench)

    assert ended.code == 0, ended.err
    assert json.loads(row["before"])["external_fields"]["team"] == "a\ud800"
    assert row["changes"][0]["old"] == "123456789012345678901234567890"


def test_retry_is_not_for_plans(bench: Bench) -> None:
    """A plan sends nothing, so nothing of it is sent again."""
    seed(bench, 1)
    plan(bench, ages(bench, {1: 1}), "--against", "remote")
    ended = bench.command("retry", "job")

    assert ended.code == 2
    assert "job is a plan" in ended.err


def test_the_readers_of_the_readme(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """README's examples with pandas and with plain pyarrow read a plan as it stands."""
    seed(bench, 3)
    assert plan(bench, ages(bench, {1: 1, 2: 0, 3: 0}), "--against", "remote").code == 0
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```py\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    printed = []
    for block in blocks:
        exec(compile(block, "README", "exec"), {})  # noqa: S102
        printed.append(capsys.readouterr().out)
    sha256 = hashlib.sha256((bench.folder / "faces.csv").read_bytes()).hexdigest()

    assert "change    2" in printed[0]
    assert f"{face(2)} external_fields.age 2 -> 0\n" in printed[0]
    assert printed[1] == f"3 staff 2 {sha256}\n"


def test_a_plan_whose_time_is_over(bench: Bench) -> None:
    """It ends with 5 and without a file; the next window goes on where it stopped."""
    seed(bench, 900)
    slow = fault("delay", operation=ONE, seconds=0.1, times=0)
    bench.emulator.script([slow])
    name = ages(bench, {n: n for n in range(1, 61)})
    words = ("--against", "remote", "--concurrency", "2", "--page", "1")
    first = plan(bench, name, *words, "--max-duration", "0.8s")
    made = (bench.folder / "plan.parquet").exists()
    bench.emulator.script([])
    again = bench.command("resume", "job")

    assert (first.code, made) == (5, False)
    assert "next        batch-updater resume job" in first.out
    assert again.code == 0
    assert statuses(read(bench)) == ["same"] * 60
    assert asked(bench, ONE) == 60
