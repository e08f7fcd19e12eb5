"""SIGINT, SIGTERM and kill -9: what was done stays done, and the rest gets done."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from bench import Bench, assert_accounted, face, fault, make_rows, wait_for
from commands import call, started, usual

ROWS = 300


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_first_signal_drains(bench: Bench, signum: int, code: int) -> None:
    """The first signal lets everything in flight land and records it; resume ends it."""
    source = bench.prepare(ROWS)
    slow = fault("delay", seconds=0.1, times=0)
    bench.emulator.script([slow])
    with started(bench, "run", source, *usual(bench), "--output", "json") as command:
        command.wait_for_results(40)
        command.send(signum)
        ended = command.wait()
    assert ended.code == ended.json["exit_code"] == code
    assert ended.json["stop"]["name"] == "interrupted"
    assert ended.json["next_command"] == "batch-updater resume job"
    record = bench.record()
    assert set(record.outcomes) == {"updated", "unprocessed"}
    assert record.codes == {}
    assert record.outcomes["updated"] == bench.emulator.witness.applied
    assert_accounted(bench, {source: make_rows(ROWS)})
    bench.emulator.script([])
    assert call(bench, "resume", "job").code == 0
    assert_accounted(bench, {source: make_rows(ROWS)})
    assert set(bench.applied.values()) == {1}


def test_first_signal_does_not_wait_out_a_pause(bench: Bench) -> None:
    """A drain wakes rows that back off or wait for a Retry-After of an hour."""
    source = bench.prepare(60)
    hour, minutes = {"Retry-After": "3600"}, {"Retry-After": "240"}
    bench.emulator.script(
        [
            fault(
                "respond", name="wait", status=503, body="", headers=minutes, after=5
            ),
            fault("respond", name="429", code="FRS.0033", headers=hour, after=30),
        ]
    )
    with started(bench, "run", source, *usual(bench)) as command:
        wait_for(lambda: sum(each.fired for each in bench.emulator.faults) == 2)
        command.send(signal.SIGINT)
        assert command.wait().code == 130
    assert bench.record().outcomes["failed"] == 0
    assert_accounted(bench, {source: make_rows(60)})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGTERM, signal.SIGTERM),
    ],
)
def test_second_signal_stops_at_once(bench: Bench, first: int, second: int) -> None:
    """A second signal does not wait: rows in flight are unprocessed and ambiguous."""
    source = bench.prepare(100)
    bench.emulator.script([fault("timeout-after-commit", after=20, times=0)])
    with started(bench, "run", source, *usual(bench), "--concurrency", "8") as command:
        command.wait_for_results(20)
        wait_for(lambda: bench.updates == 28)
        command.send(first)
        # The kernel merges equal signals that come too close, so press again.
        wait_for(lambda: command.gone_after(second))
        ended = command.wait()
    assert ended.code == 128 + first, ended
    assert "Traceback" not in ended.err
    record = bench.record()
    assert record.outcomes == {"updated": 20, "unprocessed": 80}
    unsure = [row for row in record.results if row["ambiguous"] == "True"]
    assert len(unsure) == 8
    assert {(r["outcome"], r["error_code"]) for r in unsure} == {
        ("unprocessed", "TRANSPORT.CUT_OFF")
    }
    bench.emulator.script([])
    assert call(bench, "resume", "job").code == 0
    assert record.outcomes == {"updated": 100}
    twice = {face_id for face_id, times in bench.applied.items() if times == 2}
    assert twice == {row["face_id"] for row in unsure}


@pytest.mark.parametrize("signals", [1, 2])
def test_signal_before_anything_is_sent(bench: Bench, signals: int) -> None:
    """A signal during the preflight ends with 130, leaves nothing and sends nothing."""
    source = bench.prepare(5)
    seconds = 0.5 if signals == 1 else None
    stall = fault("stall", operation="ShowFaceSet", seconds=seconds, times=0)
    bench.emulator.script([stall])
    with started(bench, "run", source, *usual(bench)) as command:
        wait_for(lambda: bench.emulator.witness.requests == 1)
        command.send(signal.SIGINT)
        if signals == 2:
            command.send(signal.SIGTERM)
        ended = command.wait()
    assert ended.code in {130, 143} if signals == 2 else ended.code == 130
    assert "Traceback" not in ended.err
    assert bench.updates == 0
    assert not Path("job").exists()


def test_interrupt_while_reading_stdin(bench: Bench) -> None:
    """An interrupt before the input has been read ends with 130 and no traceback."""
    fifo = bench.folder / "pipe"
    os.mkfifo(fifo)
    words = ("run", "-", *usual(bench))
    with (
        started(bench, *words, stdin=str(fifo)) as command,
        fifo.open("wb", buffering=0) as pipe,
    ):
        pipe.write(b"face_id,external_image_id\n")
        wait_for(lambda: command.has_open("stdin"))
        command.send(signal.SIGINT)
        ended = command.wait()
    assert ended.code == 130
    assert "Traceback" not in ended.err
    assert bench.emulator.witness.requests == 0
    assert not list(Path(".tmp").iterdir())


@pytest.mark.parametrize("moment", [0, 1, 37, 160, 290])
def test_kill(bench: Bench, moment: int) -> None:
    """After kill -9 no recorded outcome is lost; at most those in flight go twice."""
    source = bench.prepare(ROWS)
    # A little latency, so that 32 really are in flight when the process dies.
    bench.emulator.script([fault("delay", seconds=0.02, times=0)])
    with started(bench, "run", source, *usual(bench)) as command:
        command.wait_for_results(moment)
        command.send(signal.SIGKILL)
        command.process.wait(30)
    assert not list(Path(".tmp").iterdir())
    known = Counter[int]()
    if Path("job/journal.jsonl").exists():
        known.update(
            line["row_number"]
            for line in bench.record().journal
            if line["kind"] == "result"
        )
    assert len(known) >= moment
    wait_for(lambda: bench.emulator.witness.in_flight == 0)
    before = bench.applied
    assert len(before) <= len(known) + 32
    bench.emulator.script([])
    if moment == 0 and not Path("job/run.json").exists():
        assert not known
        return
    assert call(bench, "resume", "job").code == 0
    record = bench.record()
    assert record.outcomes == {"updated": ROWS}
    assert [row["face_id"] for row in record.results] == [
        row["face_id"] for row in make_rows(ROWS)
    ]
    assert record.summary["read"] == ROWS
    after = bench.applied
    twice = {face_id for face_id, times in after.items() if times > 1}
    assert len(twice) <= 32
    assert max(after.values()) <= 2
    # What the journal knew was not sent again.
    assert not twice & {face(number) for number in known}
    assert set(after) == {row["face_id"] for row in make_rows(ROWS)}


def test_kill_again_and_again(bench: Bench) -> None:
    """A run that is killed in every session still ends, and never loses an outcome."""
    source = bench.prepare(ROWS)
    bench.emulator.script([fault("delay", seconds=0.02, times=0)])
    words: tuple[str, ...] = ("run", source, *usual(bench))
    known = 0
    for stop in (60, 140, 220):
        with started(bench, *words) as command:
            command.wait_for_results(stop)
            command.send(signal.SIGKILL)
            command.process.wait(30)
        results = [line for line in bench.record().journal if line["kind"] == "result"]
        assert len(results) >= max(known, stop)
        known, words = len(results), ("resume", "job")
    assert call(bench, "resume", "job").code == 0
    assert bench.record().outcomes == {"updated": ROWS}
    assert sum(bench.applied.values()) <= ROWS + 3 * 32
    assert len(bench.applied) == ROWS


def test_results_of_a_killed_run(bench: Bench) -> None:
    """The views of a run that was killed can be made before it is resumed."""
    source = bench.prepare(ROWS)
    words = (*usual(bench), "--rate", "40")
    with started(bench, "run", source, *words) as command:
        command.wait_for_results(50)
        in_use = call(bench, "resume", "job")
        command.send(signal.SIGKILL)
        command.process.wait(30)
    assert in_use.code == 2
    assert "in use" in in_use.err
    assert bench.record().manifest["state"] == "running"
    told = call(bench, "results", "job", "--output", "json")
    assert told.code == 0
    assert told.json["read"] == ROWS
    assert told.json["outcomes"]["updated"] >= 50
    assert told.json["next_command"] == "batch-updater resume job"
