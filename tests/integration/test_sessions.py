"""Sessions of one run: what a resume believes, what it may change, what it refuses."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, assert_accounted, face, fault, make_rows

from batch_updater.errors import RunDirectoryError
from batch_updater.files.journal import Journal
from batch_updater.files.run_dir import RunDirectory
from batch_updater.manifest import load_manifest, pending_rows


def stop_after(bench: Bench, done: int, rows: int, *flags: str) -> str:
    """Leave a run in `job` that was refused after so many rows."""
    source = bench.prepare(rows)
    refuse_after(bench, done)
    assert bench.run(source, *flags).code == 3
    bench.emulator.script([])
    return source


def refuse_after(bench: Bench, done: int) -> None:
    """Refuse every update but the next few."""
    refusal = fault("respond", name=str(done), code="FRS.0202", after=done, times=0)
    bench.emulator.script([refusal])


def sessions(bench: Bench) -> list[dict[str, Any]]:
    """Return what the journal says of each session, without its time."""
    lines = [line for line in bench.record().journal if line["kind"] == "session"]
    return [{k: v for k, v in line.items() if k != "at"} for line in lines]


def edit(path: str, **changes: object) -> None:
    """Change keys of a JSON file."""
    content = json.loads(Path(path).read_bytes())
    Path(path).write_text(json.dumps({**content, **changes}))


def append(*lines: Mapping[str, object]) -> None:
    """Append lines to the journal of `job`."""
    with Path("job/journal.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


# Settings


def test_a_changed_setting_is_noted(bench: Bench) -> None:
    """What a resume is told otherwise is taken, noted in the journal, and kept for the next one."""
    stop_after(bench, 4, 20, "--rate", "900")
    assert "settings" not in sessions(bench)[0]
    refuse_after(bench, 4)
    words = ("--rate", "800", "--concurrency", "4", "--max-attempts", "6")
    ended = bench.command("resume", "job", *words, "--max-duration", "1h")
    assert ended.code == 3
    assert sessions(bench)[1]["settings"] == {
        "rate": ["900", "800"],
        "concurrency": ["32", "4"],
        "max-duration": [None, "1h"],
    }
    bench.emulator.script([])
    assert bench.command("resume", "job").code == 0
    assert "settings" not in sessions(bench)[2]
    settings = bench.record().manifest["settings"]
    assert settings["rate"] == ["800"]
    assert settings["run-dir"] == ["job"]
    assert "max-duration" not in settings  # of one session, as the journal has it
    assert bench.record().summary["rate"] == 800


@pytest.mark.parametrize("begun_with", [(), ("--same-failures", "7")])
def test_a_guard_is_lifted_once(bench: Bench, begun_with: tuple[str, ...]) -> None:
    """`--same-failures off` holds for the resume it is given to; the next one is guarded again."""
    stop_after(bench, 4, 20, *begun_with)
    refuse_after(bench, 4)
    assert bench.command("resume", "job", "--same-failures", "off").code == 3
    before = begun_with[1] if begun_with else "50"
    assert sessions(bench)[1]["settings"] == {"same-failures": [before, "off"]}
    recorded = bench.record().manifest["settings"].get("same-failures")
    assert recorded == ([before] if begun_with else None)


@pytest.mark.parametrize(
    "flag",
    [
        "--face-set=x",
        "--face-id=x",
        "--field=age=x",
        "--mapping=x",
        "--on-duplicate=first",
        "--strict",
        "--limit=1",
        "--encoding=gb18030",
        "--delimiter=;",
        "--format=csv",
        "--on-invalid=stop",
        "--run-dir=other",
    ],
)
def test_what_rows_mean_cannot_be_changed(bench: Bench, flag: str) -> None:
    """A resume takes no flag that would make another thing of the rows that are left."""
    stop_after(bench, 4, 10)
    ended = bench.command("resume", "job", flag)
    assert ended.code == 2
    assert f"unrecognized arguments: {flag}" in ended.err
    assert len(sessions(bench)) == 1


# Inputs


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("appended", "something was appended, all before it is the same"),
        ("longer", "bytes then"),
        ("shorter", "bytes then"),
    ],
)
def test_how_an_input_has_changed(bench: Bench, how: str, said: str) -> None:
    """A changed input is refused with its name and how it differs."""
    source = Path(stop_after(bench, 4, 10))
    content = source.read_bytes()
    changed = {
        "appended": content + b"face0099,1,more\r\n",
        "longer": content.replace(b"line, 3", b"line, 333"),
        "shorter": content[:-20],
    }
    source.write_bytes(changed[how])
    seen = bench.emulator.witness.requests
    ended = bench.command("resume", "job")
    assert ended.code == 2
    assert str(source) in ended.err
    assert said in ended.err
    assert ("appended" in ended.err) == (how == "appended")
    assert bench.emulator.witness.requests == seen


# Versions


def test_a_newer_run_json(bench: Bench) -> None:
    """A run directory of a newer format is refused, and says which version reads it."""
    stop_after(bench, 4, 10)
    edit("job/run.json", format=2, tool_version="7.1.0")
    seen = bench.emulator.witness.requests
    for command in ("resume", "retry", "results"):
        ended = bench.command(command, "job")
        assert ended.code == 2
        assert "job/run.json is in format 2" in ended.err
        assert "Use the version that made it (7.1.0) or a later one." in ended.err
    assert bench.emulator.witness.requests == seen


def test_a_newer_journal(bench: Bench) -> None:
    """A session of a newer version is noticed even where run.json was not replaced any more."""
    stop_after(bench, 4, 10)
    append({"kind": "session", "command": "resume", "version": "7.1.0", "format": 2})
    for command in ("resume", "results"):
        ended = bench.command(command, "job")
        assert ended.code == 2
        assert "job/journal.jsonl is in format 2" in ended.err
        assert "7.1.0" in ended.err


def test_what_a_newer_version_adds(bench: Bench) -> None:
    """Notes, keys and settings that are not known are passed over, as far as the format is ours."""
    source = stop_after(bench, 4, 10, "--concurrency", "1")
    edit("job/run.json", weather="fine", tool_version="0.9.0")
    settings = bench.record().manifest["settings"]
    edit("job/run.json", settings={**settings, "phase-of-moon": ["full"]})
    session = {"kind": "session", "command": "resume", "version": "0.9.0", "format": 1}
    result = {"kind": "result", "source": source, "outcome": "updated"}
    append(
        {**session, "mood": 5},
        {"kind": "weather", "at": "2026-11-22T00:00:00Z", "rows": "none"},
        {**result, "row_number": 10, "face_id": face(10), "wind": 3, "rain": [1]},
        {"kind": "end", "stop": None, "sun": True},
    )
    assert bench.command("resume", "job").code == 0
    assert bench.record().outcomes == {"updated": 10}
    assert bench.applied == {face(n): 1 for n in range(1, 10)}


def test_sessions_say_their_format(bench: Bench) -> None:
    """Each session names the version that wrote it, and its format."""
    stop_after(bench, 4, 10)
    assert bench.command("resume", "job").code == 0
    made_by = bench.record().manifest["tool_version"]
    assert sessions(bench) == [
        {"kind": "session", "command": command, "version": made_by, "format": 1}
        for command in ("run", "resume")
    ]


# Totals


def test_totals_are_never_carried(bench: Bench) -> None:
    """After any number of sessions the totals are those of each row's last outcome."""
    source = stop_after(bench, 5, 30)
    for done in (4, 3, 6):
        edit("job/run.json", totals={"read": 99_999, "updated": 77_777})
        edit("job/summary.json", outcomes={"updated": 55_555})
        refuse_after(bench, done)
        assert bench.command("resume", "job").code == 3
        assert_accounted(bench, {source: make_rows(30)})
    bench.emulator.script([])
    assert bench.command("resume", "job").code == 0
    assert_accounted(bench, {source: make_rows(30)})
    totals = bench.record().manifest["totals"]
    assert {k: n for k, n in totals.items() if n} == {"read": 30, "updated": 30}


