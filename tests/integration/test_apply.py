"""Apply: exactly what a plan says, where it still holds, and every refusal of a plan."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import FACE_SET, FIELDS, Bench, assert_sums, fault
from plan_making import (
    AGE,
    ages,
    ago,
    apply,
    facts,
    held,
    plan_row,
    seed_ages,
    wants,
    write_plan,
)

from batch_updater.models import PlanStatus


@pytest.fixture(autouse=True)
def state(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what was last applied in the bench's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(bench.folder / "state"))


def reads(bench: Bench) -> int:
    """Return how many faces were read one by one."""
    return bench.emulator.witness.by_operation.get("ShowFacesByFaceId", 0)


def someone_else_sets(bench: Bench, face_id: str, age: int) -> None:
    """Change a face behind the plan's back."""
    seeded = {"face_id": face_id, "external_fields": {"age": age}}
    bench.emulator.state.seed_faces(FACE_SET, [seeded])


def test_every_status_of_a_plan_has_its_outcome(bench: Bench) -> None:
    """Only rows to change are sent, and each other row ends as the plan says of it."""
    ids = seed_ages(bench, 6)
    rows = [
        wants(bench, ids[0], age=50),
        wants(bench, ids[1], age=2),
        plan_row("gone0001", PlanStatus.MISSING, "FRS.0303", "not there"),
        plan_row("gone0002", PlanStatus.MISSING),
        plan_row("bad", PlanStatus.INVALID, "face_id_shape", "'bad' is not 8"),
        plan_row(ids[2], PlanStatus.INVALID, "duplicate_face", "b.csv row 2 too"),
        plan_row(ids[3], PlanStatus.FAILED, "TRANSPORT.TIMEOUT", "no answer"),
        plan_row(ids[4], PlanStatus.FAILED),
    ]
    write_plan(bench, rows)
    ended = apply(bench)
    record = bench.record()
    told = [(r["outcome"], r["error_code"], r["attempts"]) for r in record.results]
    assert told == [
        ("updated", "", "2"),
        ("unchanged", "", "0"),
        ("failed", "FRS.0303", "0"),
        ("failed", "PLAN.MISSING", "0"),
        ("invalid", "face_id_shape", "0"),
        ("duplicate", "duplicate_face", "0"),
        ("failed", "TRANSPORT.TIMEOUT", "0"),
        ("failed", "PLAN.UNREADABLE", "0"),
    ]
    assert ended.code == 1
    assert_sums(record, 8)
    assert bench.applied == {ids[0]: 1}
    assert "'bad'" not in (bench.folder / "job" / "journal.jsonl").read_text()


def test_views_carry_where_a_row_came_from(bench: Bench) -> None:
    """failed.csv names the input and the row that the plan was made of, and no values."""
    seed_ages(bench, 2)
    rows = [
        plan_row("gone0001", PlanStatus.MISSING) | {"source": "b.csv", "row_number": 7},
        *ages(bench, 1),
    ]
    write_plan(bench, rows)
    apply(bench)
    [failed] = bench.record().view("failed")
    assert (failed["source"], failed["row_number"]) == ("b.csv", "7")
    assert (failed["face_id"], failed["status"]) == ("gone0001", "missing")
    assert not {"update", "before", "changes"} & failed.keys()
    story = bench.command("results", "job", "--row", "1")
    assert "plan.parquet row 1, face gone0001: failed" in story.out
    again = bench.command("results", "job")
    assert again.code == 0
    assert bench.record().view("failed") == [failed]


@pytest.mark.parametrize(
    ("flags", "sent"),
    [
        ((), {"external_image_id": "img1", "external_fields": {"age": 1, "team": "a"}}),
        (("--no-check-drift",), {"external_fields": {"team": "a"}}),
    ],
)
def test_what_apply_sends(bench: Bench, flags: tuple[str, ...], sent: object) -> None:
    """Unread, only the fields that differ are sent; read, all that the face holds too."""
    [face_id] = seed_ages(bench, 1)
    write_plan(
        bench, [wants(bench, face_id, age=1, team="a", external_image_id="img1")]
    )
    assert apply(bench, *flags).code == 0
    image = json.loads((bench.folder / "job" / "before.jsonl").read_text())
    assert image["update"] == sent
    assert image["before"]["external_fields"] == {"age": 1}


