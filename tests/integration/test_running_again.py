"""Resume, retry and failed.csv: what was done stays done, and the rest gets done."""

import fcntl
import json
import os
import shlex
from pathlib import Path

import pytest
from bench import Bench, assert_accounted, face, fault, make_rows


def fail(bench: Bench, *numbers: int, code: str = "FRS.0303", times: int = 0) -> None:
    """Make the updates of these rows' faces fail."""
    bench.emulator.script(
        [
            fault("respond", name=str(n), code=code, face_id=face(n), times=times)
            for n in numbers
        ]
    )


def stop_after(bench: Bench, done: int, rows: int) -> str:
    """Leave a run in `job` that was refused after so many rows."""
    source = bench.prepare(rows)
    bench.emulator.script([fault("respond", code="FRS.0202", after=done, times=0)])
    assert bench.run(source).code == 3
    bench.emulator.script([])
    return source


def test_failed_csv_goes_back(bench: Bench) -> None:
    """failed.csv is the input's own columns and goes back to run unchanged."""
    source = bench.prepare(10)
    fail(bench, 3, 8)
    assert bench.run(source).code == 1
    failed = bench.record().view("failed")
    own = [{k: v for k, v in row.items() if not k.startswith("_")} for row in failed]
    assert own == [make_rows(10)[2], make_rows(10)[7]]
    assert list(failed[0])[:3] == list(make_rows(1)[0])
    bench.emulator.script([])
    again = bench.run("job/failed.csv", "--run-dir", "second")
    assert again.code == 0
    assert bench.record("second").outcomes == {"updated": 2}
    assert bench.applied == {face(n): 1 for n in range(1, 11)}


def test_failed_csv_of_a_failed_csv(bench: Bench) -> None:
    """The failed.csv of a failed.csv looks like the first, and goes back again."""
    source = bench.prepare(10)
    fail(bench, 3, 8)
    assert bench.run(source).code == 1
    assert bench.run("job/failed.csv", "--run-dir", "second").code == 1
    first, second = (bench.record(name).view("failed") for name in ("job", "second"))
    assert [list(row) for row in second] == [list(row) for row in first]
    assert [row["note"] for row in second] == [row["note"] for row in first]
    bench.emulator.script([])
    assert bench.run("second/failed.csv", "--run-dir", "third").code == 0
    assert bench.record("third").outcomes == {"updated": 2}


def test_unprocessed_csv_goes_back(bench: Bench) -> None:
    """unprocessed.csv is in the input's form too and may be run instead of a resume."""
    stop_after(bench, 4, 10)
    assert bench.run("job/unprocessed.csv", "--run-dir", "second").code == 0
    assert bench.record("second").outcomes == {"updated": 6}
    assert set(bench.applied.values()) == {1}


def test_retry(bench: Bench) -> None:
    """Retry sends the failed rows alone, keeps their row numbers and names its parent."""
    source = bench.prepare(20)
    fail(bench, 3, 8, 15)
    assert bench.run(source).code == 1
    fail(bench, 8)
    ended = bench.command("retry", "job", "--run-dir", "second", "--output", "json")
    assert ended.code == 1
    record = bench.record("second")
    told = {row["row_number"]: row["outcome"] for row in record.results}
    assert told == {"3": "updated", "8": "failed", "15": "updated"}
    assert ended.json["read"] == 3
    assert record.manifest["parent"] == str(Path("job").absolute())
    bench.emulator.script([])
    assert bench.command("retry", "second", "--run-dir", "third").code == 0
    assert [row["row_number"] for row in bench.record("third").results] == ["8"]
    assert bench.record("third").manifest["parent"] == str(Path("second").absolute())
    assert set(bench.applied.values()) == {1}
    assert bench.record().outcomes["failed"] == 3  # the parent stays as it was


def test_retry_leaves_invalid_rows(bench: Bench) -> None:
    """Retry does not send what was refused locally, nor count it."""
    rows = make_rows(6)
    bench.seed([row["face_id"] for row in rows])
    rows[1]["external_fields.age"] = "x"
    source = bench.write("faces.csv", rows)
    fail(bench, 4)
    assert bench.run(source).code == 1
    bench.emulator.script([])
    ended = bench.command("retry", "job", "--run-dir", "second", "--output", "json")
    assert (ended.code, ended.json["read"]) == (0, 1)