# Views


def test_views_that_fail_after_a_stop(bench: Bench) -> None:
    """When a stopped run cannot write its views either, both are said, and how to go on."""
    source = bench.prepare(10)
    refuse_after(bench, 2)
    assert bench.run(source).code == 3
    Path("job/results.csv").unlink()
    Path("job/results.csv").mkdir()
    ended = bench.command("resume", "job", "--max-errors", "0")
    assert ended.code == 4
    assert "the service refuses the run: FRS.0202" in ended.err
    assert "then cannot write job/results.csv: Is a directory" in ended.err


# Power loss


def test_a_real_journal_cut_at_any_byte(bench: Bench) -> None:
    """Wherever a power loss cuts a journal, the rows of its whole lines are done and all others pending."""
    rows = make_rows(5)
    bench.seed([row["face_id"] for row in rows])
    rows[3]["external_fields.age"] = "x"
    source = bench.write("faces.csv", rows)
    missing = fault("respond", name="one", code="FRS.0303", face_id=face(2))
    bench.emulator.script([missing, fault("respond", code="FRS.0202", after=2)])
    assert bench.run(source, "--concurrency", "1").code == 3
    bench.emulator.script([])
    assert bench.command("resume", "job").code == 1
    directory = RunDirectory(Path("job"))
    manifest, whole = load_manifest(directory), directory.journal.read_bytes()
    assert whole.count(b"\n") == 10  # two sessions, two ends, one row twice
    for cut in range(len(whole) + 1):
        directory.journal.write_bytes(whole[:cut] + bytes(cut % 3))
        last = {}
        for line in whole[:cut].split(b"\n")[:-1]:
            facts = json.loads(line)
            last[facts.get("row_number")] = facts.get("outcome")
        done = {n for n, outcome in last.items() if n and outcome != "unprocessed"}
        pending = pending_rows(directory, manifest)
        assert [n for n in range(1, 6) if not pending[n - 1]] == sorted(done), cut


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.8, 0.99])
def test_a_resume_after_a_cut(bench: Bench, kept: float) -> None:
    """After a power loss only rows whose lines were lost are sent again."""
    source = bench.prepare(20)
    assert bench.run(source).code == 0
    journal = Path("job/journal.jsonl")
    whole = journal.read_bytes()
    journal.write_bytes(whole[: int(len(whole) * kept)] + bytes(700))
    left = [line.get("face_id") for line in bench.record().journal]
    assert bench.command("resume", "job").code == 0
    assert bench.record().outcomes == {"updated": 20}
    assert bench.applied == {face(n): 1 if face(n) in left else 2 for n in range(1, 21)}


