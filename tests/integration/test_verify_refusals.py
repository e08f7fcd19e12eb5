"""What verify is given, and what it does not take: a clear word, and nothing is asked."""

import fcntl
import io
import json
import os
import sys
from pathlib import Path

import pandas as pd
import pytest
from bench import FACE_SET, Bench, Ended, face, fault, make_rows

ONE = "ShowFacesByFaceId"


def verify(bench: Bench, *arguments: str) -> Ended:
    """Verify into `check` without waiting."""
    return bench.command("verify", "--run-dir", "check", "--settle", "0s", *arguments)


def asked(bench: Bench) -> int:
    """How many faces the server was asked for."""
    return bench.emulator.witness.by_operation.get(ONE, 0)


def refused(bench: Bench, ended: Ended) -> str:
    """Assert that nothing was asked and nothing left behind; return what was said."""
    assert ended.code == 2, ended.err
    assert asked(bench) == 0
    assert not (bench.folder / "check").exists()
    return ended.err


@pytest.mark.parametrize("values", ["--include-values", "--no-include-values"])
@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_run_whose_input_is_not_there(bench: Bench, change: str, values: str) -> None:
    """A run whose input has changed or is gone is refused, and what to do is said."""
    name = bench.prepare(3)
    bench.run(name, values)
    if change == "gone":
        Path(name).unlink()
    else:
        bench.write(name, make_rows(4))
    said = refused(bench, verify(bench, "job"))

    assert name in said
    assert "what it wrote can be told from there alone" in said
    assert "verify INPUT" in said


