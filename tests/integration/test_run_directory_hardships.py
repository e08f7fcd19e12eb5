"""Run directories in trouble: no room, no journal, moved, damaged, in use, killed."""

import errno
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench import FACE_SET, Bench, face, fault, make_rows

from batch_updater.files.run_dir import RunDirectory


def no_room(*arguments: object, **more: object) -> None:
    """Fail as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def stop_after(bench: Bench, done: int, rows: int) -> str:
    """Leave a run in `job` that was refused after so many rows."""
    source = bench.prepare(rows)
    bench.emulator.script([fault("respond", code="FRS.0202", after=done, times=0)])
    assert bench.run(source).code == 3
    bench.emulator.script([])
    return source


def fail_some(bench: Bench, rows: int = 4) -> str:
    """Leave a run in `job` with a failed row 2 and an invalid row 3."""
    content = make_rows(rows)
    bench.seed([row["face_id"] for row in content])
    content[2]["external_fields.age"] = "x"
    source = bench.write("faces.csv", content)
    bench.emulator.script([fault("respond", code="FRS.0303", face_id=face(2))])
    assert bench.run(source).code == 1
    bench.emulator.script([])
    return source


# Inputs are never written


@pytest.mark.parametrize("how", ["itself", "hard link", "symbolic link", "temporary"])
def test_invalid_csv_is_no_input(bench: Bench, how: str) -> None:
    """`check` refuses to overwrite what it reads, by whatever name."""
    rows = make_rows(3)
    rows[1]["external_fields.age"] = "\u00e9 x"
    name = ".other.csv.new" if how == "temporary" else "faces.csv"
    source = bench.write(name, rows)
    before = Path(source).read_bytes()
    match how:
        case "hard link":
            Path("other.csv").hardlink_to(source)
        case "symbolic link":
            Path("other.csv").symlink_to(source)
        case _:
            pass
    target = source if how == "itself" else "other.csv"
    files = sorted(Path().iterdir())
    words = (
        "check",
        source,
        "--format",
        "csv",
        "--field",
        "age:integer=external_fields.age",
    )
    ended = bench.command(*words, "--invalid-csv", target)
    assert ended.code == 2
    assert "is an input" in ended.err
    assert Path(source).read_bytes() == before
    assert sorted(Path().iterdir()) == files


def test_invalid_csv_of_no_refused_rows(bench: Bench) -> None:
    """An empty answer is a CSV too, with its header, and private."""
    source = bench.prepare(3)
    assert bench.command("check", source, "--invalid-csv", "bad.csv").code == 0
    own = ",".join(make_rows(1)[0])
    assert Path("bad.csv").read_text() == f"{own},_rule,_column,_message\n"
    assert Path("bad.csv").stat().st_mode & 0o777 == 0o600


def test_invalid_csv_is_no_folder(bench: Bench) -> None:
    """A target that is there and no file is refused, and nothing is left of it."""
    source = bench.prepare(3)
    Path("bad").mkdir()
    ended = bench.command("check", source, "--invalid-csv", "bad")
    assert ended.code == 2
    assert "bad: it is not a regular file" in ended.err
    assert not list(Path().glob(".*"))


# Views


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_views_outlive_the_input(bench: Bench, how: str) -> None:
    """Without the input the views that need it stay, and the note says so."""
    source = fail_some(bench)
    views = [Path("job") / name for name in ("failed.csv", "invalid.csv")]
    before = [view.read_bytes() for view in views]
    if how == "gone":
        Path(source).unlink()
    else:
        Path(source).write_text("face_id,external_fields.age\nface0001,1\n")
    ended = bench.command("results", "job")
    assert ended.code == 0
    assert [view.read_bytes() for view in views] == before
    assert "failed.csv, invalid.csv: kept from before" in ended.out
    assert len(bench.record().results) == 4


def test_nested_parquet_goes_back(bench: Bench) -> None:
    """A struct with a null, a map and large numbers are sent again as they were."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    big = 2**53 + 1
    fields = {"age": "integer", "big": "long", "team": "string", "top": "long"}
    bench.emulator.state.add_face_set("wide", external_fields=fields)
    faces = [face(n) for n in range(1, 4)]
    bench.emulator.state.seed_faces("wide", [{"face_id": f} for f in faces])
    struct = pa.struct(
        [("age", pa.int32()), ("big", pa.int64()), ("team", pa.string())]
    )
    cells: list[Any] = [
        {"age": 1, "big": big, "team": None},
        {"age": None, "big": None, "team": "\u5f20"},
        {"age": 2, "big": 2**63 - 1, "team": "a"},
    ]
    pairs: list[Any] = [[("big", big)], [("big", None), ("age", 7)], [("age", 1)]]
    top = pa.array([big, None, -big], pa.int64())
    tables = {
        "struct": pa.array(cells, struct),
        "map": pa.array(pairs, pa.map_(pa.string(), pa.int64())),
    }
    for name, column in tables.items():
        table = {"face_id": faces, "external_fields": column}
        table["external_fields.top"] = top
        pq.write_table(pa.table(table), f"{name}.parquet")
        bench.emulator.script([fault("respond", code="FRS.0303", times=0)])
        flags = ("--face-set", "wide", "--include-values", "--run-dir")
        assert bench.run(f"{name}.parquet", *flags, name).code == 1
        assert bench.record(name).outcomes == {"failed": 3}
        bench.emulator.script([])
        again = f"{name}-again"
        assert bench.run(f"{name}/failed.csv", *flags, again).code == 0
        sent, sent_again = (
            [json.loads(row["payload"]) for row in bench.record(run).results]
            for run in (name, again)
        )
        assert sent == sent_again
        assert str(big) in bench.record(again).results[0]["payload"]