def test_zeros_before_other_lines(bench: Bench) -> None:
    """A page that is zeros in front of later lines is refused, with the way out, which works."""
    source = bench.prepare(20)
    assert bench.run(source).code == 0
    journal = Path("job/journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    broken = [*lines[:8], bytes(len(lines[8]) + 40), lines[9][40:], *lines[10:]]
    journal.write_bytes(b"".join(broken))
    ended = bench.command("resume", "job")
    assert ended.code == 2
    assert "job/journal.jsonl, line 9 is damaged" in ended.err
    assert "head -n 8 COPY > job/journal.jsonl" in ended.err
    journal.write_bytes(b"".join(lines[:8]))
    assert bench.command("resume", "job").code == 0
    assert bench.record().outcomes == {"updated": 20}
    assert source == bench.record().results[0]["source"]


def test_a_retry_without_its_selection(bench: Bench) -> None:
    """A retry whose journal does not say which rows it is about does not send all of them."""
    source = bench.prepare(10)
    bench.emulator.script([fault("respond", code="FRS.0303", face_id=face(2))])
    assert bench.run(source).code == 1
    bench.emulator.script([fault("respond", code="FRS.0202", times=0)])
    assert bench.command("retry", "job", "--run-dir", "second").code == 3
    bench.emulator.script([])
    journal = Path("second/journal.jsonl")
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0][:-5])
    sent = bench.updates
    ended = bench.command("resume", "second")
    assert ended.code == 2
    assert "which rows this retry is about" in ended.err
    assert f"batch-updater retry {Path('job').absolute()}" in ended.err
    assert bench.updates == sent


# Beginnings


def test_a_run_killed_before_it_began(bench: Bench) -> None:
    """`resume` says that nothing was sent, and `run` begins in the same place."""
    source = bench.prepare(5)
    Path("job").mkdir()
    Path("job/journal.jsonl").write_text('{"kind":"session","command":"run"}\n{"ki')
    Path("job/.run.json.new").write_text("{")
    for command in ("resume", "retry", "results"):
        ended = bench.command(command, "job")
        assert ended.code == 2
        assert "killed before it began; nothing was sent" in ended.err
        assert "batch-updater run INPUT... --run-dir job" in ended.err
    assert bench.run(source).code == 0
    assert_accounted(bench, {source: make_rows(5)})
    assert not Path("job/.run.json.new").exists()


def test_a_run_that_lost_its_run_json(bench: Bench) -> None:
    """Where outcomes are recorded nobody begins anew: run.json is asked back."""
    source = stop_after(bench, 4, 10)
    Path("job/run.json").rename("kept")
    for path in Path("job").glob("*.csv"):
        path.unlink()
    Path("job/summary.json").unlink()
    for words in (("resume", "job"), ("run", source, "--run-dir", "job")):
        target = bench.target if words[0] == "run" else ()
        ended = bench.command(*words, *target)
        assert ended.code == 2
        assert "run.json" in ended.err
        assert "Put" in ended.err
    sent = bench.updates
    Path("kept").rename("job/run.json")
    assert bench.command("resume", "job").code == 0
    assert bench.updates == sent + 6
    assert set(bench.applied.values()) == {1}


def test_the_manifest_of_a_run_that_never_began(tmp_path: Path) -> None:
    """A beginning that somebody holds is in use, not dead."""
    directory = RunDirectory(tmp_path)
    with (
        Journal(directory.journal, new=True),
        pytest.raises(RunDirectoryError, match="in use"),
    ):
        load_manifest(directory)
    with pytest.raises(RunDirectoryError, match="killed before it began"):
        load_manifest(directory)