def test_retry_announces_what_it_sends(bench: Bench) -> None:
    """What retry says beforehand is about the failed rows, not about all of them."""
    source = bench.prepare(50)
    fail(bench, 3)
    assert bench.run(source, "--rate", "1000").code == 1
    ended = bench.command("retry", "job", "--run-dir", "second", "--rate", "10")
    assert "1 row takes about" in ended.err
    dry = bench.command("retry", "job", "--run-dir", "third", "--dry-run")
    assert "1 row would be sent" in dry.out
    assert not bench.record("third").path.exists()


def test_retry_of_nothing(bench: Bench) -> None:
    """Retry without failed rows sends nothing, is no error, and still prints JSON."""
    assert bench.run(bench.prepare(3)).code == 0
    seen = bench.emulator.witness.requests
    ended = bench.command("retry", "job", "--output", "json")
    assert ended.code == 0
    assert ended.json["read"] == 0
    assert "no row" in ended.err
    assert bench.emulator.witness.requests == seen
    assert bench.command("retry", "job", "-q").err == ""


def test_mended_rows_of_another_run(bench: Bench) -> None:
    """Rows that were mended are not passed over because the wrong run was named."""
    assert bench.run(bench.prepare(3)).code == 0
    ended = bench.command("retry", "job", "--from", "faces.csv")
    assert ended.code == 2
    assert "--from faces.csv: no row of job has failed" in ended.err


def test_retry_of_a_run_that_was_stopped(bench: Bench) -> None:
    """Who types retry for resume is told that rows were not sent."""
    stop_after(bench, 4, 10)
    ended = bench.command("retry", "job")
    assert ended.code == 0
    assert "6 rows without an outcome: batch-updater resume job" in ended.err


def test_resume_of_a_stopped_retry(bench: Bench) -> None:
    """A retry that was stopped resumes its own rows only."""
    source = bench.prepare(30)
    fail(bench, *range(1, 11))
    assert bench.run(source).code == 1
    bench.emulator.script([fault("respond", code="FRS.0202", after=4, times=0)])
    assert bench.command("retry", "job", "--run-dir", "second").code == 3
    bench.emulator.script([])
    assert bench.command("resume", "second").code == 0
    record = bench.record("second")
    assert record.outcomes == {"updated": 10}
    assert record.manifest["parent"] == str(Path("job").absolute())
    assert set(bench.applied.values()) == {1}


def test_resume_after_the_end(bench: Bench) -> None:
    """Resume after the end sends nothing and leaves every file but the views alone."""
    source = bench.prepare(10)
    fail(bench, 5)
    assert bench.run(source).code == 1
    record = bench.record()
    before = (record.journal, record.results, record.manifest, record.summary)
    seen = bench.emulator.witness.requests
    ended = bench.command("resume", "job")
    assert ended.code == 1
    assert "nothing is left" in ended.err
    assert bench.emulator.witness.requests == seen
    assert (record.journal, record.results, record.manifest, record.summary) == before
    assert bench.command("resume", "job", "-q").err == ""


def test_resume_makes_lost_views_again(bench: Bench) -> None:
    """Everything but run.json and the journal can be made again."""
    source = bench.prepare(10)
    fail(bench, 5)
    assert bench.run(source).code == 1
    views = ("results.csv", "failed.csv", "summary.json")
    before = [(bench.folder / "job" / name).read_bytes() for name in views]
    for name in views:
        (bench.folder / "job" / name).unlink()
    assert bench.command("results", "job").code == 0
    assert [(bench.folder / "job" / name).read_bytes() for name in views] == before


