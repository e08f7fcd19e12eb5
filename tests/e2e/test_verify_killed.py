"""A verification that is killed goes on: the same sample, and nothing is read twice."""

import signal

import pandas as pd
from bench import FACE_SET, Bench, face
from commands import started

SAMPLE = 40
IN_FLIGHT = 4


def test_a_killed_verification_finishes_its_sample(bench: Bench) -> None:
    """After kill -9 resume reads the rest of the sample; pandas reads what differs."""
    assert bench.run(bench.prepare(150)).code == 0
    others = [
        {"face_id": face(n), "external_fields": {"age": -n}} for n in range(1, 151)
    ]
    bench.emulator.state.seed_faces(FACE_SET, others)
    words = ("--run-dir", "check", "--settle", "0s", "--concurrency", str(IN_FLIGHT))
    pace = ("--rate", "100", "--sample", str(SAMPLE))
    with started(bench, "verify", "job", *words, *pace) as command:
        command.wait_for_results(10, "check")
        command.send(signal.SIGKILL)
        command.process.wait(30)
    journal = bench.record("check").journal
    [chosen] = [line["rows"] for line in journal if line["kind"] == "selection"]
    wanted = {n + 1 for first, last in chosen for n in range(first, last + 1)}

    assert len(wanted) == SAMPLE
    assert bench.command("resume", "check", "--rate", "1000").code == 6
    assert bench.record("check").outcomes == {"mismatch": SAMPLE}
    asked = bench.emulator.witness.by_operation["ShowFacesByFaceId"]
    assert SAMPLE <= asked <= SAMPLE + IN_FLIGHT
    found = pd.read_csv(bench.folder / "check" / "mismatches.csv")
    assert set(found["row_number"]) == wanted
    assert (found["found"] == -found["expected"]).all()