def test_drift_is_left_alone(bench: Bench) -> None:
    """A face that somebody changed keeps what it was given: exit 6."""
    ids = seed_ages(bench, 3)
    write_plan(bench, ages(bench, 3))
    someone_else_sets(bench, ids[1], 77)
    ended = apply(bench)
    record = bench.record()
    assert ended.code == 6
    assert [r["outcome"] for r in record.results] == ["updated", "drifted", "updated"]
    [drifted] = record.view("drifted")
    assert (drifted["row_number"], drifted["_error_code"]) == ("2", "PLAN.DRIFTED")
    assert AGE in drifted["_error_msg"]
    assert "77" not in drifted["_error_msg"]
    assert held(bench)[ids[1]][AGE] == 77


@pytest.mark.parametrize("seen_in", ["state", None])
def test_what_the_state_said_is_looked_at(bench: Bench, seen_in: str | None) -> None:
    """A face that nobody has read is read first: drift shows where a value was known."""
    ids = seed_ages(bench, 2)
    write_plan(bench, ages(bench, 2, seen_in=seen_in))
    someone_else_sets(bench, ids[0], 77)
    apply(bench)
    outcomes = [row["outcome"] for row in bench.record().results]
    known = seen_in == "state"
    assert outcomes == ["drifted" if known else "updated", "updated"]
    assert reads(bench) == 2


@pytest.mark.parametrize("flags", [(), ("--no-check-drift",)])
def test_a_face_deleted_since(bench: Bench, flags: tuple[str, ...]) -> None:
    """A face that is gone fails with the service's code, whether it is read or sent."""
    ids = seed_ages(bench, 2)
    write_plan(bench, ages(bench, 2))
    bench.emulator.state.face_sets[FACE_SET].remove(ids[0])
    assert apply(bench, *flags).code == 1
    first, second = bench.record().results
    assert (first["outcome"], first["error_code"]) == ("failed", "FRS.0303")
    assert second["outcome"] == "updated"


def test_a_plan_applied_twice(bench: Bench) -> None:
    """The second time each face is read first: nothing is sent, drift is left alone."""
    ids = seed_ages(bench, 3)
    write_plan(bench, ages(bench, 3))
    assert apply(bench).code == 0
    someone_else_sets(bench, ids[2], 77)
    apply(bench, run_dir="again")
    outcomes = [row["outcome"] for row in bench.record("again").results]
    assert outcomes == ["unchanged", "unchanged", "drifted"]
    assert bench.updates == 3


def test_the_plan_is_kept_with_its_run(bench: Bench) -> None:
    """The next night's plan of the same name disturbs neither resume nor results."""
    seed_ages(bench, 4)
    write_plan(bench, ages(bench, 4))
    bench.emulator.script([fault("respond", code="FRS.0202", after=2, times=0)])
    assert apply(bench, "--concurrency", "1").code == 3
    bench.emulator.script([])
    write_plan(bench, ages(bench, 1, add=500))
    assert bench.command("resume", "job").code == 0
    assert bench.record().outcomes == {"updated": 4}
    assert [h[AGE] for h in held(bench).values()] == [101, 102, 103, 104]
    assert bench.command("results", "job").code == 0
    assert (Path("job") / "plan.parquet").stat().st_mode & 0o777 == 0o600


def test_retry_of_an_applied_plan(bench: Bench) -> None:
    """Retry sends the failed changes again, as the plan has them."""
    ids = seed_ages(bench, 3)
    write_plan(bench, ages(bench, 3))
    bench.emulator.script([fault("respond", code="FRS.0018", face_id=ids[1], times=0)])
    ended = apply(bench, "--max-attempts", "1")
    assert ended.code == 1
    assert "batch-updater retry job" in ended.out
    bench.emulator.script([])
    assert bench.command("retry", "job", "--run-dir", "second").code == 0
    assert held(bench)[ids[1]][AGE] == 102
    assert [r["row_number"] for r in bench.record("second").results] == ["2"]
    mended = bench.command("retry", "job", "--from", "job/failed.csv")
    assert (mended.code, "plan again" in mended.err) == (2, True)


