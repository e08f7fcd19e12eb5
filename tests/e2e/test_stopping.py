"""Signals at odd moments: twice from a terminal, while views are written, while asleep."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from bench import Bench, assert_accounted, fault, make_rows, wait_for
from commands import call, started, usual

ROWS = 100


def test_a_hangup_is_never_the_second(bench: Bench) -> None:
    """Terminals send SIGHUP more than once: it drains, and exits with 129."""
    source = bench.prepare(ROWS)
    bench.emulator.script([fault("delay", seconds=0.3, times=0)])
    with started(bench, "run", source, *usual(bench), "--output", "json") as command:
        wait_for(lambda: bench.updates >= 32)
        command.send(signal.SIGHUP)
        while not command.gone_after(signal.SIGHUP):
            pass
        ended = command.wait()
    assert ended.code == ended.json["exit_code"] == 129
    assert ended.json["ambiguous"] == 0
    assert_accounted(bench, {source: make_rows(ROWS)})
    bench.emulator.script([])
    assert call(bench, "resume", "job").code == 0
    assert set(bench.applied.values()) == {1}


def block_views(bench: Bench, source: str) -> Path:
    """Let the views wait for an input that never comes; return where the input is kept."""
    path = bench.folder / source
    kept = path.rename(path.with_suffix(".kept"))
    os.mkfifo(path)
    return kept


def views_begin(bench: Bench) -> bool:
    """Return whether all is sent and recorded."""
    return any(line["kind"] == "end" for line in bench.record().journal)


@pytest.mark.parametrize(
    ("signum", "code", "drained"),
    [(signal.SIGINT, 130, False), (signal.SIGTERM, 143, True)],
)
def test_second_signal_leaves_the_views(
    bench: Bench, signum: int, code: int, drained: bool
) -> None:
    """The journal is whole, no half view is left, and `results` makes them all."""
    source = bench.prepare(ROWS)
    bench.emulator.script([fault("delay", seconds=0.1, times=0)])
    with started(bench, "run", source, *usual(bench)) as command:
        command.wait_for_results(1)
        kept = block_views(bench, source)
        if drained:
            command.send(signum)
        wait_for(lambda: views_begin(bench))
        wait_for(lambda: command.gone_after(signum))
        ended = command.wait()
    kept.replace(bench.folder / source)
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert "once more" in ended.err
    assert "batch-updater results job" in ended.err
    assert not list(Path("job").glob(".*.new"))
    assert not Path("job/results.csv").exists()
    assert call(bench, "results", "job").code == 0
    assert_accounted_but_state(bench, source)


def assert_accounted_but_state(bench: Bench, source: str) -> None:
    """Assert what holds before run.json has its totals, then that resume ends it."""
    assert bench.record().outcomes["updated"] == bench.emulator.witness.applied
    bench.emulator.script([])
    assert call(bench, "resume", "job").code == 0
    assert_accounted(bench, {source: make_rows(ROWS)})
    assert set(bench.applied.values()) == {1}


def test_one_signal_lets_the_views_be_written(bench: Bench) -> None:
    """A run that is done stays done: one Ctrl-C after its last row changes nothing."""
    source = bench.prepare(ROWS)
    bench.emulator.script([fault("delay", seconds=0.05, times=0)])
    with started(bench, "run", source, *usual(bench)) as command:
        command.wait_for_results(1)
        block_views(bench, source)
        wait_for(lambda: views_begin(bench))
        command.send(signal.SIGINT)
        wait_for(lambda: command.has_said("once more"))
        (bench.folder / source).write_bytes(b"")  # which opens the way
        assert command.wait().code == 0


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_while_stdin_is_spooled(bench: Bench, signum: int, code: int) -> None:
    """The rows of an input that has not ended do not stay in the temporary folder."""
    fifo = bench.folder / "pipe"
    os.mkfifo(fifo)
    with (
        started(bench, "run", "-", *usual(bench), stdin=str(fifo)) as command,
        fifo.open("wb", buffering=0) as pipe,
    ):
        pipe.write(b"face_id,external_image_id\n")
        wait_for(lambda: command.has_open("stdin"))
        command.send(signum)
        ended = command.wait()
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert bench.emulator.witness.requests == 0
    assert not list(Path(".tmp").iterdir())


def test_a_process_that_is_stopped_goes_on(bench: Bench) -> None:
    """After SIGSTOP and SIGCONT the cap holds, and stamps show the time in between."""
    source = bench.prepare(120)
    flags = (*usual(bench), "--rate", "60", "--headroom", "5%")
    with started(bench, "run", source, *flags) as command:
        command.wait_for_results(20)
        command.send(signal.SIGSTOP)
        wait_for(lambda: bench.emulator.witness.in_flight == 0)
        with pytest.raises(subprocess.TimeoutExpired):
            command.process.wait(1.3)
        command.send(signal.SIGCONT)
        assert command.wait().code == 0
    assert bench.emulator.witness.worst_second() <= 60
    assert_accounted(bench, {source: make_rows(120)})
    starts = [row["started_at"] for row in bench.record().results]
    assert starts == sorted(starts)
    assert bench.record().summary["busiest_second"] <= 60
    assert bench.record().summary["duration_s"] > 1.3 + 119 / 66
