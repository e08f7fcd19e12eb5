"""--stop-at with the real command: the stop is clean, and nothing is sent after it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from bench import FACE_SET, Bench, assert_accounted, fault, make_rows
from commands import call, usual

ROWS = 300


def in_seconds(seconds: int, zone: str = "UTC") -> datetime:
    """Return a whole second that comes after at least so many."""
    now = datetime.now(ZoneInfo(zone)).replace(microsecond=0)
    return now + timedelta(seconds=seconds + 1)


def test_stop_at(bench: Bench) -> None:
    """Exit 5: what is in flight lands, nothing comes after, resume has no such end."""
    source = bench.prepare(ROWS)
    # So slow that some are in flight when the moment comes.
    bench.emulator.script([fault("delay", seconds=0.2, times=0)])
    moment = in_seconds(7, "Asia/Shanghai")
    flags = ("--rate", "20", "--stop-at", f"{moment:%H:%M:%S}", "--output", "json")
    ended = call(bench, "run", source, *usual(bench), *flags, TZ="Asia/Shanghai")
    arrived = bench.emulator.witness.requests
    assert ended.code == ended.json["exit_code"] == 5, ended
    assert ended.json["stop"]["name"] == "time_window_over"
    shown = f"--stop-at {moment:%Y-%m-%d %H:%M:%S %z} has come"
    assert ended.json["stop"]["message"] == shown
    assert "fits: no, about " in ended.err
    record = bench.record()
    assert set(record.outcomes) == {"updated", "unprocessed"}
    starts = [row["started_at"] for row in record.results if row["started_at"]]
    assert max(starts) < f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
    assert_accounted(bench, {source: make_rows(ROWS)})

    bench.emulator.script([])
    assert bench.emulator.witness.requests == arrived
    assert call(bench, "resume", "job", "--rate", "1000").code == 0
    assert_accounted(bench, {source: make_rows(ROWS)})
    assert set(bench.applied.values()) == {1}


def test_the_earlier_end_is_named(bench: Bench) -> None:
    """With --max-duration both hold, and the message names the one that ended it."""
    source = bench.prepare(ROWS)
    flags = ("--rate", "20", "--max-duration", "300ms", "--stop-at")
    far = f"{in_seconds(3600):%Y-%m-%dT%H:%M:%SZ}"
    ended = call(bench, "run", source, *usual(bench), *flags, far)
    assert ended.code == 5
    assert "stopped     --max-duration 0.3 s is over" in ended.out


@pytest.mark.parametrize("command", ["run", "export"])
def test_a_moment_that_has_passed(bench: Bench, command: str) -> None:
    """Exit 2 before anything is sent or written; the library says so as well."""
    source = bench.prepare(3)
    what = {"run": ("run", source), "export": ("export", FACE_SET, "-o", "faces.csv")}
    target = bench.target if command == "run" else bench.target[:-2]
    where = ("--run-dir", "job", "--stop-at", "2026-01-01T06:00Z")
    ended = bench.command(*what[command], *target, *where)
    assert ended.code == 2
    assert "has passed; nothing was sent" in ended.err
    assert bench.emulator.witness.requests == 0
    assert not bench.record().path.exists()
    again = bench.run(source)
    assert again.code == 0
    refused = bench.command("resume", "job", *where[2:])
    assert refused.code == 0  # nothing is left, so nothing could be sent


@pytest.mark.parametrize("command", ["run", "export"])
def test_stop_at_holds_in_the_preflight(bench: Bench, command: str) -> None:
    """A service that asks for an hour at the start does not outlast the moment."""
    source = bench.prepare(3)
    busy = {"Retry-After": "3600"}
    bench.emulator.script(
        [fault("respond", operation="ShowFaceSet", code="FRS.0033", headers=busy)]
    )
    what = {"run": ("run", source), "export": ("export", FACE_SET, "-o", "faces.csv")}
    target = bench.target if command == "run" else bench.target[:-2]
    moment = f"{in_seconds(1):%Y-%m-%dT%H:%M:%SZ}"
    ended = bench.command(*what[command], *target, "--stop-at", moment)
    assert ended.code == 5, ended
    assert "--stop-at" in ended.err
    assert bench.updates == 0