def test_what_to_type_after_permanent_failures(bench: Bench) -> None:
    """Rows that only planning anew can help lead to the plan's own command."""
    seed_ages(bench, 1)
    rows = [*ages(bench, 1), plan_row("gone0001", PlanStatus.MISSING)]
    source = {"name": "faces.csv", "path": "/data/faces.csv"}
    made = facts(bench)
    settings = {**made.settings, "to": ("plan.parquet",), "check-ahead": ("true",)}
    write_plan(bench, rows, inputs=(source,), settings=settings)
    typed = apply(bench).out.splitlines()[-1]
    assert typed.startswith("next        batch-updater plan /data/faces.csv --face-set")
    assert typed.endswith("-o plan.parquet")
    assert "--check-ahead" not in typed


def test_a_plan_old_enough_is_refused_for_each_session(bench: Bench) -> None:
    """Age is looked at by apply, resume and retry alike; --max-age allows more."""
    seed_ages(bench, 3)
    write_plan(bench, ages(bench, 3), created_at=ago(hours=30))
    ended = apply(bench)
    assert ended.code == 2
    assert "1 d" in ended.err or "30 h" in ended.err
    assert not Path("job").exists()
    bench.emulator.script([fault("respond", code="FRS.0202", after=1, times=0)])
    allowed = ("--max-age", "2d", "--concurrency", "1")
    assert apply(bench, *allowed).code == 3
    bench.emulator.script([])
    assert (
        "--max-age allows 24 h"
        in bench.command("resume", "job", "--max-age", "24h").err
    )
    assert bench.command("resume", "job").code == 0


def test_a_plan_from_the_future(bench: Bench) -> None:
    """A plan that says it will be made tomorrow points at a clock that is wrong."""
    seed_ages(bench, 1)
    write_plan(bench, ages(bench, 1), created_at=ago(hours=-30))
    ended = apply(bench)
    assert (ended.code, "clock" in ended.err) == (2, True)


OTHERWISE: dict[str, tuple[dict[str, Any], str]] = {
    "endpoint": ({"endpoint": "https://frs.other.example"}, "for the endpoint"),
    "project": ({"project_id": "f" * 32}, "for the project"),
    "type": ({"declared": {**FIELDS, "age": "string"}}, "'age' was declared as string"),
    "gone": ({"declared": {**FIELDS, "left": "long"}}, "not declared any more"),
}


@pytest.mark.parametrize("case", OTHERWISE)
def test_a_plan_for_something_else(bench: Bench, case: str) -> None:
    """A plan of another endpoint, project, or declaration is refused; nothing is sent."""
    seed_ages(bench, 1)
    otherwise, said = OTHERWISE[case]
    write_plan(bench, ages(bench, 1), **otherwise)
    ended = apply(bench)
    assert (ended.code, bench.updates, Path("job").exists()) == (2, 0, False)
    assert said in ended.err
    assert "plan" in ended.err.split("\n  ")[-1]


def test_a_plan_for_another_face_set(bench: Bench) -> None:
    """A face set that is said must be the plan's own."""
    seed_ages(bench, 1)
    write_plan(bench, ages(bench, 1))
    ended = apply(bench, "--face-set", "other")
    assert (ended.code, "for the face set staff, not for other" in ended.err) == (
        2,
        True,
    )


def test_a_plan_of_a_project_that_is_looked_up(bench: Bench) -> None:
    """A project that only the service knows is compared once it has said so."""
    seed_ages(bench, 1)
    made = facts(bench)
    settings = {k: v for k, v in made.settings.items() if k != "project-id"}
    settings["region"] = ("cn-north-4",)
    write_plan(bench, ages(bench, 1), project_id="f" * 32, settings=settings)
    ended = apply(bench)
    assert (ended.code, "for the project" in ended.err) == (2, True)
    assert bench.updates == 0


def test_the_face_set_is_gone(bench: Bench) -> None:
    """Of a face set that was deleted the service says so, and the run is refused."""
    seed_ages(bench, 1)
    write_plan(bench, ages(bench, 1))
    bench.emulator.state.delete_face_set(FACE_SET)
    assert apply(bench).code == 3
    assert not Path("job").exists()


