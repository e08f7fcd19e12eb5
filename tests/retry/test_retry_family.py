"""A run and its retries as one: found again, folded into one truth, told as a story."""

import fcntl
import json
import shutil
from pathlib import Path

import pytest
from bench import Bench, Ended, Record, assert_accounted, face, fault, make_rows

PERMANENT, TRANSIENT = "FRS.0402", "FRS.0018"


def fail(bench: Bench, codes: dict[int, str]) -> None:
    """Make the updates of these rows' faces fail from now on."""
    bench.all_fired()
    bench.emulator.script(
        [
            fault("respond", name=f"{n}", code=code, face_id=face(n), times=0)
            for n, code in codes.items()
        ]
    )


def begin(bench: Bench, codes: dict[int, str], rows: int = 12) -> None:
    """Leave a run in `runs/job` whose rows with these numbers failed."""
    source = bench.prepare(rows)
    fail(bench, codes)
    flags = ("--max-attempts", "1", "--run-dir", "runs/job")
    assert bench.run(source, *flags).code == 1


def retry(bench: Bench, parent: str, name: str, *more: str) -> Ended:
    """Retry a run in `runs` as another one there."""
    flags = ("--run-dir", f"runs/{name}", "--max-attempts", "1", *more)
    return bench.command("retry", f"runs/{parent}", *flags)


def fold(bench: Bench, name: str = "job", *more: str) -> Ended:
    """Fold the family of a run in `runs`."""
    ended = bench.command(
        "results", f"runs/{name}", "--family", "--output", "json", *more
    )
    assert ended.code == 0, ended.err
    told = ended.json
    assert told["read"] == sum(told["outcomes"].values())
    return ended


def outcomes(ended: Ended) -> dict[str, int]:
    """Return the outcomes that occur."""
    return {name: n for name, n in ended.json["outcomes"].items() if n}


def test_one_truth_from_any_member(bench: Bench) -> None:
    """Run, retry and retry of a retry fold into one outcome a row, whoever is asked."""
    begin(bench, {2: TRANSIENT, 5: TRANSIENT, 7: PERMANENT})
    fail(bench, {5: TRANSIENT})
    assert retry(bench, "job", "a", "--class", "transient").code == 1
    assert outcomes(fold(bench)) == {"updated": 10, "failed": 2}
    bench.emulator.script([])
    assert retry(bench, "a", "b").code == 0
    for name in ("job", "a", "b"):
        ended = fold(bench, name)
        assert outcomes(ended) == {"updated": 11, "failed": 1}
        assert ended.json["attempts"] == bench.updates == 12 + 2 + 1
        assert ended.json["run_dir"] == "runs/job/family"
    record = Record(Path("runs/job/family"))
    told = [
        (row["source"], row["row_number"], row["face_id"]) for row in record.results
    ]
    assert told == [("faces.csv", str(n), face(n)) for n in range(1, 13)]
    assert [row["face_id"] for row in record.view("failed")] == [face(7)]
    assert "failed.csv" in fold(bench).json["next_command"]
    assert record.path.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in record.path.iterdir()} == {0o600}


def test_a_retry_says_what_is_left_of_all(bench: Bench) -> None:
    """At three in the morning the last summary tells of the whole family, and what next."""
    begin(bench, {2: TRANSIENT, 5: TRANSIENT, 7: PERMANENT})
    fail(bench, {5: TRANSIENT})
    told = retry(bench, "job", "a", "--class", "transient", "--output", "json").json
    assert "12 rows: updated 10, failed 2" in told["note"]
    assert told["next_command"] == "batch-updater retry runs/a"
    fail(bench, {7: PERMANENT})
    told = retry(bench, "job", "b", "--code", PERMANENT, "--output", "json").json
    assert told["outcomes"]["failed"] == 1
    fail(bench, {})
    told = retry(bench, "b", "c", "--output", "json").json
    assert "12 rows: updated 11, failed 1" in told["note"]
    assert told["next_command"] == "batch-updater retry runs/a"
    told = retry(bench, "a", "d", "--output", "json").json
    assert "12 rows: updated 12" in told["note"]
    assert told["next_command"] == ""
    assert outcomes(fold(bench)) == {"updated": 12}