def test_totals_after_a_resume(bench: Bench) -> None:
    """Totals of a resumed run come from each row's last outcome, never above the rows."""
    source = stop_after(bench, 7, 20)
    fail(bench, 12)
    ended = bench.command("resume", "job", "--output", "json")
    assert ended.code == 1
    assert (
        ended.json["outcomes"] | {"updated": 19, "failed": 1} == ended.json["outcomes"]
    )
    assert ended.json["read"] == 20
    assert ended.json["stop"] is None
    assert_accounted(bench, {source: make_rows(20)})
    assert bench.record().manifest["state"] == "finished"


def test_resume_keeps_the_beginning(bench: Bench) -> None:
    """A resumed run keeps its id and the time it was created at."""
    stop_after(bench, 7, 20)
    before = bench.record().manifest
    assert bench.command("resume", "job").code == 0
    after = bench.record().manifest
    for key in ("run_id", "created_at", "inputs", "header", "declared"):
        assert after[key] == before[key], key


def test_resume_repeats_the_settings(bench: Bench) -> None:
    """Resume takes settings from the run; a flag overrides, the environment does not."""
    rows = [
        {"who": r["face_id"], "years": r["external_fields.age"]} for r in make_rows(9)
    ]
    bench.seed([row["who"] for row in rows])
    bench.write("faces.csv", rows)
    bench.emulator.script([fault("respond", code="FRS.0202", after=4, times=0)])
    flags = ("--face-id", "who", "--field", "age=years", "--include-values")
    assert bench.run("faces.csv", *flags).code == 3
    bench.emulator.script([])
    os.environ["BATCH_UPDATER_FACE_ID"] = "nobody"
    try:
        ended = bench.command("resume", "job", "--rate", "77", "--output", "json")
    finally:
        del os.environ["BATCH_UPDATER_FACE_ID"]
    assert (ended.code, ended.json["rate"]) == (0, 77.0)
    assert [bench.stored(face(n))["age"] for n in range(1, 10)] == list(range(1, 10))
    assert json.loads(bench.record().row(9)["payload"])["external_fields"] == {"age": 9}


@pytest.mark.parametrize("how", ["edited", "gone", "same size"])
def test_resume_refuses_another_input(bench: Bench, how: str) -> None:
    """Resume refuses an input that changed, exit 2, before anything is sent."""
    source = stop_after(bench, 4, 10)
    file = Path(source)
    content = file.read_bytes()
    match how:
        case "gone":
            file.unlink()
        case "edited":
            file.write_bytes(content + b"face9999,1,one more\r\n")
        case _:
            file.write_bytes(content.replace(b"line, 9", b"line, x"))
    seen = bench.emulator.witness.requests
    ended = bench.command("resume", "job")
    assert ended.code == 2
    assert source in ended.err
    assert bench.emulator.witness.requests == seen
    file.write_bytes(content)
    assert bench.command("resume", "job").code == 0


def test_run_directory_in_use(bench: Bench) -> None:
    """A second process on a run directory is refused with 2 and told why."""
    stop_after(bench, 4, 10)
    seen = bench.emulator.witness.requests
    with Path("job/journal.jsonl").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = bench.command("resume", "job")
    assert ended.code == 2
    assert "in use" in ended.err
    assert bench.emulator.witness.requests == seen


