"""Runs that apply a plan, or take a run back, are verified by the plan that they sent."""

from pathlib import Path

import pytest
from bench import FACE_SET, Bench, Ended
from plan_making import AGE, TEAM, ages, apply, seed_ages, wants, write_plan


@pytest.fixture(autouse=True)
def state(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what was last applied in the bench's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(bench.folder / "state"))


def verify(bench: Bench, name: str, into: str) -> Ended:
    """Verify a run without waiting."""
    return bench.command("verify", name, "--run-dir", into, "--settle", "0s")


def someone_else_sets(bench: Bench, face_id: str, age: int) -> None:
    """Change a face after the run."""
    seeded = {"face_id": face_id, "external_fields": {"age": age}}
    bench.emulator.state.seed_faces(FACE_SET, [seeded])


def test_what_a_plan_changed_is_read_back(bench: Bench) -> None:
    """Rows that were sent, or were found as wanted by apply, are compared; others are left out."""
    ids = seed_ages(bench, 5)
    rows = [
        wants(bench, ids[0], age=50, team="red"),
        wants(bench, ids[1], age=2),
        wants(bench, ids[2], age=52),
        wants(bench, ids[3], age=53),
    ]
    write_plan(bench, rows)
    someone_else_sets(bench, ids[2], 52)
    apply(bench)
    assert bench.record().outcomes == {"updated": 2, "unchanged": 2}
    ended = verify(bench, "job", "first")

    assert ended.code == 0, ended.err
    assert "1 row left out: their faces were as wanted" in ended.err
    assert "estimate    3 rows take" in ended.err
    assert bench.record("first").outcomes == {"same": 3}
    someone_else_sets(bench, ids[0], 7)
    assert verify(bench, "job", "second").code == 6
    lines = bench.record("second").view("mismatches")
    told = [(each["field"], each["expected"], each["found"]) for each in lines]
    assert told == [(AGE, "50", "7"), (TEAM, "red", "")]
    assert [each["face_id"] for each in lines] == [ids[0], ids[0]]


def test_a_face_is_asked_for_once(bench: Bench) -> None:
    """However many requests applying takes, verifying takes one for each row."""
    seed_ages(bench, 3)
    write_plan(bench, ages(bench, 3))
    apply(bench)
    flags = ("--rate", "1", "--max-duration", "50ms", "--run-dir", "check")
    ended = bench.command("verify", "job", *flags)

    assert "estimate    3 rows take about 3 s at 1 a second" in ended.err


def test_a_rollback_is_read_back(bench: Bench) -> None:
    """A rollback is verified by the values that it put back; its plan stays where it is."""
    ids = seed_ages(bench, 4)
    write_plan(bench, ages(bench, 4))
    apply(bench)
    words = ("--run-dir", "back", "--yes", "--settle", "0s")
    assert bench.command("rollback", "job", *words).code == 0
    plans = sorted(path.name for path in Path("back").iterdir())

    assert verify(bench, "back", "first").code == 0
    assert bench.record("first").outcomes == {"same": 4}
    assert verify(bench, "job", "second").code == 6
    assert bench.record("second").outcomes == {"mismatch": 4}
    assert sorted(path.name for path in Path("back").iterdir()) == plans
    someone_else_sets(bench, ids[1], 99)
    Path("back").rename("moved")
    assert verify(bench, "moved", "third").code == 6
    assert bench.record("third").outcomes == {"same": 3, "mismatch": 1}
    assert bench.command("results", "third").code == 0
    assert bench.record("third").outcomes == {"same": 3, "mismatch": 1}


def test_a_plan_that_is_gone(bench: Bench) -> None:
    """An apply keeps its plan; without that one it is refused, and what to do is said."""
    seed_ages(bench, 2)
    write_plan(bench, ages(bench, 2))
    apply(bench)
    Path("plan.parquet").unlink()
    assert verify(bench, "job", "check").code == 0
    (kept,) = Path("job").glob("*.parquet")
    kept.unlink()
    ended = verify(bench, "job", "again")

    assert ended.code == 2
    assert "what it wrote can be told from there alone" in ended.err
