"""Rollback: what a run found is put back exactly, or it is said what is not."""

import csv
from pathlib import Path

import pytest
from bench import FACE_SET, Bench, Ended, fault, start_emulator
from plan_making import (
    AGE,
    TEAM,
    ages,
    ago,
    apply,
    held,
    seed_ages,
    wants,
    write_plan,
)

from batch_updater.files.journal import Journal
from batch_updater.files.plan_file import read_plan

AT_ONCE = ("--settle", "0s")


@pytest.fixture(autouse=True)
def state(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what was last applied in the bench's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(bench.folder / "state"))


def rollback(bench: Bench, name: str = "job", *flags: str, into: str = "back") -> Ended:
    """Take a run back; ask nothing."""
    usual = ("--run-dir", into, "--yes", *AT_ONCE)
    return bench.command("rollback", name, *usual, *flags)


def write_rows(bench: Bench, rows: list[tuple[str, object]]) -> str:
    """Write an input of faces and their ages."""
    with Path("faces.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("face_id", AGE), *rows])
    return "faces.csv"


def someone_sets(bench: Bench, face_id: str, age: int) -> None:
    """Change a face behind the run's back."""
    seeded = {"face_id": face_id, "external_fields": {"age": age}}
    bench.emulator.state.seed_faces(FACE_SET, [seeded])


def test_a_run_is_taken_back(bench: Bench) -> None:
    """After run --backup and rollback the service holds exactly what it held."""
    ids = seed_ages(bench, 20)
    before = held(bench)
    source = write_rows(bench, [(face_id, 500) for face_id in ids])
    assert bench.run(source, "--backup").code == 0
    assert held(bench) != before
    ended = rollback(bench)
    assert (ended.code, held(bench)) == (0, before)
    assert f"20 faces: {AGE} 20" in ended.err
    assert bench.record("back").outcomes == {"updated": 20}


def test_a_plan_is_taken_back_and_that_too(bench: Bench) -> None:
    """A rollback is a run as any other: it can be taken back itself."""
    seed_ages(bench, 5)
    before = held(bench)
    write_plan(bench, ages(bench, 5))
    apply(bench)
    after = held(bench)
    assert rollback(bench).code == 0
    assert held(bench) == before
    assert rollback(bench, "back", into="forth").code == 0
    assert held(bench) == after
    twice = rollback(bench, "back", into="third")
    assert (twice.code, bench.record("third").outcomes) == (0, {"unchanged": 5})


def test_only_what_the_run_wrote_is_taken_back(bench: Bench) -> None:
    """A face that somebody changed since is left alone: drifted, exit 6."""
    ids = seed_ages(bench, 3)
    write_plan(bench, ages(bench, 3))
    apply(bench)
    someone_sets(bench, ids[1], 77)
    assert rollback(bench).code == 6
    assert [h[AGE] for h in held(bench).values()] == [1, 77, 3]


def test_other_fields_stay_as_they_are_now(bench: Bench) -> None:
    """What somebody else gave a face since, in another field, survives the rollback."""
    [face_id] = seed_ages(bench, 1)
    write_plan(bench, ages(bench, 1))
    apply(bench)
    now = {"age": 101, "team": "theirs"}
    bench.emulator.state.seed_faces(
        FACE_SET, [{"face_id": face_id, "external_fields": now}]
    )
    assert rollback(bench).code == 0
    assert (held(bench)[face_id][AGE], held(bench)[face_id][TEAM]) == (1, "theirs")


def test_what_cannot_be_taken_back_is_said(bench: Bench) -> None:
    """A field that was absent stays, is named, and makes exit 1; the rest comes back."""
    ids = seed_ages(bench, 3)
    rows = [
        wants(bench, ids[0], age=9, team="a"),
        wants(bench, ids[1], team="b"),
        wants(bench, ids[2], age=9),
    ]
    write_plan(bench, rows)
    apply(bench)
    looked = bench.command(
        "rollback", "job", *AT_ONCE, "-o", "undo.parquet", "--output", "json"
    )
    assert looked.json["statuses"] | {"x": 0} == {
        "change": 2,
        "failed": 1,
        "same": 0,
        "missing": 0,
        "invalid": 0,
        "x": 0,
    }
    assert looked.json["kept"] == {TEAM: 2}
    ended = rollback(bench)
    assert ended.code == 1
    # Images stand in the order in which faces were read, and so do the rows.
    results = {row["face_id"]: row for row in bench.record("back").results}
    told = [(results[each]["outcome"], results[each]["error_code"]) for each in ids]
    assert told == [("updated", "PLAN.KEPT"), ("failed", "PLAN.KEPT"), ("updated", "")]
    assert TEAM in results[ids[0]]["error_msg"]
    assert "2 faces with fields that the API cannot take back" in ended.out
    assert [h[AGE] for h in held(bench).values()] == [1, 2, 3]
    assert held(bench)[ids[1]][TEAM] == "b"


def test_a_plan_of_the_rollback_alone(bench: Bench) -> None:
    """With -o nothing is sent; the plan says what it is, and apply sends it at any age."""
    seed_ages(bench, 2)
    before = held(bench)
    write_plan(bench, ages(bench, 2))
    apply(bench)
    seen = bench.updates
    ended = bench.command("rollback", "job", *AT_ONCE, "-o", "undo.parquet")
    assert (ended.code, bench.updates) == (0, seen)
    assert ended.out.splitlines()[-1] == "next        batch-updater apply undo.parquet"
    facts = read_plan(Path("undo.parquet"))
    assert (facts.kind, facts.parent) == ("rollback", str(Path("job").absolute()))
    unasked = bench.command("apply", "undo.parquet", "--run-dir", "back")
    assert (unasked.code, "no terminal to ask" in unasked.err) == (2, True)
    assert apply(bench, "undo.parquet", "--max-age", "1ms", run_dir="back").code == 0
    assert held(bench) == before
    manifest = bench.record("back").manifest
    assert manifest["settings"]["check-drift"] == ["true"]
    assert bench.record("back").journal[0]["command"] == "rollback"


def test_a_rollback_is_asked_about(bench: Bench) -> None:
    """Without a terminal and without --yes nothing is put back, however little it is."""
    seed_ages(bench, 50)
    write_plan(bench, ages(bench, 1))
    apply(bench)
    ended = bench.command("rollback", "job", *AT_ONCE, "--run-dir", "back")
    assert (ended.code, Path("back").exists()) == (2, False)
    assert "1 of 50 faces (2.0 %)" in ended.err
    assert "batch-updater rollback job --yes" in ended.err
    dry = bench.command("rollback", "job", *AT_ONCE, "--dry-run")
    assert (dry.code, "1 row would be sent" in dry.out) == (0, True)


def test_rows_of_one_face_in_order(bench: Bench) -> None:
    """Of a face that several rows changed, the oldest value comes back."""
    ids = seed_ages(bench, 3)
    before = held(bench)
    rows: list[tuple[str, object]] = [
        (face_id, age) for age in (50, 60, 70) for face_id in ids
    ]
    source = write_rows(bench, rows)
    assert bench.run(source, "--backup", "--on-duplicate", "in-order").code == 0
    assert {h[AGE] for h in held(bench).values()} == {70}
    assert rollback(bench).code == 0
    assert held(bench) == before
    assert bench.record("back").outcomes == {"updated": 3}


def test_a_run_that_failed_midway(bench: Bench) -> None:
    """What a stopped run has changed is taken back; what it never changed is not looked at."""
    ids = seed_ages(bench, 10)
    before = held(bench)
    write_plan(bench, ages(bench, 10))
    bench.emulator.script(
        [
            fault("respond", name="row", code="FRS.0018", face_id=ids[1]),
            fault("respond", name="run", code="FRS.0202", after=5, times=0),
        ]
    )
    flags = ("--max-attempts", "1", "--concurrency", "1")
    assert apply(bench, *flags).code == 3
    bench.emulator.script([])
    outcomes = bench.record().outcomes
    assert (outcomes["unprocessed"] > 0, outcomes["failed"]) == (True, 1)
    assert rollback(bench).code == 0
    assert held(bench) == before
    told = {r["face_id"]: r["outcome"] for r in bench.record("back").results}
    # A server that failed may have applied it: the face is read, and holds the old.
    assert told.pop(ids[1]) == "unchanged"
    assert set(told.values()) == {"updated"}
    assert len(told) == outcomes["updated"]


def test_a_row_that_may_have_been_applied(bench: Bench) -> None:
    """An update without an answer that was applied is found and taken back."""
    ids = seed_ages(bench, 2)
    before = held(bench)
    write_plan(bench, ages(bench, 2))
    bench.emulator.script([fault("reset-after-commit", face_id=ids[0])])
    assert apply(bench, "--max-attempts", "1").code == 1
    assert held(bench)[ids[0]][AGE] == 101
    assert rollback(bench).code == 0
    assert held(bench) == before


def test_a_server_that_failed_before_it_refused(bench: Bench) -> None:
    """What a server's error may have applied is looked at, whatever came after it."""
    ids = seed_ages(bench, 2)
    write_plan(bench, ages(bench, 2))
    bench.emulator.script(
        [
            fault("respond", name="fails", code="FRS.0018", face_id=ids[0]),
            fault("respond", name="refuses", code="FRS.0021", face_id=ids[0]),
        ]
    )
    assert apply(bench).code == 1
    assert bench.record().row(1)["error_code"] == "FRS.0021"
    someone_sets(bench, ids[0], 101)  # as if the first try had been applied
    assert rollback(bench).code == 0
    assert [h[AGE] for h in held(bench).values()] == [1, 2]


def test_what_changed_while_the_run_was_stopped(bench: Bench) -> None:
    """The run has written over it, so it is what comes back."""
    ids = seed_ages(bench, 2)
    source = write_rows(bench, [(face_id, 500) for face_id in ids])
    bench.emulator.script([fault("respond", code="FRS.0202", times=0)])
    assert bench.run(source, "--backup", "--concurrency", "1").code == 3
    bench.emulator.script([])
    someone_sets(bench, ids[0], 77)
    assert bench.command("resume", "job").code == 0
    assert len((Path("job") / "before.jsonl").read_text().splitlines()) == 3
    assert rollback(bench).code == 0
    assert [h[AGE] for h in held(bench).values()] == [77, 2]
    assert bench.record("back").outcomes == {"updated": 2}


def test_rows_without_an_image(bench: Bench) -> None:
    """What a run updated before it was told to keep images is counted, never forgotten."""
    ids = seed_ages(bench, 4)
    source = write_rows(bench, [(face_id, 500) for face_id in ids])
    bench.emulator.script([fault("respond", code="FRS.0202", after=2, times=0)])
    assert bench.run(source, "--concurrency", "1").code == 3
    bench.emulator.script([])
    assert bench.command("resume", "job", "--backup").code == 0
    ended = rollback(bench)
    assert "not known   2 rows of it: updated without --backup" in ended.err
    assert [h[AGE] for h in held(bench).values()] == [500, 500, 3, 4]


def test_a_run_that_was_resumed(bench: Bench) -> None:
    """What each face held before the run comes back, whichever session changed it."""
    seed_ages(bench, 12)
    before = held(bench)
    write_plan(bench, ages(bench, 12))
    bench.emulator.script([fault("respond", code="FRS.0202", after=4, times=0)])
    assert apply(bench, "--concurrency", "2").code == 3
    bench.emulator.script([])
    assert bench.command("resume", "job").code == 0
    assert rollback(bench).code == 0
    assert held(bench) == before


def test_a_rollback_goes_on_where_it_stopped(bench: Bench) -> None:
    """A rollback that was stopped is resumed as any run, its plan being with it."""
    seed_ages(bench, 8)
    before = held(bench)
    write_plan(bench, ages(bench, 8))
    apply(bench)
    bench.emulator.script([fault("respond", code="FRS.0202", after=3, times=0)])
    assert rollback(bench, "job", "--concurrency", "1").code == 3
    bench.emulator.script([])
    assert held(bench) != before
    assert bench.command("resume", "back").code == 0
    assert held(bench) == before


def test_a_run_without_images(bench: Bench) -> None:
    """A run that did not keep what faces held is refused, and the flag that does is named."""
    assert bench.run(bench.prepare(2)).code == 0
    ended = rollback(bench)
    assert (ended.code, "run --backup" in ended.err) == (2, True)


def test_what_changed_nothing(bench: Bench) -> None:
    """An export has nothing to take back, nor has a plan of faces that are the same."""
    seed_ages(bench, 1)
    export = ("export", FACE_SET, *bench.target[:4], "-o", "faces.csv")
    assert bench.command(*export, "--run-dir", "out").code == 0
    ended = rollback(bench, "out")
    assert (ended.code, "changed nothing" in ended.err) == (2, True)


def test_a_run_that_found_all_as_it_should_be(bench: Bench) -> None:
    """Where nothing was changed there is nothing to put back, and that is no failure."""
    ids = seed_ages(bench, 2)
    source = write_rows(bench, [(face_id, n) for n, face_id in enumerate(ids, 1)])
    assert bench.run(source, "--backup").code == 0
    ended = rollback(bench)
    assert (ended.code, "nothing to put back" in ended.err) == (0, True)
    assert not Path("back").exists()


def test_the_state_follows(bench: Bench) -> None:
    """What the state says after a rollback is what the service holds."""
    ids = seed_ages(bench, 4)
    source = write_rows(bench, [(face_id, 50) for face_id in ids])
    target = (*bench.target, "-o", "plan.parquet", "--rate", "1000")
    assert bench.command("plan", source, *target, "--run-dir", "looked").code == 0
    assert apply(bench).code == 0
    same = bench.command("plan", source, *target, "--against", "state")
    assert "same        4" in same.out
    assert rollback(bench).code == 0
    changed = bench.command("plan", source, *target, "--against", "state")
    assert "1 -> 50" in changed.out


def test_a_run_that_goes_on(bench: Bench) -> None:
    """A run directory that is in use is left to who uses it."""
    seed_ages(bench, 1)
    write_plan(bench, ages(bench, 1))
    apply(bench)
    journal = Journal(Path("job") / "journal.jsonl")
    try:
        ended = rollback(bench)
    finally:
        journal.close()
    assert (ended.code, "in use by another process" in ended.err) == (2, True)


def test_a_declared_type_that_changed(bench: Bench) -> None:
    """Old values of a field that is declared otherwise now are not sent back."""
    seed_ages(bench, 1)
    write_plan(bench, ages(bench, 1))
    apply(bench)
    bench.emulator.state.face_sets[FACE_SET].external_fields["age"] = "string"
    ended = rollback(bench)
    assert (ended.code, "declared as string now" in ended.err) == (2, True)


def test_images_of_other_rows(bench: Bench) -> None:
    """Images that are not this run's are refused, with what to do."""
    seed_ages(bench, 1)
    write_plan(bench, ages(bench, 1))
    apply(bench)
    path = Path("job") / "before.jsonl"
    path.write_text(path.read_text().replace('"row_number":1', '"row_number":9'))
    ended = rollback(bench)
    assert (ended.code, "row 9" in ended.err) == (2, True)


def test_what_is_not_shown_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A face that still shows its old value does not count as taken back: it is waited."""
    with start_emulator(update_lag=0.4) as emulator:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("BATCH_UPDATER_TOKEN", emulator.token)
        bench = Bench(tmp_path, emulator)
        seed_ages(bench, 3)
        before = held(bench)
        write_plan(bench, ages(bench, 3))
        assert apply(bench).code == 0
        ended = rollback(bench, "job", "--settle", "1s")
    assert "waiting" in ended.err
    assert (ended.code, held(bench)) == (0, before)
    assert bench.record("back").outcomes == {"updated": 3}


def test_the_place_of_the_plan(bench: Bench) -> None:
    """A rollback's plan is Parquet, and goes where a file can be made."""
    seed_ages(bench, 1)
    write_plan(bench, ages(bench, 1), created_at=ago(hours=1))
    apply(bench)
    for name, said in (("undo.csv", ".parquet"), ("no/undo.parquet", "no folder")):
        ended = bench.command("rollback", "job", *AT_ONCE, "-o", name)
        assert (ended.code, said in ended.err) == (2, True), name


def test_the_run_directory_has_moved(bench: Bench) -> None:
    """What a rollback needs is in the directory, wherever that is."""
    seed_ages(bench, 2)
    before = held(bench)
    write_plan(bench, ages(bench, 2))
    apply(bench)
    Path("plan.parquet").unlink()
    Path("elsewhere").mkdir()
    Path("job").rename("elsewhere/job")
    assert rollback(bench, "elsewhere/job").code == 0
    assert held(bench) == before