def test_a_stopped_retry_is_to_be_resumed(bench: Bench) -> None:
    """Rows that a retry has not come to stay failed, and the next word is resume."""
    begin(bench, dict.fromkeys(range(1, 7), TRANSIENT))
    bench.emulator.script([fault("respond", code="FRS.0202", after=2, times=0)])
    assert retry(bench, "job", "a", "--concurrency", "1").code == 3
    ended = fold(bench)
    assert outcomes(ended) == {"updated": 8, "failed": 3, "unprocessed": 1}
    assert ended.json["next_command"] == "batch-updater resume runs/a"
    fail(bench, {6: TRANSIENT})
    assert bench.command("resume", "runs/a").code == 1
    ended = fold(bench)
    assert outcomes(ended) == {"updated": 11, "failed": 1}
    assert ended.json["next_command"] == "batch-updater retry runs/a"


def test_a_stopped_root_is_to_be_resumed(bench: Bench) -> None:
    """A root that has not come to its end is resumed, and its late outcomes count."""
    source = bench.prepare(12)
    bench.emulator.script(
        [
            fault("respond", name="no", code=PERMANENT, face_id=face(2)),
            fault("respond", name="stop", code="FRS.0202", after=7, times=0),
        ]
    )
    flags = ("--concurrency", "1", "--run-dir", "runs/job")
    assert bench.run(source, *flags).code == 3
    bench.emulator.script([])
    told = retry(bench, "job", "a", "--output", "json").json
    assert told["next_command"] == "batch-updater resume runs/job"
    assert bench.command("resume", "runs/job").code == 1  # the row failed in it
    ended = fold(bench, "a")
    assert outcomes(ended) == {"updated": 12}
    assert ended.json["next_command"] == ""


def test_what_a_retry_has_updated_is_not_sent_again(bench: Bench) -> None:
    """A second retry of the same run leaves out what the first has updated since."""
    begin(bench, {2: TRANSIENT, 5: PERMANENT})
    fail(bench, {})
    assert retry(bench, "job", "a", "--class", "permanent").code == 0
    ended = retry(bench, "job", "b")
    assert ended.code == 0
    assert "1 row left out, which a retry has updated or mended since" in ended.err
    assert [row["row_number"] for row in bench.record("runs/b").results] == ["2"]
    ended = retry(bench, "job", "c")
    assert ended.code == 0
    assert "no row of runs/job is left that has failed" in ended.err
    assert not Path("runs/c").exists()


def test_what_was_mended_is_not_sent_as_it_was(bench: Bench) -> None:
    """A mended row that failed again is its retry's to send, not the first run's."""
    begin(bench, {2: TRANSIENT, 5: PERMANENT})
    fail(bench, {5: TRANSIENT, 2: TRANSIENT})
    edited = mend(bench, "job", row5="55")
    assert retry(bench, "job", "a", "--from", edited).code == 1
    fail(bench, {})
    ended = retry(bench, "job", "b")
    assert ended.code == 0
    assert "no row of runs/job is left" in ended.err
    assert retry(bench, "a", "b").code == 0
    assert bench.stored(face(5))["age"] == 55


def test_two_retries_side_by_side(bench: Bench) -> None:
    """Of two retries of the same rows at once, what ended last is the truth."""
    begin(bench, {2: TRANSIENT, 5: TRANSIENT})
    fail(bench, {2: TRANSIENT})
    assert retry(bench, "job", "a").code == 1
    with Path("runs/a/journal.jsonl").open("rb") as held:  # as if it went on
        fcntl.flock(held, fcntl.LOCK_EX)
        fail(bench, {5: TRANSIENT})
        ended = retry(bench, "job", "b")
    assert ended.code == 1
    assert "is not known: runs/a is in use" in ended.err
    fail(bench, {})
    ended = fold(bench)
    assert outcomes(ended) == {"updated": 11, "failed": 1}
    assert Record(Path("runs/job/family")).row(5)["outcome"] == "failed"
    assert ended.json["next_command"] == "batch-updater retry runs/b"


