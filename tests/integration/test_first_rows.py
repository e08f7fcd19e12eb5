"""Runs that fail from their first row on, and faces that were just added."""

import shlex

import pytest
from bench import Bench, assert_accounted, face, fault, make_rows

from batch_updater import SameFailures, run

# A worker may be a row or two ahead of the one who reads the results.
AHEAD = 3
UNDECLARED = ("--field", "nickname:string=note")


def missing(bench: Bench, times: int, **more: object) -> None:
    """Answer so many updates as if the face did not exist."""
    bench.emulator.script([fault("respond", code="FRS.0303", times=times, **more)])


def test_the_first_rows_all_fail(bench: Bench) -> None:
    """An undeclared field fails every row: 50 are enough, and the hint goes on."""
    source = bench.prepare(70)
    ended = bench.run(source, *UNDECLARED, "--concurrency", "1", "--output", "json")
    stop = ended.json["stop"]
    assert ended.code == 4
    assert stop["name"] == "same_failures"
    assert "first 50 rows sent all failed with FRS.0402" in stop["message"]
    assert "does not declare this custom field" in stop["message"]
    assert "declared fields only" in stop["hint"]
    assert 50 <= bench.record().outcomes["failed"] <= 50 + AHEAD
    assert bench.record().outcomes.keys() == {"failed", "unprocessed"}
    assert_accounted(bench, {source: make_rows(70)})

    words = shlex.split(stop["hint"].partition("batch-updater ")[2])
    assert words == ["resume", "job", "--same-failures", "off"]
    assert bench.command(*words).code == 1
    assert bench.record().outcomes == {"failed": 70}
    assert bench.updates == 70


def test_a_resumed_run_is_watched_again(bench: Bench) -> None:
    """Without the flag, what is left is given up after as many rows as before."""
    source = bench.prepare(30)
    flags = (*UNDECLARED, "--concurrency", "1", "--same-failures", "10")
    assert bench.run(source, *flags).code == 4
    assert bench.command("resume", "job").code == 4
    assert 20 <= bench.record().outcomes["failed"] <= 20 + 2 * AHEAD


def test_rows_in_flight_land(bench: Bench) -> None:
    """With many workers nothing that was sent is lost when the run stops."""
    source = bench.prepare(200)
    flags = (*UNDECLARED, "--concurrency", "16", "--same-failures", "20")
    assert bench.run(source, *flags).code == 4
    assert 20 <= bench.record().outcomes["failed"] <= 20 + 3 * 16
    assert_accounted(bench, {source: make_rows(200)})


def test_spent_retries_stop_it_too(bench: Bench) -> None:
    """Rows that fail after all their attempts count like those refused at once."""
    source = bench.prepare(20)
    bench.emulator.script([fault("respond", code="FRS.0018", times=0)])
    flags = ("--max-attempts", "2", "--same-failures", "3", "--concurrency", "1")
    ended = bench.run(source, *flags)
    assert ended.code == 4
    assert "first 3 rows sent all failed with FRS.0018" in ended.out
    assert 3 <= bench.record().outcomes["failed"] <= 3 + AHEAD
    assert bench.record().outcomes.keys() == {"failed", "unprocessed"}


def test_one_row_that_goes_through_is_enough(bench: Bench) -> None:
    """A run whose first row is updated goes on to its end, whatever fails then."""
    source = bench.prepare(20)
    bench.emulator.script([fault("respond", code="FRS.0303", after=1, times=0)])
    flags = ("--same-failures", "3", "--concurrency", "1")
    assert bench.run(source, *flags).code == 1
    assert bench.record().outcomes == {"updated": 1, "failed": 19}


def test_nothing_left_to_stop(bench: Bench) -> None:
    """When the N rows are all there are, the run has simply ended."""
    source = bench.prepare(5)
    ended = bench.run(source, *UNDECLARED, "--same-failures", "5")
    assert ended.code == 1
    assert bench.record().summary["stop"] is None


def test_a_retry_is_not_watched(bench: Bench) -> None:
    """Its rows have failed before; only its own flag makes it stop."""
    source = bench.prepare(20)
    bench.emulator.script([fault("respond", code="FRS.0018", times=0)])
    flags = ("--max-attempts", "1", "--same-failures", "3", "--concurrency", "1")
    assert bench.run(source, *flags, "--max-outage", "off").code == 4
    assert bench.command("resume", "job", "--same-failures", "off").code == 1
    again = ("retry", "job", "--run-dir", "again")
    assert bench.command(*again).code == 1
    assert bench.record("again").outcomes == {"failed": 20}
    watched = ("retry", "job", "--run-dir", "watched", "--same-failures", "4")
    assert bench.command(*watched).code == 4
    assert 4 <= bench.record("watched").outcomes["failed"] <= 4 + AHEAD


def test_the_library_raises_it(bench: Bench) -> None:
    """run() raises SameFailures, with the summary of what was done."""
    source = bench.prepare(20)
    settings = {**bench.settings, "concurrency": 1, "run_dir": "job"}
    with pytest.raises(SameFailures, match=r"FRS\.0402") as caught:
        run(source, field=["nickname:string=note"], same_failures=5, **settings)
    assert caught.value.code == 4
    assert bench.record().outcomes.keys() == {"failed", "unprocessed"}


def test_a_missing_face_fails_at_once(bench: Bench) -> None:
    """Without --settle one answer is enough."""
    source = bench.prepare(3)
    missing(bench, 1, face_id=face(2))
    assert bench.run(source).code == 1
    assert bench.record().row(2)["attempts"] == "1"
    assert bench.updates == 3


@pytest.mark.parametrize("code", ["FRS.0303", "FRS.0403"])
def test_a_face_that_was_just_added(bench: Bench, code: str) -> None:
    """Within --settle it is asked for again until it is there; others do not wait."""
    source = bench.prepare(3)
    planned = fault("respond", code=code, times=2, face_id=face(2))
    bench.emulator.script([planned])
    assert bench.run(source, "--settle", "1500ms").code == 0
    assert [row["attempts"] for row in bench.record().results] == ["1", "3", "1"]
    assert bench.updates == 5
    assert_accounted(bench, {source: make_rows(3)})


def test_a_face_that_never_comes(bench: Bench) -> None:
    """When its time is over the row fails for good, with the service's code."""
    source = bench.prepare(1)
    missing(bench, 0)
    assert bench.run(source, "--settle", "100ms").code == 1
    [row] = bench.record().results
    assert (row["attempts"], row["error_code"]) == ("2", "FRS.0303")
    assert row["error_class"] == "permanent"


def test_settling_is_bound_by_max_attempts(bench: Bench) -> None:
    """An attempt is an attempt: --max-attempts counts those that wait for a face."""
    source = bench.prepare(1)
    missing(bench, 0)
    assert bench.run(source, "--settle", "1h", "--max-attempts", "1").code == 1
    assert bench.updates == 1


def test_a_row_that_waits_when_the_run_stops(bench: Bench) -> None:
    """It is left over, not failed, and resume sends it."""
    source = bench.prepare(1)
    missing(bench, 1)
    flags = ("--settle", "1h", "--max-duration", "200ms")
    assert bench.run(source, *flags).code == 5
    assert bench.record().outcomes == {"unprocessed": 1}
    assert bench.command("resume", "job").code == 0
    assert bench.applied == {face(1): 1}