def damaged(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield how a plan's bytes may be other than they were written."""
    whole = path.read_bytes()
    middle = 200  # among the rows
    yield "edited", whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    yield "cut short", whole[:-100]
    yield "another file", b"face_id,age\nface0001,1\n"


def test_a_plan_that_is_not_as_it_was_written(bench: Bench) -> None:
    """A plan that was edited or cut short is refused with what to do."""
    seed_ages(bench, 3)
    path = bench.folder / write_plan(bench, ages(bench, 3))
    for what, content in damaged(path):
        path.write_bytes(content)
        ended = apply(bench)
        assert (ended.code, bench.updates) == (2, 0), what
        assert "lan again" in ended.err, what
    missing = apply(bench, "nothing.parquet")
    assert (missing.code, "nothing.parquet" in missing.err) == (2, True)


def test_a_plan_without_a_change(bench: Bench) -> None:
    """A quiet night is no failure: nothing is sent, nothing is made, exit 0."""
    ids = seed_ages(bench, 2)
    same = [wants(bench, face_id, age=n) for n, face_id in enumerate(ids, 1)]
    write_plan(bench, same)
    ended = apply(bench, "--output", "json")
    assert (ended.code, ended.json["statuses"]) == (0, {"same": 2})
    assert "nothing to change in 2 rows" in ended.err
    assert not Path("job").exists()
    write_plan(bench, [*same, plan_row("gone0001", PlanStatus.MISSING)])
    assert apply(bench).code == 1


def test_too_many_changes(bench: Bench) -> None:
    """Above 20 % of the face set nobody goes on unasked; --max-changes is a hard limit."""
    seed_ages(bench, 10)
    name = write_plan(bench, ages(bench, 3))
    command = ("apply", name, "--run-dir", "job")
    unasked = bench.command(*command)
    assert unasked.code == 2
    assert "3 of 10 faces (30.0 %)" in unasked.err
    assert "no terminal to ask" in unasked.err
    for limit, code in (("2", 2), ("29%", 2), ("30%", 0)):
        ended = bench.command(*command, "--max-changes", limit)
        assert ended.code == code, (limit, ended.err)
    write_plan(bench, ages(bench, 3, add=7))
    assert apply(bench, "--max-changes", "2", run_dir="second").code == 2
    write_plan(bench, ages(bench, 2, add=7))
    assert bench.command("apply", name, "--run-dir", "second").code == 0


def test_a_dry_run_of_a_plan(bench: Bench) -> None:
    """A dry run says what would change, field by field, and sends and asks nothing."""
    seed_ages(bench, 4)
    name = write_plan(bench, ages(bench, 4))
    ended = bench.command("apply", name, "--dry-run", "--run-dir", "job")
    assert (ended.code, bench.updates, Path("job").exists()) == (0, 0, False)
    assert f"{AGE} 4" in ended.err
    assert "4 rows would be sent" in ended.out
    limited = bench.command("apply", name, "--dry-run", "--max-changes", "1")
    assert (limited.code, "--max-changes allows 1" in limited.err) == (2, True)
    told = bench.command("apply", name, "--dry-run", "--output", "json").json
    assert (told["clean"], told["changes"]) == (4, {AGE: 4})


def test_settings_of_a_plan(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where to go the plan says, over the environment; what was about rows it does not."""
    seed_ages(bench, 2)
    made = facts(bench)
    settings = {
        **made.settings,
        "limit": ("1",),
        "face-id": ("id",),
        "format": ("csv",),
    }
    write_plan(bench, ages(bench, 2), settings=settings)
    monkeypatch.setenv("BATCH_UPDATER_ENDPOINT", "https://elsewhere.example")
    monkeypatch.setenv("BATCH_UPDATER_FACE_SET", "elsewhere")
    monkeypatch.setenv("BATCH_UPDATER_MAX_CHANGES", "1")
    assert "--max-changes allows 1" in apply(bench).err
    assert apply(bench, "--max-changes", "2").code == 0
    assert bench.record().outcomes == {"updated": 2}


def test_a_plan_is_no_format(bench: Bench) -> None:
    """Nobody can say --format plan, nor run a plan: it is applied."""
    assert bench.run(bench.prepare(1), "--format", "plan").code == 2
    seed_ages(bench, 1)
    ended = bench.run(write_plan(bench, ages(bench, 1)))
    assert (ended.code, "batch-updater apply plan.parquet" in ended.err) == (2, True)


def test_an_emulator_elsewhere(bench: Bench) -> None:
    """The same service under another address counts as another place."""
    seed_ages(bench, 1)
    name = write_plan(bench, ages(bench, 1))
    ended = bench.command("apply", name, "--endpoint", "http://127.0.0.1:9", "--yes")
    assert (ended.code, "for the endpoint" in ended.err) == (2, True)