def mend(bench: Bench, parent: str, **ages: str) -> str:
    """Mend ages in the failed.csv of a run in `runs`, by row number."""
    rows = Record(Path("runs") / parent).view("failed")
    for row in rows:
        number = row["face_id"].removeprefix("face").lstrip("0")
        row["external_fields.age"] = ages.get(f"row{number}", number)
    return bench.write("edited.csv", list(reversed(rows)))


def test_mended_rows_stand_in_the_views(bench: Bench) -> None:
    """A mended row that failed again is shown as it was mended, and by the root's number."""
    begin(bench, {2: PERMANENT, 5: PERMANENT, 9: PERMANENT})
    fail(bench, {5: PERMANENT})
    edited = mend(bench, "job", row5="55", row9="x")
    assert retry(bench, "job", "a", "--from", edited).code == 1
    fail(bench, {})
    ended = fold(bench)
    assert outcomes(ended) == {"updated": 10, "failed": 1, "invalid": 1}
    record = Record(Path("runs/job/family"))
    told = [
        (row["face_id"], row["external_fields.age"]) for row in record.view("failed")
    ]
    assert told == [(face(5), "55")]
    assert [row["external_fields.age"] for row in record.view("invalid")] == ["x"]
    assert (record.row(5)["source"], record.row(9)["outcome"]) == (
        "faces.csv",
        "invalid",
    )
    (Path("runs/a") / "mended.csv").unlink()
    note = fold(bench).json["note"]
    assert "mended.csv" in note
    assert [row["external_fields.age"] for row in record.view("failed")] == ["5"]


@pytest.mark.parametrize("where", ["elsewhere", "deeper/still"])
def test_a_family_that_moved(bench: Bench, where: str) -> None:
    """Members know one another by their ids: the folder may move, and they be renamed."""
    begin(bench, {2: PERMANENT, 5: PERMANENT})
    fail(bench, {5: PERMANENT})
    assert retry(bench, "job", "a", "--from", mend(bench, "job", row2="22")).code == 1
    fail(bench, {})
    assert retry(bench, "a", "b").code == 0
    Path(where).mkdir(parents=True)
    for old, new in (("job", "one"), ("a", "a"), ("b", "three")):
        Path("runs", old).rename(Path(where, new))
    Path("runs").rmdir()
    ended = bench.command("results", f"{where}/three", "--family", "--output", "json")
    assert ended.code == 0, ended.err
    assert outcomes(ended) == {"updated": 12}
    assert ended.json["run_dir"] == f"{where}/one/family"
    assert ended.json["note"] == ""


def test_a_retry_whose_parent_keeps_the_rows_moves_with_it(bench: Bench) -> None:
    """A retry of a mended retry finds the rows beside it when both were moved."""
    begin(bench, {2: TRANSIENT, 5: TRANSIENT})
    fail(bench, {5: TRANSIENT})
    assert retry(bench, "job", "a", "--from", mend(bench, "job")).code == 1
    bench.emulator.script([fault("respond", code="FRS.0202")])
    assert retry(bench, "a", "b").code == 3
    bench.emulator.script([])
    Path("runs").rename("moved")
    ended = bench.command("resume", "moved/b")
    assert ended.code == 0, ended.err
    assert bench.record("moved/b").outcomes == {"updated": 1}


def test_members_that_are_gone(bench: Bench) -> None:
    """A member that is gone is named; what it did is not known; the root has to be there."""
    begin(bench, {2: TRANSIENT, 5: TRANSIENT})
    fail(bench, {5: TRANSIENT})
    assert retry(bench, "job", "a").code == 1
    fail(bench, {})
    assert retry(bench, "a", "b").code == 0
    shutil.rmtree("runs/a")
    ended = fold(bench)
    assert outcomes(ended) == {"updated": 11, "failed": 1}
    assert "runs/a is not there now, of which runs/b is a retry" in ended.json["note"]
    Path("kept").mkdir()
    Path("runs/job").rename("kept/job")
    ended = bench.command("results", "runs/b", "--family")
    assert ended.code == 2
    assert "DIRECTORY --family" in ended.err
    told = bench.command(
        "results", "runs/b", "kept/job", "--family", "--output", "json"
    )
    assert outcomes(told) == {"updated": 11, "failed": 1}


