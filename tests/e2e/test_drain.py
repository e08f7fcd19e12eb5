"""Whatever a row waits for, the first signal ends it within one --timeout, and sends nothing."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from bench import FACE_SET, Bench, assert_accounted, face, fault, make_rows, wait_for
from commands import call, started, usual

from batch_updater.emulator import Fault

ROWS = 40
USER = {
    "BATCH_UPDATER_TOKEN": "",
    "BATCH_UPDATER_IAM_DOMAIN": "emulator-domain",
    "BATCH_UPDATER_IAM_USER": "emulator-user",
    "BATCH_UPDATER_IAM_PASSWORD": "emulator-password",
}
MINUTES = {"Retry-After": "240"}


@dataclass(frozen=True)
class Wait:
    """What all rows of a run end up waiting for; each would take far too long."""

    faults: Sequence[Fault]
    flags: Sequence[str] = ()
    arrivals: int = 33  # the preflight, and a request of each of 32 workers


WAITS = {
    "an answer": Wait([fault("stall", after=8, times=0)], arrivals=41),
    "a backoff": Wait(
        [fault("respond", status=503, body="", headers=MINUTES, times=0)],
        ("--max-outage", "off"),
    ),
    "a quota": Wait(
        [fault("respond", code="FRS.0033", headers=MINUTES, times=0)],
        ("--concurrency", "1"),
        arrivals=2,
    ),
    "a face": Wait(
        [fault("respond", code="FRS.0303", times=0)], ("--settle", "1h"), arrivals=65
    ),
    "the pacer": Wait([], ("--rate", "0.5"), arrivals=2),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS.keys())
def test_drain(bench: Bench, wait: Wait) -> None:
    """The run ends, nothing arrives after the signal, and resume sends the rest."""
    source = bench.prepare(ROWS)
    bench.emulator.script(list(wait.faults))
    words = ("run", source, *usual(bench), "--timeout", "2s", *wait.flags)
    witness = bench.emulator.witness
    with started(bench, *words) as command:
        wait_for(lambda: witness.requests >= wait.arrivals)
        command.send(signal.SIGTERM)
        wait_for(lambda: command.has_said("finishing what is in flight"))
        arrived = witness.requests
        ended = command.wait()
    assert ended.code == 143, ended
    assert witness.requests == arrived
    bench.emulator.script([])
    wait_for(lambda: witness.in_flight == 0)
    assert call(bench, "resume", "job", "--rate", "1000").code == 0
    assert_accounted(bench, {source: make_rows(ROWS)})
    assert bench.record().outcomes == {"updated": ROWS}


def test_drain_of_a_renewal_that_hangs(bench: Bench) -> None:
    """Rows that wait for new credentials do not wait for them longer than for an answer."""
    source = bench.prepare(ROWS)
    words = ("run", source, *usual(bench), "--timeout", "2s", "--rate", "20")
    iam = ("--iam-endpoint", bench.emulator.url)
    with started(bench, *words, *iam, **USER) as command:
        command.wait_for_results(5)
        bench.emulator.script([fault("stall", operation="CreateToken", times=0)])
        bench.emulator.revoke_issued()
        identity = bench.emulator.witness.identity
        wait_for(lambda: identity["CreateToken"] == 2)
        command.send(signal.SIGTERM)
        ended = command.wait()
    assert ended.code == 143, ended
    assert identity["CreateToken"] == 2
    assert bench.record().outcomes["failed"] == 0
    assert_accounted(bench, {source: make_rows(ROWS)})
    bench.emulator.script([])
    with started(bench, "resume", "job", **USER) as command:
        assert command.wait().code == 0
    assert bench.record().outcomes == {"updated": ROWS}


def test_drain_of_a_page_that_hangs(bench: Bench) -> None:
    """An export that waits for a page asks for no other; resume goes on at that page."""
    ids = [face(n) for n in range(1, ROWS + 1)]
    bench.seed(ids)
    stall = fault("stall", operation="ShowFacesByLimit", after=2, times=0)
    bench.emulator.script([stall])
    where = bench.target[: bench.target.index("--face-set")]
    words = ("export", FACE_SET, "-o", "faces.csv", "--run-dir", "job", *where)
    flags = ("--page", "10", "--timeout", "2s", "--rate", "1000")
    with started(bench, *words, *flags) as command:
        wait_for(lambda: bench.emulator.witness.by_operation.get(stall.operation) == 3)
        command.send(signal.SIGTERM)
        ended = command.wait()
    assert ended.code == 143, ended
    assert bench.emulator.witness.by_operation[stall.operation] == 3
    bench.emulator.script([])
    assert call(bench, "resume", "job").code == 0
    assert (bench.folder / "faces.csv").read_text("utf-8").count("\n") == ROWS + 1
