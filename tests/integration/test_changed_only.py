"""Runs that keep what was last applied, and send only what differs from it."""

import json
from pathlib import Path

import pytest
from bench import FACE_SET, Bench, face, fault, make_rows

from batch_updater.states.opening import open_state

STATE = ("--state", "state")


def nightly(bench: Bench, name: str, *more: str, folder: str = "job") -> int:
    """Run a file with --changed-only; return how many updates the server saw."""
    before = bench.updates
    ended = bench.run(name, "--changed-only", *STATE, "--run-dir", folder, *more)
    assert ended.code in {0, 1}, ended.err
    return bench.updates - before


def known(bench: Bench, *faces: str) -> dict[str, dict[str, object]]:
    """Return what the state says of faces."""
    target = (bench.emulator.url, bench.emulator.project_id, FACE_SET)
    with open_state(Path("state").absolute(), *target) as state:
        assert state.catch_up() == []
        return {f: dict(k.fields) for f, k in state.look_up(faces).items()}


def test_nights(bench: Bench) -> None:
    """The first night sends everything, the others only what has changed since."""
    bench.prepare(20)
    rows = make_rows(20)
    assert nightly(bench, bench.write("one.csv", rows), folder="n1") == 20
    assert nightly(bench, "one.csv", folder="n2") == 0
    assert bench.record("n2").outcomes == {"unchanged": 20}
    rows[3]["external_fields.age"] = "99"
    assert nightly(bench, bench.write("two.csv", rows), folder="n3") == 1
    assert bench.record("n3").outcomes == {"unchanged": 19, "updated": 1}
    assert bench.stored(face(4)) == {"age": 99}


def test_what_lands_last_is_taken_in(bench: Bench) -> None:
    """A run is taken in once all has landed, not when its last row has been taken."""
    bench.prepare(8)
    bench.emulator.script([fault("delay", seconds=0.5, face_id=face(2), times=1)])
    assert nightly(bench, "faces.csv", folder="n1") == 8
    assert nightly(bench, "faces.csv", folder="n2") == 0


def test_a_failed_row_comes_up_again(bench: Bench) -> None:
    """The state advances by recorded successes only."""
    bench.prepare(5)
    refusal = fault("respond", code="FRS.0012", face_id=face(3), times=1)
    bench.emulator.script([refusal])
    assert nightly(bench, "faces.csv", folder="n1") == 5
    assert nightly(bench, "faces.csv", folder="n2") == 1
    assert nightly(bench, "faces.csv", folder="n3") == 0


def test_a_dry_run_changes_nothing(bench: Bench) -> None:
    """It makes no state, and leaves one that is there as it is."""
    bench.prepare(5)
    assert nightly(bench, "faces.csv", "--dry-run") == 0
    assert not Path("state").exists()
    nightly(bench, "faces.csv", folder="n1")
    (path,) = Path("state").iterdir()
    content = path.read_bytes()
    rows = make_rows(5)
    rows[0]["external_fields.age"] = "99"
    assert nightly(bench, bench.write("two.csv", rows), "--dry-run") == 0
    assert path.read_bytes() == content


def test_other_runs_keep_it_too(bench: Bench) -> None:
    """A plain run, a resume and a retry of a face set that has a state keep it."""
    bench.prepare(6)
    nightly(bench, "faces.csv", folder="n1")
    rows = make_rows(6)
    for row in rows:
        row["external_fields.age"] = "7"
    refusal = fault("respond", code="FRS.0012", face_id=face(2), times=1)
    bench.emulator.script([refusal])
    bench.run(bench.write("two.csv", rows), *STATE, "--run-dir", "plain")
    assert bench.record("plain").outcomes == {"updated": 5, "failed": 1}
    found = known(bench, face(1), face(2))
    assert found[face(1)] == {"external_fields.age": 7}
    assert found[face(2)] == {"external_fields.age": 2}
    assert bench.command("retry", "plain", "--run-dir", "again").code == 0
    assert known(bench, face(2)) == {face(2): {"external_fields.age": 7}}
    assert nightly(bench, "two.csv", folder="n2") == 0


def test_runs_without_a_state_make_none(bench: Bench) -> None:
    """A plain run neither makes a state nor writes values down."""
    bench.prepare(3)
    assert bench.run("faces.csv", *STATE).code == 0
    assert not Path("state").exists()
    kinds = [line["kind"] for line in bench.record().journal]
    assert "sending" not in kinds
    assert all("payload" not in line for line in bench.record().journal)


def test_values_stay_in_the_journal(bench: Bench) -> None:
    """Who did not ask for values is shown none, though the journal needs them."""
    bench.prepare(3)
    nightly(bench, "faces.csv", "-vv")
    record = bench.record()
    assert any('"age":1}' in line.get("payload", "") for line in record.journal)
    assert all("payload" not in row for row in record.results)
    said = bench.command("results", "job", "--face", face(1), "--output", "json")
    (result,) = said.json["results"]
    assert "payload" not in result
    again = bench.command(
        *("results", "job", "--face", face(1), "--output", "json", "--include-values")
    )
    assert json.loads(again.json["results"][0]["payload"])["face_id"] == face(1)


def test_rows_of_one_face_in_order(bench: Bench) -> None:
    """The last of several rows is sent although the state holds just that."""
    bench.seed([face(1), face(2)])
    nightly(bench, bench.write("one.csv", make_rows(2)), folder="n1")
    rows = make_rows(2) + make_rows(1)
    rows[0]["external_fields.age"] = "50"
    name = bench.write("two.csv", rows)
    assert nightly(bench, name, "--on-duplicate", "in-order", folder="n2") == 2
    assert bench.stored(face(1)) == {"age": 1}
    assert known(bench, face(1)) == {face(1): {"external_fields.age": 1}}


def test_it_has_to_look_ahead(bench: Bench) -> None:
    """Rows that nobody has looked at cannot be left out."""
    bench.prepare(2)
    import pandas as pd

    pd.read_csv("faces.csv").to_parquet("faces.parquet")
    ended = bench.run(
        *("faces.parquet", "--changed-only", "--no-check-ahead", *STATE),
        *("--on-duplicate", "in-order"),
    )
    assert ended.code == 2
    assert "--no-check-ahead" in ended.err


@pytest.mark.parametrize("plain", [False, True])
def test_a_state_that_cannot_be_used(bench: Bench, plain: bool) -> None:
    """Nothing is sent when what is sent could not be noted."""
    bench.prepare(2)
    nightly(bench, "faces.csv", folder="n1")
    (path,) = Path("state").iterdir()
    path.write_bytes(b"nothing that was ever a database")
    more = () if plain else ("--changed-only",)
    sent = bench.updates
    ended = bench.run("faces.csv", *more, *STATE, "--run-dir", "n2")
    assert (ended.code, bench.updates) == (2, sent)
    assert "damaged" in ended.err
    assert bench.command("state", "forget", *STATE).code == 0
    assert nightly(bench, "faces.csv", folder="n3") == 2