def test_runs_of_others_stay_out(bench: Bench) -> None:
    """Runs beside a family that are none of it do not count; a damaged one is named."""
    begin(bench, {2: TRANSIENT})
    fail(bench, {})
    assert retry(bench, "job", "a").code == 0
    assert bench.run("faces.csv", "--run-dir", "runs/other").code == 0
    Path("runs/broken").mkdir()
    Path("runs/broken/run.json").write_text("{")
    shutil.copytree("runs/a", "runs/copy")
    ended = fold(bench)
    assert outcomes(ended) == {"updated": 12}
    assert ended.json["attempts"] == 13
    note = ended.json["note"]
    assert "runs/broken was left out" in note
    assert "runs/copy is the same run as runs/a" in note


def test_a_retry_of_an_older_version(bench: Bench) -> None:
    """A retry that names no more than its parent's directory is one of the family."""
    begin(bench, {2: TRANSIENT})
    fail(bench, {})
    assert retry(bench, "job", "a").code == 0
    manifest = json.loads(Path("runs/a/run.json").read_bytes())
    del manifest["parent_run"], manifest["root_run"]
    Path("runs/a/run.json").write_text(json.dumps(manifest))
    lines = Path("runs/a/journal.jsonl").read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b'"kind":"retry"' not in line]
    Path("runs/a/journal.jsonl").write_bytes(b"".join(kept))
    assert outcomes(fold(bench, "a")) == {"updated": 12}
    Path("runs").rename("moved")
    ended = bench.command("results", "moved/job", "--family", "--output", "json")
    assert outcomes(ended) == {"updated": 12}


def test_a_member_in_use(bench: Bench) -> None:
    """A member that another process writes to is refused; readers are no trouble."""
    begin(bench, {2: TRANSIENT})
    fail(bench, {})
    assert retry(bench, "job", "a").code == 0
    with Path("runs/a/journal.jsonl").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = bench.command("results", "runs/job", "--family")
        assert ended.code == 2
        assert "in use" in ended.err
        note = retry(bench, "job", "b", "--output", "json").json["note"]
        assert "in use" in note
    with Path("runs/a/journal.jsonl").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        fold(bench)


def test_an_export_has_no_family(bench: Bench) -> None:
    """An export is refused: nothing of it is sent again."""
    bench.seed([face(1)])
    flags = ("--to", "faces.csv", "--run-dir", "runs/export", *bench.target[:-2])
    assert bench.command("export", "staff", *flags).code == 0
    ended = bench.command("results", "runs/export", "--family")
    assert ended.code == 2
    assert "is an export" in ended.err


