"""Exports and signals: what is on record is not asked again, and the file is whole or not there."""

import csv
import signal

import pytest
from bench import FACE_SET, Bench, face, fault
from commands import call, started

FACES = 120
ONE, LIST = "ShowFacesByFaceId", "ShowFacesByLimit"
KINDS = pytest.mark.parametrize("operation", [ONE, LIST])


def prepare(bench: Bench, operation: str) -> list[str]:
    """Seed slow faces and their ids; return the words of an export of them all."""
    ids = [face(n) for n in range(1, FACES + 1)]
    bench.seed(ids)
    bench.write("ids.csv", [{"face_id": each} for each in ids])
    slow = fault("delay", operation=operation, seconds=0.02, times=0)
    bench.emulator.script([slow])
    where = bench.target[: bench.target.index("--face-set")]
    words = ["export", FACE_SET, "-o", "faces.csv", "--run-dir", "job", *where]
    narrow = ["--rate", "1000", "--concurrency", "4", "--page", "2"]
    by_ids = ["--ids", "ids.csv"] if operation == ONE else []
    return [*words, *narrow, *by_ids]


def exported(bench: Bench) -> list[str]:
    """Return the ids in the file."""
    with (bench.folder / "faces.csv").open(encoding="utf-8", newline="") as file:
        return [row["face_id"] for row in csv.DictReader(file)]


def nothing_made(bench: Bench) -> bool:
    """Return whether there is no file, finished or not."""
    return not any("faces.csv" in each.name for each in bench.folder.iterdir())


def on_record(bench: Bench) -> int:
    """How many answers the journal holds."""
    results = [line for line in bench.record().journal if line["kind"] == "result"]
    return sum(line["outcome"] == "exported" for line in results)


@KINDS
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_first_signal_drains(
    bench: Bench, operation: str, signum: int, code: int
) -> None:
    """A signal ends with 130 or 143 and without a file; resume asks for the rest alone."""
    words = prepare(bench, operation)
    with started(bench, *words, "--output", "json") as command:
        command.wait_for_results(20)
        command.send(signum)
        ended = command.wait()
    asked = bench.emulator.witness.by_operation[operation]

    assert ended.code == ended.json["exit_code"] == code
    assert ended.json["next_command"] == "batch-updater resume job"
    assert on_record(bench) == asked
    assert nothing_made(bench)
    bench.emulator.script([])
    assert call(bench, "resume", "job").code == 0
    assert exported(bench) == [face(n) for n in range(1, FACES + 1)]
    total = bench.emulator.witness.by_operation[operation]
    assert total == (FACES if operation == ONE else FACES // 2 + 1)


@KINDS
@pytest.mark.parametrize("results", [1, 5, 40])
def test_kill_9_loses_nothing(bench: Bench, operation: str, results: int) -> None:
    """After kill -9 resume makes the whole file; at most what was in flight is asked again."""
    words = prepare(bench, operation)
    with started(bench, *words) as command:
        command.wait_for_results(results)
        command.send(signal.SIGKILL)
        assert command.wait().code == -signal.SIGKILL
    known = on_record(bench)

    assert known >= results
    assert nothing_made(bench)
    bench.emulator.script([])
    asked = bench.emulator.witness.by_operation.copy()
    ended = call(bench, "resume", "job")
    assert ended.code == 0, ended
    assert exported(bench) == [face(n) for n in range(1, FACES + 1)]
    again = bench.emulator.witness.by_operation[operation] - asked[operation]
    whole = FACES if operation == ONE else FACES // 2 + 1
    assert again == whole - known


def test_second_signal_stops_at_once(bench: Bench) -> None:
    """A second signal does not wait for an answer that never comes; resume ends it."""
    words = prepare(bench, LIST)
    bench.emulator.script([fault("stall", operation=LIST, after=3)])
    with started(bench, *words) as command:
        command.wait_for_results(3)
        while not command.gone_after(signal.SIGINT):
            pass
        assert command.wait().code == 130
    assert nothing_made(bench)
    assert call(bench, "resume", "job").code == 0
    assert exported(bench) == [face(n) for n in range(1, FACES + 1)]


def test_ids_from_stdin(bench: Bench) -> None:
    """Ids come by a pipe as well, and are kept for resume."""
    ids = [face(1), face(2)]
    bench.seed(ids)
    where = bench.target[: bench.target.index("--face-set")]
    words = ("export", FACE_SET, "-o", "faces.csv", "--run-dir", "job", *where)
    ended = call(bench, *words, "--ids", "-", stdin=b"face_id\nface0001\nface0002\n")

    assert ended.code == 0, ended
    assert exported(bench) == ids
    assert (bench.folder / "job" / "stdin").exists()
    assert call(bench, "resume", "job").code == 0