def test_torn_last_line(bench: Bench) -> None:
    """A torn last line is cut; its row is sent again and no other."""
    source = stop_after(bench, 4, 10)
    journal = Path("job/journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b'"updated"' in line]
    head = [line for line in lines if b'"session"' in line]
    journal.write_bytes(b"".join(head + kept)[:-9])
    assert bench.command("resume", "job").code == 0
    assert bench.record().outcomes == {"updated": 10}
    assert sorted(bench.applied.values()) == [1] * 9 + [2]
    assert [row["face_id"] for row in bench.record().results] == [
        row["face_id"] for row in make_rows(10)
    ]
    assert source == bench.record().results[0]["source"]


def test_damaged_journal(bench: Bench) -> None:
    """A damaged line in the middle is refused with file and line, not guessed."""
    stop_after(bench, 4, 10)
    journal = Path("job/journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"{broken\n", *lines[3:]]))
    for command in ("resume", "retry", "results"):
        ended = bench.command(command, "job")
        assert ended.code == 2
        assert "line 3" in ended.err


@pytest.mark.parametrize("command", ["resume", "retry", "results"])
def test_no_run_directory(bench: Bench, command: str) -> None:
    """A folder that is no run directory is refused with 2 and named."""
    Path("empty").mkdir()
    for name in ("empty", "nowhere"):
        ended = bench.command(command, name)
        assert ended.code == 2
        assert name in ended.err


def test_occupied_run_directory(bench: Bench) -> None:
    """A new run never writes into the directory of another one."""
    source = bench.prepare(3)
    assert bench.run(source).code == 0
    before = bench.record().journal
    ended = bench.run(source)
    assert ended.code == 2
    assert "resume job" in ended.err
    assert bench.record().journal == before
    assert bench.updates == 3


def test_next_command_can_be_typed(bench: Bench) -> None:
    """The next command is quoted: a run directory may have a space in its name."""
    source = bench.prepare(3)
    fail(bench, 2, code="FRS.0018")
    words = ("--run-dir", "my job", "--output", "json", "--max-attempts", "1")
    ended = bench.run(source, *words)
    assert ended.json["next_command"] == "batch-updater retry 'my job'"


def test_next_command_says_all_that_is_needed(bench: Bench) -> None:
    """The next command works as it stands: columns, target and all."""
    rows = [
        {"who": row["face_id"], "years": row["external_fields.age"]}
        for row in make_rows(9)
    ]
    bench.seed([row["who"] for row in rows])
    bench.write("faces.csv", rows)
    fail(bench, 4)
    flags = ("--face-id", "who", "--field", "age=years", "--auth", "token")
    ways = ("--proxy", "off", "--iam-endpoint", bench.emulator.url, "--allow-http")
    ended = bench.run("faces.csv", *flags, *ways, "--output", "json")
    words = shlex.split(ended.json["next_command"])
    assert words[:3] == ["batch-updater", "run", "job/failed.csv"]
    assert set(ways) | {"token"} <= set(words)
    bench.emulator.script([])
    assert bench.command(*words[1:], "--run-dir", "second").code == 0
    assert bench.stored(face(4)) == {"age": 4}


@pytest.mark.parametrize("command", ["resume", "retry"])
def test_going_on_from_elsewhere(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A run goes on from another working directory, without its mapping file."""
    rows = [
        {"who": row["face_id"], "years": row["external_fields.age"]}
        for row in make_rows(9)
    ]
    bench.seed([row["who"] for row in rows])
    bench.write("faces.csv", rows)
    Path("map.toml").write_text('face_id = "who"\n[fields]\nage = "years"\n')
    Path("token").write_text(bench.emulator.token)
    monkeypatch.delenv("BATCH_UPDATER_TOKEN")
    code = "FRS.0202" if command == "resume" else "FRS.0303"
    bench.emulator.script([fault("respond", code=code, after=4, times=0)])
    flags = ("--mapping", "map.toml", "--token-file", "token")
    assert bench.run("faces.csv", *flags).code == (3 if command == "resume" else 1)
    bench.emulator.script([])
    Path("map.toml").unlink()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert bench.command(command, "../job").code == 0
    assert set(bench.applied.values()) == {1}
    assert len(bench.applied) == 9
    assert bench.stored(face(9)) == {"age": 9}


def test_one_row_or_face(bench: Bench) -> None:
    """`results` tells a row's or face's story: attempts, code, reason, remedy."""
    source = bench.prepare(10)
    fail(bench, 4)
    assert bench.run(source).code == 1
    for question in (("--row", "4"), ("--face", face(4))):
        ended = bench.command("results", "job", *question)
        assert ended.code == 0
        assert f"{source} row 4, face {face(4)}: failed" in ended.out
        assert "FRS.0303" in ended.out
        assert "do:" in ended.out
    (found,) = bench.command("results", "job", "--row", "2", "--output", "json").json[
        "results"
    ]
    assert (found["face_id"], found["outcome"]) == (face(2), "updated")
    assert bench.command("results", "job", "--face", "nobody").code == 1
    assert bench.command("results", "job", "--row", "11").code == 2
