"""Killed or cut off with 64 in flight: no face changes without its image."""

import signal
from pathlib import Path
from random import Random

from bench import FACE_SET, Bench, face, fault, make_rows, wait_for
from commands import call, started, usual

from batch_updater.files.before_images import read_images

ROWS = 400
KILLS = 3
IN_FLIGHT = ("--rate", "unlimited", "--concurrency", "64")


def seed(bench: Bench) -> str:
    """Put faces into the face set that hold both fields; return the rows' file."""
    raw = [
        {"face_id": face(n), "external_fields": {"age": -n, "team": "red"}}
        for n in range(1, ROWS + 1)
    ]
    bench.emulator.state.seed_faces(FACE_SET, raw)
    return bench.write("faces.csv", make_rows(ROWS))


def assert_images(bench: Bench, job: Path) -> None:
    """Assert that each face that was changed has its one image, of what it held first."""
    wait_for(lambda: bench.emulator.witness.in_flight == 0)
    path = job / "before.jsonl"
    ages: dict[str, list[object]] = {}
    if path.exists():
        for image in read_images(path):
            fields = image.before["external_fields"]
            ages.setdefault(image.update.face_id, []).append(fields["age"])
    for number in range(1, ROWS + 1):
        if bench.applied[face(number)] or face(number) in ages:
            assert ages[face(number)] == [-number]


def test_kill_minus_nine(bench: Bench) -> None:
    """At whatever moment it is killed: images first, and outcomes are true in the end."""
    source, job, chance = seed(bench), bench.folder / "job", Random(1)
    bench.emulator.script([fault("delay", seconds=0.02, times=0)])
    words = ("run", source, "--backup", *IN_FLIGHT, *bench.target, "--run-dir", "job")
    for _ in range(KILLS):
        more = bench.updates + chance.randint(1, 90)
        with started(bench, *words, "--progress", "none") as command:
            wait_for(lambda more=more: bench.updates >= more)  # type: ignore[misc]
            command.send(signal.SIGKILL)
            command.process.wait(30)
        assert_images(bench, job)
        words = ("resume", "job")
    assert call(bench, *words).code == 0
    assert_images(bench, job)
    assert bench.record().outcomes == {"updated": ROWS}
    assert len(list(read_images(job / "before.jsonl"))) == ROWS
    for number in range(1, ROWS + 1):
        assert bench.stored(face(number)) == {"age": number, "team": "red"}


def test_a_second_signal_while_reading(bench: Bench) -> None:
    """Faces that are being read are left as they are, and their rows can be resumed."""
    source, reads = seed(bench), "ShowFacesByFaceId"
    bench.emulator.script([fault("stall", operation=reads, after=20, times=0)])
    words = ("run", source, "--backup", *usual(bench), "--concurrency", "8")
    with started(bench, *words) as command:
        wait_for(lambda: bench.emulator.faults[0].fired >= 8)
        command.send(signal.SIGINT)
        wait_for(lambda: command.has_said("finishing what is in flight"))
        command.send(signal.SIGINT)
        ended = command.wait()
    assert ended.code == 130
    assert bench.record().outcomes == {"updated": 20, "unprocessed": ROWS - 20}
    assert bench.updates == 20
    bench.emulator.script([])
    assert call(bench, "resume", "job", "--rate", "unlimited").code == 0
    assert bench.record().outcomes == {"updated": ROWS}
    assert bench.record().attempts == bench.updates + ROWS + 8
