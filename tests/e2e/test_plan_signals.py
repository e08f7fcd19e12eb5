"""Plans that are cut off: what is on record is not asked again, the plan is whole or not there."""

import signal

import pyarrow.parquet as pq
import pytest
from bench import Bench, face, fault, wait_for
from commands import started

FACES, ROWS, WIDTH = 160, 80, 4
ONE, LIST = "ShowFacesByFaceId", "ShowFacesByLimit"


def prepare(bench: Bench, operation: str) -> list[str]:
    """Seed faces that are slow to read; return the words of a plan of half of them."""
    bench.seed([face(n) for n in range(1, FACES + 1)])
    rows = [
        {"face_id": face(n), "external_fields.age": str(n)} for n in range(1, ROWS + 1)
    ]
    name = bench.write("faces.csv", rows)
    slow = fault("delay", operation=operation, seconds=0.02, times=0)
    bench.emulator.script([slow])
    # A page of one face does not pay.
    narrow = ("--rate", "1000", "--concurrency", str(WIDTH))
    page = ("--page", "1" if operation == ONE else "4")
    target = ("-o", "plan.parquet", "--run-dir", "job", *bench.target)
    return ["plan", name, *target, *narrow, *page]


def asked(bench: Bench, operation: str) -> int:
    """How many calls of an operation the server saw."""
    return bench.emulator.witness.by_operation.get(operation, 0)


@pytest.mark.parametrize(
    ("operation", "signum"),
    [(ONE, signal.SIGINT), (ONE, signal.SIGKILL), (LIST, signal.SIGKILL)],
)
def test_a_plan_that_is_cut_off(bench: Bench, operation: str, signum: int) -> None:
    """After Ctrl-C and kill -9 alike, resume asks for what has no answer, and no more."""
    words = prepare(bench, operation)
    with started(bench, *words) as command:
        wait_for(lambda: asked(bench, operation) >= 12)
        command.send(signum)
        ended = command.wait()
    before = [each.name for each in bench.folder.iterdir() if "parquet" in each.name]
    bench.emulator.script([])
    again = bench.command("resume", "job")
    table = pq.read_table(bench.folder / "plan.parquet")

    assert ended.code == (130 if signum == signal.SIGINT else -signum)
    assert before == []
    assert again.code == 0, again.err
    assert table["face_id"].to_pylist() == [face(n) for n in range(1, ROWS + 1)]
    assert set(table["status"].to_pylist()) == {"change"}
    least, flying = (ROWS, WIDTH) if operation == ONE else (FACES // 4, 1)
    most = least + (flying if signum == signal.SIGKILL else 0)
    assert least <= asked(bench, operation) <= most
    assert asked(bench, LIST if operation == ONE else ONE) == 0