def test_a_run_that_is_going_on(bench: Bench) -> None:
    """A run that another process is at cannot be verified yet."""
    bench.run(bench.prepare(3))
    held = os.open("job/journal.jsonl", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    said = refused(bench, verify(bench, "job"))
    os.close(held)

    assert "job is in use by another process" in said
    assert verify(bench, "job").code == 0


def test_only_runs_of_updates_can_be_read_back(bench: Bench) -> None:
    """An export and a verification have written nothing; and neither can be retried."""
    bench.run(bench.prepare(3))
    assert verify(bench, "job", "--run-dir", "first").code == 0
    where = bench.target[: bench.target.index("--face-set")]
    ids = ("--ids", "faces.csv", "-o", "o.csv", "--run-dir", "export")
    assert bench.command("export", FACE_SET, *ids, *where).code == 0
    before = asked(bench)
    for name, noun in (("first", "a verification"), ("export", "an export")):
        ended = verify(bench, name)
        assert ended.code == 2
        assert f"{name} is {noun}: it has written nothing" in ended.err
        assert bench.command("retry", name).code == 2
        assert bench.command("results", name, "--family").code == 2
    assert asked(bench) == before


@pytest.mark.parametrize("names", [("job", "faces.csv"), ("faces.csv", "job")])
def test_a_run_directory_stands_alone(bench: Bench, names: tuple[str, ...]) -> None:
    """A run directory is not verified together with inputs."""
    bench.run(bench.prepare(3))
    said = refused(bench, verify(bench, *names))

    assert "job is a run directory, and is verified alone" in said


@pytest.mark.parametrize(
    "flags",
    [
        ("--field", "age=note"),
        ("--delimiter", ";"),
        ("--face-set", "other"),
        ("--limit", "1"),
        ("--on-duplicate", "first"),
        ("--profile", "night"),
    ],
    ids=lambda flags: flags[0],
)
def test_flags_of_inputs_are_not_for_runs(bench: Bench, flags: tuple[str, str]) -> None:
    """A run says itself how its input was read: flags that say otherwise are refused."""
    bench.run(bench.prepare(3))
    said = refused(bench, verify(bench, "job", *flags))

    assert f"{flags[0]} is for INPUT...; job is a run directory" in said


def test_a_folder_of_files_is_an_input(bench: Bench) -> None:
    """A folder without a run.json is one of inputs, also with a journal.jsonl of its own."""
    bench.seed([face(n) for n in range(1, 5)])
    folder = bench.folder / "nightly"
    folder.mkdir()
    pd.DataFrame(make_rows(2)).to_parquet(folder / "a.parquet")
    row = {"face_id": face(3), "external_fields.age": 3}
    (folder / "journal.jsonl").write_text(json.dumps(row) + "\n")
    assert bench.run("nightly", "--run-dir", "job").code == 0
    ended = verify(bench, *bench.target, "nightly")

    assert ended.code == 0, ended.err
    assert bench.record("check").outcomes == {"same": 3}


def test_a_run_directory_that_lost_its_files(bench: Bench) -> None:
    """What is left of a run directory is never taken for a folder of inputs."""
    bench.run(bench.prepare(3))
    manifest = (bench.folder / "job" / "run.json").read_bytes()
    (bench.folder / "job" / "run.json").unlink()
    assert "job has lost its run.json" in refused(bench, verify(bench, "job"))

    (bench.folder / "job" / "run.json").write_bytes(manifest)
    (bench.folder / "job" / "journal.jsonl").unlink()
    assert "journal.jsonl" in refused(bench, verify(bench, "job"))


def test_what_is_not_there_is_an_input(bench: Bench) -> None:
    """A name that is nothing is told as an input that is not there, and none at all is usage."""
    said = refused(bench, verify(bench, *bench.target, "runs/none"))
    assert "runs/none" in said
    assert "no input is given" in refused(bench, verify(bench, *bench.target))


def test_a_run_that_wrote_nothing(bench: Bench) -> None:
    """A run that updated no row has nothing to read back: exit 0, and no request."""
    bench.run(bench.write("faces.csv", make_rows(2)))
    assert bench.record().outcomes == {"failed": 2}
    ended = verify(bench, "job", "--output", "json")

    assert ended.code == 0
    assert ended.json == {"read": 0, "exit_code": 0}
    assert "no row of job was updated" in ended.err
    assert asked(bench) == 0


def test_a_run_that_was_stopped_is_verified_so_far(bench: Bench) -> None:
    """Rows without an outcome are not read back; the way to them is told."""
    source = bench.prepare(30)
    bench.emulator.script([fault("respond", code="FRS.0202", after=10, times=0)])
    assert bench.run(source, "--concurrency", "1").code == 3
    bench.emulator.script([])
    ended = verify(bench, "job")

    assert ended.code == 0
    assert bench.record("check").outcomes == {"same": 10}
    assert "20 rows without an outcome" in ended.err
    assert "batch-updater resume job" in ended.err


def test_wrong_faces_stop_it(bench: Bench) -> None:
    """When the first faces are all missing, it is the wrong file or face set: exit 4."""
    bench.write("faces.csv", make_rows(40))
    ended = verify(
        bench, *bench.target, "faces.csv", "--same-failures", "20", "--rate", "1000"
    )

    assert ended.code == 4
    assert "the first 20 rows sent all failed with FRS.0303" in ended.out
    assert asked(bench) < 40 + 32


def test_stdin_of_a_run_stays_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came by stdin is read where the run keeps it; what verify is given, it keeps."""
    name = bench.prepare(4)
    content = Path(name).read_bytes()

    def given() -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    given()
    assert bench.run("-").code == 0
    assert verify(bench, "job").code == 0
    assert (bench.folder / "job" / "stdin").read_bytes() == content
    Path("job").rename("moved")
    assert verify(bench, "moved", "--run-dir", "second").code == 0
    given()
    assert verify(bench, *bench.target, "-", "--run-dir", "third").code == 0
    assert (bench.folder / "third" / "stdin").read_bytes() == content
    assert bench.record("third").outcomes == {"same": 4}


def test_mended_rows_of_a_retry_are_read_back(bench: Bench) -> None:
    """A retry of mended rows is verified by what was mended."""
    rows = make_rows(3)
    bench.seed([face(n) for n in (1, 2, 3)])
    bench.emulator.script([fault("respond", face_id=face(2), code="FRS.0402")])
    bench.run(bench.write("faces.csv", rows))
    failed = (bench.folder / "job" / "failed.csv").read_text()
    (bench.folder / "mended.csv").write_text(failed.replace(",2,", ",22,"))
    again = bench.command("retry", "job", "--from", "mended.csv", "--run-dir", "again")
    assert again.code == 0, again.err
    assert bench.stored(face(2)) == {"age": 22}

    assert verify(bench, "again").code == 0
    assert bench.record("check").outcomes == {"same": 1}


def test_a_damaged_note_is_told(bench: Bench) -> None:
    """A journal whose note about the verified rows is not ours is refused by resume."""
    bench.run(bench.prepare(3), "--on-duplicate", "in-order")
    bench.emulator.script([fault("respond", operation=ONE, code="FRS.0302")])
    assert verify(bench, "job").code == 3
    journal = bench.folder / "check" / "journal.jsonl"
    text = journal.read_text()
    assert '"written":[[0,2]]' in text
    for damage in ('"written":[[0,3]]', '"written":"all"', '"written":[[0]]'):
        journal.write_text(text.replace('"written":[[0,2]]', damage))
        ended = bench.command("resume", "check")
        assert ended.code == 2, damage
        assert "is damaged" in ended.err


def test_time_is_told_before_the_first_face_is_read(bench: Bench) -> None:
    """At the default rate the estimate, and whether the time window holds it, are said first."""
    bench.run(bench.prepare(50))
    ended = verify(bench, "job", "--rate", "10", "--max-duration", "300ms")

    assert ended.code == 5
    assert "estimate    50 rows take about 5 s at 10 a second" in ended.err
    assert "fits: no, about 4" in ended.err
    assert "next        batch-updater resume check" in ended.out
    assert bench.record("check").summary["busiest_second"] <= 10


def test_settings_are_the_runs_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run directory brings its rate, target and state; how it wrote is not taken over."""
    monkeypatch.setenv("BATCH_UPDATER_BACKUP", "true")
    bench.run(bench.prepare(3), "--rate", "500", "--state", "remembered")
    monkeypatch.delenv("BATCH_UPDATER_BACKUP")
    ended = verify(bench, "job", "--print-config")

    said = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines()}
    assert said["rate"] == ["500", "run.json"]
    assert said["face-set"] == [FACE_SET, "run.json"]
    assert said["state"] == [str(bench.folder / "remembered"), "run.json"]
    assert said["backup"] == ["false", "default"]
    assert bench.command("verify", "x.csv", "--print-config").code == 0
    settle = bench.command("verify", "x.csv", "--print-config").out
    assert "settle              3s " in settle
