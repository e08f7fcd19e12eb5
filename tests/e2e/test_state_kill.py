"""kill -9 of runs that keep the state, and never a resume: nothing wrong is believed."""

import signal
from pathlib import Path

import pytest
from bench import FACE_SET, Bench, face, fault, make_rows, wait_for
from commands import started

from batch_updater.states.opening import open_state

STATE = ("--changed-only", "--state", "state")


def known(bench: Bench, *faces: str) -> dict[str, object]:
    """Return the ages that the state says faces hold, after catching up."""
    target = (bench.emulator.url, bench.emulator.project_id, FACE_SET)
    with open_state(Path("state").absolute(), *target) as state:
        assert state.catch_up() == []
        told = state.look_up(faces)
        return {f: k.fields["external_fields.age"] for f, k in told.items()}


@pytest.mark.parametrize("applied", [False, True])
def test_killed_just_after_the_first_request_left(bench: Bench, applied: bool) -> None:
    """What was under way when a run was killed is in doubt, and sent again at night."""
    bench.prepare(3)
    assert bench.run("faces.csv", *STATE, "--run-dir", "n1").code == 0
    rows = [dict(row, **{"external_fields.age": "77"}) for row in make_rows(3)]
    name = bench.write("two.csv", rows)
    stall = fault("timeout-after-commit" if applied else "stall", times=3)
    bench.emulator.script([stall])
    before = bench.updates
    words = ("run", name, *bench.target, *STATE, "--run-dir", "n2", "--rate", "100")
    with started(bench, *words) as command:
        wait_for(lambda: bench.updates == before + 3)
        command.send(signal.SIGKILL)
        wait_for(lambda: command.gone_within(0.05))
    assert known(bench, face(1), face(2), face(3)) == {}
    # The old values: FRS may hold others, so all rows are sent.
    assert bench.run("faces.csv", *STATE, "--run-dir", "n3").code == 0
    assert bench.updates == before + 6
    assert [bench.stored(face(n))["age"] for n in (1, 2, 3)] == [1, 2, 3]


def test_what_was_recorded_before_the_kill_is_known(bench: Bench) -> None:
    """Successes that are on record count, although the run never ended."""
    bench.prepare(4)
    bench.emulator.script([fault("stall", face_id=face(4), times=1)])
    words = ("run", "faces.csv", *bench.target, *STATE, "--run-dir", "n1")
    journal = bench.folder / "n1" / "journal.jsonl"
    with started(bench, *words, "--rate", "100") as command:
        wait_for(
            lambda: journal.exists() and journal.read_bytes().count(b"updated") == 3
        )
        wait_for(lambda: bench.updates == 4)
        command.send(signal.SIGKILL)
        wait_for(lambda: command.gone_within(0.05))
    assert known(bench, *map(face, range(1, 5))) == {face(1): 1, face(2): 2, face(3): 3}
