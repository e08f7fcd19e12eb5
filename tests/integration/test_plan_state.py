"""Plans that ask the state what was last applied, and FRS where that is not enough."""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from bench import FACE_SET, FIELDS, Bench, Ended, face, fault
from test_plan import ONE, ages, asked, plan, read, seed, statuses

from batch_updater.files.plan_file import read_plan
from batch_updater.files.state_rows import FaceRow
from batch_updater.files.state_store import StateStore
from batch_updater.states.places import place_of, state_directory

DAY = 86_400


def remember(
    bench: Bench, held: Mapping[int, Mapping[str, Any]], age: float = 60.0
) -> None:
    """Let the state know what faces were last given, so many seconds ago."""
    place = place_of(
        state_directory(None, os.environ),
        bench.emulator.url,
        bench.emulator.project_id,
        FACE_SET,
    )
    at = int(datetime.now(UTC).timestamp() - age)
    store = StateStore(place.path, place.owner)
    with store.transaction():
        store.note("declared", orjson.dumps(FIELDS).decode())
        rows = (
            FaceRow(
                face(n),
                {f"external_fields.{k}": v for k, v in fields.items()},
                at,
                1,
                1,
            )
            for n, fields in held.items()
        )
        store.put_faces(rows)
    store.close()


def from_state(bench: Bench, *arguments: str) -> Ended:
    """Plan against the state alone."""
    return plan(bench, *arguments, "--against", "state")