def test_a_retry_made_elsewhere(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry in a folder of its own finds its parent from wherever it is asked."""
    begin(bench, {2: TRANSIENT})
    fail(bench, {})
    assert bench.command("retry", "runs/job", "--run-dir", "other/a").code == 0
    Path("home").mkdir()
    monkeypatch.chdir("home")
    ended = bench.command("results", "../other/a", "--family", "--output", "json")
    assert ended.code == 0, ended.err
    assert outcomes(ended) == {"updated": 12}


def test_where_the_views_go(bench: Bench) -> None:
    """--to says another folder, which is no run; the words of --family need it."""
    begin(bench, {2: TRANSIENT})
    assert fold(bench, "job", "--to", "deep/er").json["run_dir"] == "deep/er"
    assert Record(Path("deep/er")).outcomes == {"updated": 11, "failed": 1}
    assert Path("deep").stat().st_mode & 0o777 == 0o700
    Path("shared").mkdir()
    Path("shared").chmod(0o755)
    fold(bench, "job", "--to", "shared")
    assert Path("shared").stat().st_mode & 0o777 == 0o755  # it is not ours
    assert Path("shared/failed.csv").stat().st_mode & 0o777 == 0o600
    for words, said in (
        (("runs/job", "--family", "--to", "runs/job"), "is a run"),
        (("runs/job", "--family", "--to", "faces.csv"), "cannot make the folder"),
        (("runs/job", "--to", "x"), "is for --family"),
        (("runs/job", "runs/job"), "is for --family"),
        (("runs/job", "nowhere", "--family"), "nowhere"),
        (("runs/job", "--family", "--row", "13"), "rows go from 1 to 12"),
    ):
        ended = bench.command("results", *words)
        assert ended.code == 2, words
        assert said in ended.err


def test_the_input_is_gone(bench: Bench) -> None:
    """Without the root's input the outcomes are told all the same."""
    begin(bench, {2: TRANSIENT})
    fail(bench, {})
    assert retry(bench, "job", "a").code == 0
    Path("faces.csv").unlink()
    ended = fold(bench)
    assert outcomes(ended) == {"updated": 12}
    assert "faces.csv" in ended.json["note"]


def test_the_story_of_a_row(bench: Bench) -> None:
    """A row's story goes over all members, in order of time, each with its name."""
    begin(bench, {2: PERMANENT, 5: PERMANENT})
    fail(bench, {5: PERMANENT})
    assert retry(bench, "job", "a", "--from", mend(bench, "job", row5="55")).code == 1
    fail(bench, {})
    assert retry(bench, "a", "b").code == 0
    for words in (("--row", "5"), ("--face", face(5))):
        ended = bench.command("results", "runs/b", "--family", *words)
        assert ended.code == 0
        heads = [x for x in ended.out.splitlines() if not x.startswith("  ")]
        row = f"faces.csv row 5, face {face(5)}: "
        assert heads == [
            "in runs/job",
            row + "failed",
            "in runs/a",
            row + "failed",
            "in runs/b",
            row + "updated",
        ]
    told = bench.command(
        "results", "runs/job", "--family", "--row", "2", "--output", "json"
    ).json["results"]
    assert [(each["run"], each["outcome"]) for each in told] == [
        ("runs/job", "failed"),
        ("runs/a", "updated"),
    ]
    ended = bench.command("results", "runs/job", "--family", "--face", "nobody")
    assert ended.code == 1
    assert "no outcome" in ended.out


def test_a_row_that_goes_along_is_open_until_it_went(bench: Bench) -> None:
    """When a retry dies between an older row and a newer one, the newer is not done."""
    rows = make_rows(6)
    rows[4]["face_id"] = face(2)
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    bench.emulator.script([fault("respond", code=TRANSIENT, face_id=face(2))])
    flags = ("--on-duplicate", "in-order", "--max-attempts", "1")
    assert bench.run(source, *flags, "--run-dir", "runs/job").code == 1
    bench.emulator.script([fault("respond", code="FRS.0202", after=1, times=0)])
    assert retry(bench, "job", "a").code == 3
    fail(bench, {})
    assert bench.stored(face(2))["age"] == 2
    ended = fold(bench)
    assert outcomes(ended) == {"updated": 5, "unprocessed": 1}
    assert Record(Path("runs/job/family")).row(5)["outcome"] == "unprocessed"
    assert ended.json["next_command"] == "batch-updater resume runs/a"
    assert bench.command("resume", "runs/a").code == 0
    assert bench.stored(face(2))["age"] == 5
    assert outcomes(fold(bench)) == {"updated": 6}


def test_a_row_that_may_have_been_applied_stays_so(bench: Bench) -> None:
    """A row that had no answer in one run is ambiguous in the family's results."""
    source = bench.prepare(3)
    bench.emulator.script([fault("reset-after-commit", face_id=face(2))])
    flags = ("--max-attempts", "1", "--run-dir", "runs/job")
    assert bench.run(source, *flags).code == 1
    fail(bench, {})
    assert retry(bench, "job", "a").code == 0
    assert fold(bench).json["ambiguous"] == 1
    row = Record(Path("runs/job/family")).row(2)
    assert (row["outcome"], row["ambiguous"]) == ("updated", "True")


def test_the_root_alone_is_a_family(bench: Bench) -> None:
    """A run without retries folds into itself."""
    begin(bench, {2: TRANSIENT}, 5)
    assert_accounted(bench, {"faces.csv": make_rows(5)}, "runs/job")
    fold(bench)
    family, alone = (Record(Path("runs", name)) for name in ("job/family", "job"))
    assert family.results == alone.results
    assert family.view("failed") == alone.view("failed")
    assert family.summary["next_command"] == alone.summary["next_command"]