@pytest.mark.parametrize("at", ["results.csv", "summary.json", "run.json"])
def test_no_room_for_views(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """A run whose views cannot be written ends with 4; `results` makes them later."""
    source = bench.prepare(3)
    save = RunDirectory.write_manifest
    saved: list[object] = []

    def second(directory: RunDirectory, manifest: Any) -> None:
        saved.append(manifest)
        if len(saved) > 1:
            no_room()
        save(directory, manifest)

    match at:
        case "results.csv":
            monkeypatch.setattr("batch_updater.views.open_views", no_room)
        case "summary.json":
            monkeypatch.setattr(RunDirectory, "write_json", no_room)
        case _:
            monkeypatch.setattr(RunDirectory, "write_manifest", second)
    ended = bench.run(source)
    assert ended.code == 4
    assert "No space left on device" in ended.err
    assert "batch-updater results job" in ended.err
    monkeypatch.undo()
    os.chdir(bench.folder)
    assert bench.command("results", "job").code == 0
    assert bench.record().outcomes == {"updated": 3}


def test_a_folder_where_results_should_be(bench: Bench) -> None:
    """What is in the way of a view is named: 4 for a run, 2 for `results`."""
    source = stop_after(bench, 1, 3)
    Path("job/results.csv").unlink()
    Path("job/results.csv").mkdir()
    resumed, again = bench.command("resume", "job"), bench.command("results", "job")
    assert (resumed.code, again.code) == (4, 2)
    for ended in (resumed, again):
        assert "job/results.csv: Is a directory" in ended.err
        assert "batch-updater results job" in ended.err
    assert not list(Path("job").glob(".*"))
    Path("job/results.csv").rmdir()
    assert bench.command("results", "job").code == 0
    assert bench.record().outcomes == {"updated": 3}
    assert len(bench.applied) == 3
    assert source == bench.record().results[0]["source"]


# Beginnings


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("error", [no_room, lambda *a, **k: 1 / 0])
def test_a_run_that_cannot_begin(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    there: bool,
    error: Callable[..., object],
) -> None:
    """What was made of a run that never began is taken back."""
    source = bench.prepare(3)
    if there:
        Path("job").mkdir()
    monkeypatch.setattr(RunDirectory, "write_manifest", error)
    ended = bench.run(source)
    assert ended.code == (2 if error is no_room else 7)
    assert Path("job").exists() == there
    assert not there or not list(Path("job").iterdir())
    assert bench.updates == 0
    monkeypatch.undo()
    os.chdir(bench.folder)
    monkeypatch.setenv("BATCH_UPDATER_TOKEN", bench.emulator.token)
    assert bench.run(source).code == 0


def test_a_directory_without_a_run(bench: Bench) -> None:
    """Where no run is, nobody is told to resume one."""
    source = bench.prepare(3)
    Path("job").mkdir()
    Path("job/notes").touch()
    ended = bench.run(source)
    assert ended.code == 2
    assert "resume" not in ended.err
    assert "--run-dir" in ended.err


@pytest.mark.parametrize("where", ["file", "folder"])
def test_names_that_are_no_text(bench: Bench, where: str) -> None:
    """A file name that is not UTF-8 is refused before anything is made."""
    bad = os.fsdecode(b"caf\xe9")
    if where == "file":
        source = f"{bad}.csv"
    else:
        Path(bad).mkdir()
        source = f"{bad}/faces.csv"
    bench.write(source, make_rows(2))
    ended = bench.run(source)
    assert ended.code == 2
    assert "caf\\xe9" in ended.err
    assert "Rename" in ended.err
    assert not Path("job").exists()
    assert bench.emulator.witness.requests == 0


# Journals


@pytest.mark.parametrize("command", ["resume", "retry", "results"])
def test_a_lost_journal(bench: Bench, command: str) -> None:
    """Without its journal a run is not gone on with: all rows would be sent again."""
    fail_some(bench)
    Path("job/journal.jsonl").unlink()
    seen = bench.emulator.witness.requests
    ended = bench.command(command, "job")
    assert ended.code == 2
    assert "journal.jsonl: No such file" in ended.err
    assert not Path("job/journal.jsonl").exists()
    assert bench.emulator.witness.requests == seen


LINE = {"kind": "result", "source": "faces.csv", "row_number": 1, "outcome": "updated"}
TRIED = [{"started_at": "x", "latency_ms": 1}]


@pytest.mark.parametrize(
    "line",
    [
        {k: v for k, v in LINE.items() if k != "row_number"},
        {k: v for k, v in LINE.items() if k != "outcome"},
        {**LINE, "row_number": 0},
        {**LINE, "row_number": 11},
        {**LINE, "row_number": "1"},
        {**LINE, "row_number": 1.0},
        {**LINE, "source": "other.csv"},
        {**LINE, "source": ["faces.csv"]},
        {**LINE, "outcome": "great"},
        {**LINE, "face_id": 5},
        {**LINE, "attempts": 5},
        {**LINE, "attempts": [5]},
        {**LINE, "attempts": TRIED},
        {**LINE, "error_class": "odd"},
        {"kind": "selection", "rows": [[0, 10]]},
        {"kind": "selection", "rows": [5]},
        {"kind": "selection"},
    ],
)
def test_wrong_lines(bench: Bench, line: dict[str, Any]) -> None:
    """A line that is JSON but none of ours is named by file and number."""
    stop_after(bench, 4, 10)
    journal = Path("job/journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(
        b"".join([lines[0], json.dumps(line).encode() + b"\n", *lines[1:]])
    )
    for command in ("resume", "results"):
        ended = bench.command(command, "job")
        assert ended.code == 2, ended.err
        assert "job/journal.jsonl, line 2 is damaged" in ended.err


@pytest.mark.parametrize(
    "stop", [{"name": "x"}, {"other": 1}, 5, [], {"exit_code": "x"}]
)
def test_wrong_ends(bench: Bench, stop: Any) -> None:
    """An end that is not told as we tell it is named too."""
    assert bench.run(bench.prepare(2)).code == 0
    journal = Path("job/journal.jsonl")
    if stop == {"exit_code": "x"}:
        stop = {"name": "x", "message": "x", "hint": "", "exit_code": "x"}
    with journal.open("a") as file:
        file.write(json.dumps({"kind": "end", "stop": stop}) + "\n")
    ended = bench.command("results", "job")
    assert ended.code == 2, ended.err
    assert "is damaged" in ended.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settings", None),
        ("settings", []),
        ("settings", {"rate": "10"}),
        ("settings", {"rate": [10]}),
        ("inputs", {}),
        ("inputs", [5]),
        ("inputs", [{}]),
        ("declared", {"age": "odd"}),
        ("header", "face_id"),
        ("parent", 5),
        ("state", None),
        ("rows", "10"),
        ("rows", -1),
        ("rows", 12),
        ("size", "5"),
        ("inputs", []),
        ("settings", {"rate": []}),
        ("format", "odd"),
        ("compression", "odd"),
    ],
)
def test_wrong_manifests(bench: Bench, name: str, value: object) -> None:
    """A run.json that is JSON but none of ours is named with what is wrong."""
    stop_after(bench, 4, 10)
    path = Path("job/run.json")
    content = json.loads(path.read_bytes())
    place = content if name in content else content["inputs"][0]
    if value is None:
        del place[name]
    else:
        place[name] = value
    path.write_text(json.dumps(content))
    ended = bench.command("resume", "job")
    assert ended.code == 2, ended.err
    assert "run.json" in ended.err


