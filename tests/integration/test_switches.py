"""What the flags of a run do to it: limits, dry run, strictness, formats."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bench import FACE_SET, Bench, assert_accounted, face, fault, make_rows, meanwhile


def fail_all(bench: Bench, after: int = 0) -> None:
    """Make every update fail from then on."""
    bench.emulator.script([fault("respond", code="FRS.0303", after=after, times=0)])


@pytest.mark.parametrize(
    ("flag", "allowed"), [("0", 0), ("5", 5), ("10%", 20), ("0%", 0)]
)
@pytest.mark.parametrize("concurrency", [1, 16])
def test_max_errors(bench: Bench, flag: str, allowed: int, concurrency: int) -> None:
    """--max-errors stops at the first failure beyond it; what is in flight lands."""
    source = bench.prepare(200)
    fail_all(bench, after=10)
    flags = ("--max-errors", flag, "--concurrency", str(concurrency))
    ended = bench.run(source, *flags, "--output", "json")
    assert ended.code == 4
    assert ended.json["stop"]["name"] == "too_many_errors"
    failed = bench.record().outcomes["failed"]
    assert allowed < failed <= allowed + concurrency
    assert bench.updates == 10 + failed, "nothing starts once it is passed"
    assert bench.record().outcomes["unprocessed"] > 0
    assert ended.json["next_command"] == "batch-updater resume job"
    assert_accounted(bench, {source: make_rows(200)})


def test_max_errors_of_a_resumed_run(bench: Bench) -> None:
    """A resume begins at nought, and a share is of the rows that it has to send."""
    source = bench.prepare(100)
    fail_all(bench)
    flags = ("--max-errors", "20%", "--concurrency", "1")
    assert bench.run(source, *flags).code == 4
    assert bench.record().outcomes["failed"] == 21
    assert bench.command("resume", "job").code == 4
    assert bench.record().outcomes["failed"] == 21 + 16, "79 rows were left"


def test_max_errors_not_reached(bench: Bench) -> None:
    """As many failures as --max-errors allows do not stop the run."""
    source = bench.prepare(20)
    bench.emulator.script([fault("respond", code="FRS.0303", every=4, times=5)])
    assert bench.run(source, "--max-errors", "5").code == 1
    assert bench.record().outcomes == {"updated": 15, "failed": 5}


def test_healed_rows_are_no_errors(bench: Bench) -> None:
    """A row counts against --max-errors only once its retries are spent."""
    source = bench.prepare(20)
    bench.emulator.script([fault("respond", code="FRS.0018", every=2, times=8)])
    assert bench.run(source, "--max-errors", "0").code == 0
    bench.all_fired()


def test_invalid_rows_are_no_errors(bench: Bench) -> None:
    """Rows refused locally do not count against --max-errors."""
    rows = make_rows(6)
    bench.seed([row["face_id"] for row in rows])
    rows[0]["external_fields.age"] = rows[1]["external_fields.age"] = "x"
    assert bench.run(bench.write("faces.csv", rows), "--max-errors", "0").code == 1
    assert bench.record().outcomes == {"updated": 4, "invalid": 2}


def test_max_duration(bench: Bench) -> None:
    """--max-duration stops cleanly with 5; resume needs no new window and finishes."""
    source = bench.prepare(60)
    ended = bench.run(source, "--max-duration", "300ms", "--rate", "50", "-q")
    assert ended.code == 5
    assert 0 < bench.record().outcomes["updated"] < 60
    assert_accounted(bench, {source: make_rows(60)})
    assert bench.command("resume", "job", "--rate", "1000").code == 0
    assert_accounted(bench, {source: make_rows(60)})
    assert set(bench.applied.values()) == {1}


def test_a_window_that_ends_with_the_last_row_in_flight(bench: Bench) -> None:
    """Exit 5 means that work is left: when the last answers still come, there is none."""
    source = bench.prepare(3)
    bench.emulator.script([fault("delay", seconds=0.9, times=0)])
    ended = bench.run(source, "--max-duration", "400ms", "--output", "json")
    assert bench.record().outcomes == {"updated": 3}
    assert (ended.code, ended.json["stop"]) == (0, None)


@pytest.mark.parametrize("command", ["run", "export"])
def test_max_duration_before_the_first_row(bench: Bench, command: str) -> None:
    """A service that asks for an hour at the start does not outlast the window."""
    source = bench.prepare(3)
    busy = {"Retry-After": "3600"}
    bench.emulator.script(
        [fault("respond", operation="ShowFaceSet", code="FRS.0033", headers=busy)]
    )
    what = {"run": ("run", source), "export": ("export", FACE_SET, "-o", "faces.csv")}
    target = bench.target if command == "run" else bench.target[:-2]
    ended = bench.command(*what[command], *target, "--max-duration", "300ms")
    assert ended.code == 5, ended
    assert "--max-duration" in ended.err


@pytest.mark.parametrize("trouble", ["invalid", "duplicate"])
def test_on_invalid_stop(bench: Bench, trouble: str) -> None:
    """--on-invalid stop sends nothing when one row breaks a rule: exit 2."""
    rows = make_rows(20)
    bench.seed([row["face_id"] for row in rows])
    if trouble == "invalid":
        rows[12]["external_fields.age"] = "x"
    else:
        rows[12]["face_id"] = rows[3]["face_id"]
    ended = bench.run(bench.write("faces.csv", rows), "--on-invalid", "stop")
    assert ended.code == 2
    assert "row 13" in ended.err
    assert bench.updates == 0
    assert not bench.record().path.exists()


def test_dry_run(bench: Bench) -> None:
    """--dry-run says what it would send, sends no update and leaves no file behind."""
    rows = make_rows(20)
    rows[3]["external_fields.age"] = "x"
    source = bench.write("faces.csv", rows)
    before = sorted(bench.folder.rglob("*"))
    ended = bench.run(source, "--dry-run")
    assert ended.code == 1
    assert "19 rows would be sent" in ended.out
    assert sorted(bench.folder.rglob("*")) == before
    assert bench.emulator.witness.by_operation == {"ShowFaceSet": 1}
    told = bench.run(source, "--dry-run", "--output", "json").json
    assert (told["read"], told["clean"], told["invalid"]) == (20, 19, 1)


def test_check_sends_nothing(bench: Bench) -> None:
    """`check` needs no service; it counts, names rules and rows, and exits 1 or 0."""
    rows = make_rows(20)
    good = bench.write("good.csv", rows)
    rows[3]["external_fields.age"] = ""
    bad = bench.write("bad.csv", rows)
    assert bench.command("check", good).code == 0
    ended = bench.command("check", bad, "--invalid-csv", "why.csv")
    assert ended.code == 1
    assert "nothing_to_update" in ended.out
    assert "bad.csv row 4" in ended.out
    assert Path("why.csv").read_text().count("\n") == 2
    assert bench.emulator.witness.requests == 0


def test_check_against_the_face_set(bench: Bench) -> None:
    """--against-face-set checks types that only the service knows: one GET."""
    rows = [{**row, "external_fields.age": "many"} for row in make_rows(3)]
    source = bench.write("faces.csv", rows)
    assert bench.command("check", source).code == 0
    ended = bench.command("check", source, "--against-face-set", *bench.target)
    assert ended.code == 1
    assert bench.emulator.witness.by_operation == {"ShowFaceSet": 1}


def test_strict(bench: Bench) -> None:
    """--strict refuses what is a warning otherwise, and the warning names it."""
    rows = [{**row, "external_fields.team": "R & D"} for row in make_rows(3)]
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    lax = bench.run(source)
    assert lax.code == 0
    assert "string_charset: 3 values" in lax.err
    assert bench.stored(face(1))["team"] == "R & D"
    strict = bench.run(source, "--strict", "--run-dir", "strict")
    assert strict.code == 1
    assert bench.record("strict").outcomes == {"invalid": 3}


def test_values_are_left_out(bench: Bench) -> None:
    """Results carry a hash instead of values, unless --include-values is given."""
    rows = [{**row, "external_fields.team": "canary-value"} for row in make_rows(3)]
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    assert bench.run(source).code == 0
    for file in Path("job").iterdir():
        assert b"canary-value" not in file.read_bytes(), file
    assert bench.run(source, "--run-dir", "with", "--include-values").code == 0
    payload = json.loads(bench.record("with").row(2)["payload"])
    assert payload == {
        "face_id": face(2),
        "external_fields": {"age": 2, "team": "canary-value"},
    }
    hashes = [
        [row["payload_sha256"] for row in bench.record(name).results]
        for name in ("job", "with")
    ]
    assert hashes[0] == hashes[1]


def test_results_as_parquet(bench: Bench) -> None:
    """results.parquet has the columns and rows of results.csv, with types."""
    source = bench.prepare(10)
    bench.emulator.script([fault("respond", code="FRS.0303", face_id=face(4), times=0)])
    assert bench.run(source, "--results-format", "parquet").code == 1
    assert not Path("job/results.csv").exists()
    table = pq.read_table("job/results.parquet")
    assert table.column("row_number").to_pylist() == list(range(1, 11))
    assert table.column("attempts").to_pylist() == [1] * 10
    assert table.column("outcome").to_pylist().count("failed") == 1
    assert bench.command("results", "job", "--results-format", "csv").code == 0
    assert not Path("job/results.parquet").exists()
    assert list(bench.record().results[0]) == table.column_names
    assert Path("job/failed.csv").stat().st_mode & 0o777 == 0o600


def test_parquet_input(bench: Bench) -> None:
    """A Parquet input ends like a CSV one, and its failed.csv goes back to run."""
    import pandas as pd

    rows = make_rows(10)
    bench.seed([row["face_id"] for row in rows])
    frame = pd.DataFrame(rows).astype({"external_fields.age": "int32"})
    frame.to_parquet("faces.parquet")
    bench.emulator.script([fault("respond", code="FRS.0303", every=5, times=2)])
    assert bench.run("faces.parquet").code == 1
    assert_accounted(bench, {"faces.parquet": rows})
    assert bench.run("job/failed.csv", "--run-dir", "second").code == 0
    assert set(bench.applied) == {row["face_id"] for row in rows}


@pytest.mark.parametrize("how", ["cut", "gone"])
def test_input_changes_while_it_is_sent(bench: Bench, how: str) -> None:
    """An input that changes midway loses no outcome, and is never exit 0 or 2."""
    rows = make_rows(3000)
    bench.seed([row["face_id"] for row in rows])
    for part in range(3):
        bench.write(f"{part}.csv", rows[part * 1000 : part * 1000 + 1000])
    late = Path("2.csv")
    content = late.read_bytes()

    def spoil() -> None:
        if how == "gone":
            late.unlink()
        else:
            late.write_bytes(content[:20])

    names = ("0.csv", "1.csv", "2.csv")
    bench.emulator.script([fault("stall", seconds=0.2, after=100)])
    with meanwhile(lambda: bench.updates > 20, spoil):
        ended = bench.run(*names, "--rate", "2000", "--concurrency", "4")
    assert ended.code in {1, 4}
    assert ended.code == 4 or how == "cut"
    record = bench.record()
    assert record.summary["read"] == 3000
    assert record.outcomes["unprocessed"] == 1000
    assert "2.csv" in record.summary["note"]
    late.write_bytes(content)
    assert bench.command("resume", "job").code == 0
    assert record.outcomes == {"updated": 3000}
    assert set(bench.applied.values()) == {1}


def test_print_config(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """--print-config shows each value with its origin, masks the token, does nothing."""
    Path("batch-updater.toml").write_text(
        'rate = 20\nconcurrency = 4\n[profile.night]\nrate = 30\nface-set = "n"\n'
    )
    monkeypatch.setenv("BATCH_UPDATER_CONCURRENCY", "8")
    monkeypatch.setenv("BATCH_UPDATER_TOKEN", "CANARY-token")
    flags = ("--profile", "night", "--timeout", "3s", "--print-config")
    project = ("--project-id", bench.emulator.project_id)
    told = bench.command("run", "nowhere.csv", *flags, *project)
    assert told.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in told.out.splitlines()}
    assert lines["rate"] == ["30", "batch-updater.toml", "[profile.night]"]
    assert lines["concurrency"] == ["8", "environment"]
    assert lines["timeout"] == ["3s", "flag"]
    assert lines["max-attempts"] == ["6", "default"]
    assert lines["token"][0] == "***"
    assert lines["project-id"] == [bench.emulator.project_id, "flag"]
    assert "CANARY" not in told.out + told.err
    assert bench.emulator.witness.requests == 0