def test_the_state_alone_takes_no_request(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked, no credentials are needed, and there is no run directory."""
    remember(bench, {1: {"age": 1}, 2: {"age": 2, "team": "x"}, 3: {"team": "x"}})
    monkeypatch.delenv("BATCH_UPDATER_TOKEN")
    ended = from_state(bench, ages(bench, {1: 1, 2: 9, 3: 3, 4: 4, 5: "x"}))
    rows = read(bench)

    assert ended.code == 1
    assert statuses(rows) == ["same", "change", "change", "change", "invalid"]
    assert [row["seen_in"] for row in rows] == ["state", "state", None, None, None]
    assert [row["changes"][0]["old"] for row in rows[1:4]] == ["2", None, None]
    assert all(row["before"] is None for row in rows)
    assert not bench.emulator.witness.by_operation
    assert not (bench.folder / "job").exists()
    assert "external_fields.age: 2 -> 9" in ended.out
    assert "external_fields.age: (not known) -> 3" in ended.out
    assert "6 requests (3 faces are read first)" in ended.out
    assert "cost        0 requests to plan" in ended.out


def test_a_plan_from_the_state_says_what_it_is_about(bench: Bench) -> None:
    """Endpoint, project, face set, types and inputs stand in its metadata, as in any plan."""
    remember(bench, {1: {"age": 1}})
    assert from_state(bench, ages(bench, {1: 2})).code == 0
    facts = read_plan(bench.folder / "plan.parquet")

    assert facts.endpoint == bench.emulator.url
    assert facts.project_id == bench.emulator.project_id
    assert (facts.face_set_name, facts.against) == (FACE_SET, "state")
    assert (facts.declared, facts.face_number) == (FIELDS, 1)
    assert facts.inputs[0]["rows"] == 1
    assert facts.counts["change"] == 1


def test_the_json_of_a_plan_from_the_state(bench: Bench) -> None:
    """It has the members of any plan's summary, with nothing of a run."""
    remember(bench, {1: {"age": 1}})
    name = ages(bench, {1: 1, 2: "x"})
    told = from_state(bench, name, "--output", "json").json

    assert (told["run_dir"], told["read"], told["exit_code"]) == ("", 2, 1)
    assert told["outcomes"]["invalid"] == 1
    assert told["plan"]["counts"]["same"] == 1
    assert told["plan"]["requests"] == 0
    assert [each["code"] for each in told["errors"]] == ["integer"]


def test_exit_code_without_changes_from_the_state(bench: Bench) -> None:
    """`--exit-code-no-change` holds there too."""
    remember(bench, {1: {"age": 1}})
    code = ("--exit-code-no-change", "9")

    assert from_state(bench, ages(bench, {1: 1}), *code).code == 9
    assert from_state(bench, ages(bench, {1: 2}), *code).code == 0


def test_old_state_is_not_believed(bench: Bench) -> None:
    """What was applied longer ago than `--state-max-age` is as good as unknown."""
    remember(bench, {1: {"age": 1}}, age=8 * DAY)
    name = ages(bench, {1: 1})
    from_state(bench, name)
    old = read(bench)
    from_state(bench, name, "--state-max-age", "9d")

    assert (old[0]["status"], old[0]["seen_in"]) == ("change", None)
    assert statuses(read(bench)) == ["same"]


def test_a_face_set_without_state(bench: Bench) -> None:
    """A plan against a state that is not there is refused, and makes none."""
    ended = from_state(bench, ages(bench, {1: 1}))

    assert ended.code == 2
    assert f"no run that keeps the state has updated {FACE_SET} yet" in ended.err
    assert not state_directory(None, os.environ).exists()


def test_auto_asks_frs_for_what_the_state_does_not_know(bench: Bench) -> None:
    """Rows that the state answers for take no request; of old and unknown ones each does."""
    seed(bench, 400)
    remember(bench, {n: {"age": n} for n in range(1, 11)})
    remember(bench, {11: {"age": 11}}, age=8 * DAY)
    given = {n: n for n in range(1, 13)} | {1: 0, 11: 0}
    ended = plan(bench, ages(bench, given), "--drift-sample", "0%")
    rows = read(bench)

    assert ended.code == 0, ended.err
    assert statuses(rows) == ["change", *["same"] * 9, "change", "same"]
    assert [row["seen_in"] for row in rows] == [*["state"] * 10, "face", "face"]
    assert rows[0]["changes"][0]["old"] == "1"
    assert asked(bench, ONE) == 2
    assert bench.record().summary["read"] == 2


def test_auto_finds_drift_in_a_sample(bench: Bench) -> None:
    """Sampled faces go by what FRS says, and those that differ from the state are told."""
    seed(bench, 1200)
    remember(
        bench,
        {n: {"age": n if n != 4 else 44} for n in range(1, 9)} | {1201: {"age": 1}},
    )
    given = {n: n for n in range(1, 9)} | {1201: 1}
    ended = plan(bench, ages(bench, given), "--drift-sample", "9", "--output", "json")
    rows = read(bench)

    assert ended.json["plan"]["drift"] == {
        "sampled": 9,
        "drifted": 2,
        "example": f"faces.csv row 4, face {face(4)}",
    }
    assert statuses(rows) == [*["same"] * 8, "missing"]
    assert {row["seen_in"] for row in rows[:8]} == {"face"}
    text = bench.command("results", "job", "--output", "text").out
    assert "drift       2 of 9 sampled faces hold something else" in text


def test_a_sample_is_as_large_as_asked(bench: Bench) -> None:
    """10% of 50 rows that the state knows are 5 requests."""
    seed(bench, 5000)
    remember(bench, {n: {"age": n} for n in range(1, 51)})
    name = ages(bench, {n: n for n in range(1, 51)})
    ended = plan(bench, name, "--drift-sample", "10%", "--page", "10")

    assert asked(bench, ONE) == 5
    assert "0 of 5 sampled faces hold something else" in ended.out
    seen = [row["seen_in"] for row in read(bench)]
    assert (seen.count("face"), seen.count("state")) == (5, 45)


def test_a_plan_made_again_goes_by_the_state_of_its_time(bench: Bench) -> None:
    """`results` and `resume` do not look at what was applied since."""
    seed(bench, 300)
    remember(bench, {1: {"age": 1}})
    plan(bench, ages(bench, {1: 5, 2: 2}), "--drift-sample", "0%")
    before = read(bench)
    remember(bench, {1: {"age": 5}})
    assert bench.command("results", "job").code == 0
    again = read(bench)
    (bench.folder / "job" / "known.parquet").unlink()
    lost = bench.command("results", "job")

    assert again == before
    assert before[0]["changes"][0]["old"] == "1"
    assert lost.code == 2
    assert "known.parquet is gone" in lost.err


def test_a_plan_goes_on_with_its_state_from_anywhere(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the state is does not change with the current folder."""
    seed(bench, 300)
    fails = fault("respond", operation=ONE, face_id=face(2), code="FRS.0018")
    bench.emulator.script([fails])
    name = ages(bench, {1: 1, 2: 2})
    where = ("--state", "states", "--max-attempts", "1")
    assert plan(bench, name, *where).code == 1
    elsewhere = bench.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    assert bench.command("resume", str(bench.folder / "job")).code == 0
    assert statuses(read(bench)) == ["same", "same"]
    assert not list(elsewhere.iterdir())
    assert bench.record().manifest["settings"]["state"] == [
        str(bench.folder / "states")
    ]


def test_auto_without_state_looks_at_all_in_frs(bench: Bench) -> None:
    """The first night there is no state, and the plan is the same as against FRS."""
    seed(bench, 3)
    ended = plan(bench, ages(bench, {1: 1, 2: 0}))

    assert ended.code == 0
    assert statuses(read(bench)) == ["same", "change"]
    assert ended.out.count("drift ") == 0


def test_auto_with_a_bad_state_looks_at_all_in_frs(bench: Bench) -> None:
    """A state that cannot be read is told, and costs requests, but no plan."""
    seed(bench, 3)
    remember(bench, {1: {"age": 9}})
    [path] = _files(state_directory(None, os.environ))
    path.write_bytes(b"no database at all" * 100)
    ended = plan(bench, ages(bench, {1: 1, 2: 0}))

    assert ended.code == 0
    assert "all faces are looked at in FRS" in ended.err
    assert statuses(read(bench)) == ["same", "change"]


def test_what_a_plan_has_read_need_not_be_read_again(bench: Bench) -> None:
    """The next plan asks the state for it: what FRS held, drift and gone faces too."""
    seed(bench, 300)
    remember(bench, {3: {"age": 9}, 301: {"age": 301}}, age=3600)
    given = {1: 1, 2: 0, 3: 3, 301: 301}
    first = plan(bench, ages(bench, given), "--against", "remote")
    rows = read(bench)
    again = from_state(bench, "faces.csv")
    known = read(bench)

    assert first.code == 1
    assert statuses(rows) == ["same", "change", "same", "missing"]
    assert again.code == 0
    assert statuses(known) == ["same", "change", "same", "change"]
    assert [row["seen_in"] for row in known] == ["state", "state", "state", None]
    assert known[1]["changes"] == rows[1]["changes"]


def test_what_a_verification_finds_wrong_is_looked_at_again(bench: Bench) -> None:
    """A face that does not hold what it should is no longer known, others still are."""
    seed(bench, 300)
    remember(bench, {1: {"age": 1}, 2: {"age": 7}, 301: {"age": 301}})
    ages(bench, {1: 1, 2: 7, 301: 301})
    flags = ("--run-dir", "verified", "--settle", "0s", *bench.target)
    verified = bench.command("verify", "faces.csv", *flags)
    planned = plan(bench, "faces.csv", "--drift-sample", "0%")
    rows = read(bench)

    assert (verified.code, planned.code) == (6, 1)
    assert statuses(rows) == ["same", "change", "missing"]
    assert [row["seen_in"] for row in rows] == ["state", "face", None]


def test_what_was_written_a_moment_ago_is_not_seen_over(bench: Bench) -> None:
    """FRS may show a face as it was before it was written, for a while."""
    seed(bench, 300)
    remember(bench, {1: {"age": 5}}, age=10)
    assert plan(bench, ages(bench, {1: 1}), "--against", "remote").code == 0
    assert statuses(read(bench)) == ["same"]
    assert from_state(bench, "faces.csv").code == 0

    assert read(bench)[0]["changes"][0]["old"] == "5"


def test_a_type_that_changed_is_not_believed(bench: Bench) -> None:
    """What was applied under another declaration is read again."""
    seed(bench, 300)
    remember(bench, {1: {"age": 9}})
    place = _files(state_directory(None, os.environ))[0]
    with closing(sqlite3.connect(place)) as state:
        said = json.dumps({**FIELDS, "age": "string"})
        state.execute("UPDATE meta SET value = ? WHERE name = 'declared'", (said,))
        state.commit()
    ended = plan(bench, ages(bench, {1: 1}), "--drift-sample", "0%")

    assert ended.code == 0
    assert [row["seen_in"] for row in read(bench)] == ["face"]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_many_chunks_are_one_plan(bench: Bench) -> None:
    """Rows stay in order over chunks, files and groups of rows."""
    remember(bench, {n: {"age": n} for n in range(1, 9001, 2)})
    names = [
        ages(bench, {n: n for n in range(first, first + 4500)}, f"{first}.csv")
        for first in (1, 4501)
    ]
    ended = from_state(bench, *names)
    table = pq.read_table(bench.folder / "plan.parquet")

    assert ended.code == 0, ended.err
    ids = table["face_id"].to_pylist()
    assert ids == [face(n) for n in range(1, 9001)]
    assert table["status"].to_pylist() == ["same", "change"] * 4500
    assert table["row_number"].to_pylist() == [*range(1, 4501)] * 2