# One at a time


@pytest.mark.parametrize("command", ["resume", "retry", "results"])
def test_a_directory_in_use(bench: Bench, command: str) -> None:
    """Nobody makes views or reads failed rows while a run goes on; looking is free."""
    fail_some(bench)
    with Path("job/journal.jsonl").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = bench.command(command, "job")
        looked = bench.command("results", "job", "--row", "2")
    assert ended.code == 2
    assert "in use" in ended.err
    assert looked.code == 0
    assert not Path("runs").exists()


def test_locked_until_the_views_are_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is held while views are written, and let go of at the end."""
    seen: list[bool] = []
    write_json = RunDirectory.write_json

    def probe(directory: RunDirectory, name: str, content: Any) -> None:
        with directory.journal.open("rb") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                seen.append(True)
        write_json(directory, name, content)

    monkeypatch.setattr(RunDirectory, "write_json", probe)
    source = stop_after(bench, 2, 4)
    assert bench.command("resume", "job").code == 0
    assert bench.command("resume", "job").code == 0
    assert bench.command("results", "job").code == 0
    assert seen == [True] * 4
    assert source


# Inputs of old runs


def test_a_gone_input_is_asked_back(bench: Bench) -> None:
    """The hint says what to do with an input that is gone or edited in place."""
    source = Path(stop_after(bench, 4, 10))
    content = source.read_bytes()
    source.unlink()
    ended = bench.command("resume", "job")
    assert ended.code == 2
    assert "the run began with it" in ended.err
    assert "Put the file back" in ended.err
    source.write_bytes(content.replace(b"line, 9", b"line, x"))
    ended = bench.command("resume", "job")
    assert "its size is the same, its content differs" in ended.err


# Killed


def test_results_of_a_run_without_an_end(bench: Bench) -> None:
    """A run that was killed is said not to have ended, until it is resumed."""
    stop_after(bench, 4, 10)
    journal = Path("job/journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(line for line in lines if b'"end"' not in line))
    ended = bench.command("results", "job")
    assert ended.code == 0
    assert "stopped     the run did not end by itself" in ended.out
    assert "resume job" in ended.out
    assert bench.command("resume", "job").code == 0
    assert "stopped" not in bench.command("results", "job").out


def test_killed_after_the_last_row(bench: Bench) -> None:
    """A run that was killed with nothing left has ended once it is resumed."""
    assert bench.run(bench.prepare(4)).code == 0
    journal = Path("job/journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    assert "did not end" in bench.command("results", "job").out
    assert bench.command("resume", "job").code == 0
    assert "did not end" not in bench.command("results", "job").out
    assert bench.updates == 4
    assert bench.record().manifest["state"] == "finished"
    assert FACE_SET in bench.command("results", "job").out
