"""A service that dies in the middle of a run, and comes back or does not."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from bench import (
    Bench,
    assert_accounted,
    face,
    fault,
    make_rows,
    meanwhile,
    start_emulator,
    wait_for,
)

from batch_updater import CircuitOpen, FaceUpdate, Outcome, Result, update_all
from batch_updater.emulator import Emulator

ROWS = 300
WORKERS = 32
NOTICED = 15  # failures in a row that open the circuit


def changes(bench: Bench, name: str = "job") -> list[str]:
    """Return the changes of the circuit that the journal tells."""
    notes = [line for line in bench.record(name).journal if line["kind"] == "circuit"]
    return [note["state"] for note in notes]


def journal_tells(bench: Bench, state: str) -> Callable[[], bool]:
    """Return whether the journal of the run has got so far."""
    path = bench.folder / "job" / "journal.jsonl"
    said = f'"state":"{state}"'.encode()
    return lambda: path.exists() and said in path.read_bytes()


@contextmanager
def down(bench: Bench, probes: int, **options: Any) -> Iterator[Callable[[], int]]:
    """Let every update fail from the 100th on, until so many probes have failed."""
    bench.emulator.script([fault(after=100, times=0, **options)])
    [tally] = bench.emulator.faults
    seen = 0

    def heal() -> None:
        nonlocal seen
        wait_for(lambda: bench.emulator.witness.in_flight == 0)
        seen = tally.fired
        wait_for(lambda: tally.fired >= seen + probes)
        bench.emulator.script([])

    with meanwhile(journal_tells(bench, "open"), heal):
        yield lambda: tally.fired


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"action": "respond", "status": 503, "body": "down"}, "HTTP.503"),
        ({"action": "reset"}, "TRANSPORT.RESET"),
        ({"action": "stall"}, "TRANSPORT.TIMEOUT"),
    ],
)
def test_a_service_that_is_down_for_a_while(
    bench: Bench, options: dict[str, Any], code: str
) -> None:
    """It gets what was in flight and one probe at a time, and no row fails for it."""
    source = bench.prepare(ROWS)
    flags = ("--concurrency", str(WORKERS), "--timeout", "700ms")
    with down(bench, 1, **options) as fired:
        ended = bench.run(source, *flags)
    assert ended.code == 0, ended
    assert bench.record().outcomes == {"updated": ROWS}
    assert NOTICED <= fired() <= WORKERS + NOTICED + 2
    assert changes(bench) == ["open", "closed"]
    assert f"the last with {code}" in ended.err
    assert ended.err.count("the service is ") == 2, "a line for each change, no more"
    assert_accounted(bench, {source: make_rows(ROWS)})


def test_a_service_that_is_started_again(bench: Bench) -> None:
    """Refused connections are waited out; they are no updates that may have happened."""
    source = bench.prepare(ROWS)
    with ExitStack() as first, ExitStack() as second:
        before = first.enter_context(start_emulator())
        after: list[Emulator] = []
        port = before.port

        def start_again() -> None:
            first.close()
            wait_for(journal_tells(bench, "open"))
            after.append(second.enter_context(start_emulator(port=port)))
            _seed(after[0])

        _seed(before)
        with meanwhile(lambda: before.witness.applied >= 50, start_again):
            flags = ("--rate", "200", "--concurrency", str(WORKERS))
            ended = Bench(bench.folder, before).run(source, *flags)
        arrived = before.witness.requests + after[0].witness.requests - 1
    assert ended.code == 0, ended
    assert bench.record().outcomes == {"updated": ROWS}
    assert changes(bench) == ["open", "closed"]
    tries = [a for line in bench.record().journal for a in line.get("attempts", ())]
    refused = [a for a in tries if a.get("error_code") == "TRANSPORT.CONNECT"]
    assert refused
    assert not any(a.get("ambiguous") for a in refused), "they never left"
    assert len(tries) - len(refused) == arrived


def _seed(emulator: Emulator) -> None:
    faces = [{"face_id": face(n)} for n in range(1, ROWS + 1)]
    emulator.state.seed_faces("staff", faces)


@pytest.mark.parametrize("patience", ["0s", "1200ms"])
def test_it_ends_by_max_outage(bench: Bench, patience: str) -> None:
    """Exit 4 with what was met, no failed row; resume sends what is left, and only that."""
    source = bench.prepare(ROWS)
    planned = fault("respond", status=503, body="in repair", after=100, times=0)
    bench.emulator.script([planned])
    flags = ("--concurrency", str(WORKERS), "--max-outage", patience)
    ended = bench.run(source, *flags, "--output", "json")
    assert ended.code == 4
    stop = ended.json["stop"]
    assert stop["name"] == "circuit_open"
    assert "HTTP.503: HTTP 503 without an error code: in repair" in stop["message"]
    assert "resume" in stop["hint"]
    assert ended.json["next_command"] == "batch-updater resume job"
    [error] = ended.json["errors"]
    assert error["remedy"] == "try again later: resume sends these rows"
    [number] = re.findall(r"row (\d+)", error["example"])
    told = bench.command("results", "job", "--row", number, "--output", "text")
    assert f"do: {error['remedy']}" in told.out
    assert changes(bench) == ["open", "given_up"]
    assert bench.record().outcomes == {"updated": 100, "unprocessed": ROWS - 100}
    assert_accounted(bench, {source: make_rows(ROWS)})

    bench.all_fired()
    bench.emulator.script([])
    assert bench.command("resume", "job").code == 0
    assert bench.record().outcomes == {"updated": ROWS}
    assert set(bench.applied.values()) == {1}
    assert_accounted(bench, {source: make_rows(ROWS)})


def test_off_lets_rows_fail(bench: Bench) -> None:
    """Who wants an end at once gets one: rows fail when their own attempts are spent."""
    source = bench.prepare(40)
    bench.emulator.script([fault("respond", code="FRS.0018", after=1, times=0)])
    flags = ("--max-attempts", "1", "--max-outage", "off")
    assert bench.run(source, *flags).code == 1
    assert bench.record().outcomes == {"updated": 1, "failed": 39}
    assert changes(bench) == []


def test_the_library_raises_it(bench: Bench) -> None:
    """update_all() raises CircuitOpen after the results of all that was sent."""
    bench.prepare(60)
    bench.emulator.script([fault("respond", code="FRS.0018", after=20, times=0)])
    updates = [FaceUpdate(face(n), external_fields={"age": n}) for n in range(1, 61)]
    seen: list[Result] = []
    with pytest.raises(CircuitOpen, match=r"FRS\.0018") as caught:
        update_all(updates, on_result=seen.append, max_outage="0s", **bench.settings)
    assert caught.value.code == 4
    assert [each.outcome for each in seen].count(Outcome.UPDATED) == 20
    assert {each.outcome for each in seen} <= {Outcome.UPDATED, Outcome.UNPROCESSED}


def test_an_export_waits_too(bench: Bench) -> None:
    """Faces that are asked for by id outlast a service that is down for a moment."""
    ids = bench.prepare(60)
    operation = "ShowFacesByFaceId"
    planned = fault("respond", code="FRS.0018", operation=operation, after=20, times=0)
    bench.emulator.script([planned])
    flags = ("--rate", "1000", "--run-dir", "job", *bench.target[:4])
    command = ("export", "staff", "--ids", ids, "-o", "out.csv", *flags)
    with meanwhile(journal_tells(bench, "open"), lambda: bench.emulator.script([])):
        ended = bench.command(*command)
    assert ended.code == 0, ended
    assert bench.record().outcomes == {"exported": 60}
    assert not any(row["ambiguous"] == "True" for row in bench.record().results)


def test_a_dead_service_at_the_start(bench: Bench) -> None:
    """The first request is one call: its own attempts end it, with the usual words."""
    source = bench.prepare(3)
    operation = "ShowFaceSet"
    planned = fault("respond", code="FRS.0018", operation=operation, times=0)
    bench.emulator.script([planned])
    ended = bench.run(source, "--max-attempts", "2")
    assert ended.code == 3
    assert "FRS.0018" in ended.err
    assert bench.emulator.witness.requests == 2
