"""Apply and rollback as processes: killed at any moment, and asked at a terminal."""

import os
import pty
import signal
import subprocess
from random import Random

import pytest
from bench import PATIENCE, Bench, fault, wait_for
from commands import COMMAND, call, environment, started
from plan_making import AGE, ages, held, seed_ages, write_plan

ROWS = 300
IN_FLIGHT = ("--rate", "unlimited", "--concurrency", "64", "--progress", "none")


def kill_once(bench: Bench, words: tuple[str, ...], job: str, chance: Random) -> None:
    """Run a command that is killed at some moment, and goes on to its end."""
    more = bench.updates + chance.randint(1, 150)
    with started(bench, *words) as command:
        wait_for(lambda: bench.updates >= more)
        command.send(signal.SIGKILL)
        command.process.wait(PATIENCE)
    wait_for(lambda: bench.emulator.witness.in_flight == 0)
    ended = call(bench, "resume", job, *IN_FLIGHT)
    assert ended.code == 0, ended.err


def test_kill_minus_nine(bench: Bench) -> None:
    """Killed and resumed, a plan is applied exactly, and a rollback restores exactly."""
    seed_ages(bench, ROWS)
    before = held(bench)
    write_plan(bench, ages(bench, ROWS))
    bench.emulator.script([fault("delay", seconds=0.02, times=0)])
    chance, run_dir = Random(6), ("--yes", "--run-dir")
    kill_once(
        bench, ("apply", "plan.parquet", *IN_FLIGHT, *run_dir, "job"), "job", chance
    )
    assert [h[AGE] for h in held(bench).values()] == [
        n + 100 for n in range(1, ROWS + 1)
    ]
    assert bench.record().outcomes == {"updated": ROWS}
    back = ("rollback", "job", "--settle", "0s", *IN_FLIGHT, *run_dir, "back")
    kill_once(bench, back, "back", chance)
    assert held(bench) == before
    assert bench.record("back").outcomes == {"updated": ROWS}


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 2)])
def test_at_a_terminal(bench: Bench, answer: str, code: int) -> None:
    """A person is asked, with the figures; only yes is yes."""
    seed_ages(bench, 4)
    write_plan(bench, ages(bench, 4))
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())  # as fast as somebody can type
        done = subprocess.run(
            [COMMAND, "apply", "plan.parquet", "--run-dir", "job"],
            cwd=bench.folder,
            env=environment(bench),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=PATIENCE,
            check=False,
        )
        said = os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Change 4 of 4 faces (100.0 %)? [y/N]" in said
    assert (done.returncode, bench.updates) == (code, 0 if code else 4)
