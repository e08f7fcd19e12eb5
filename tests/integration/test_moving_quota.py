"""A quota that moves, counted at the server: told, hinted at, or only felt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, Record, fault, meanwhile, start_emulator

from batch_updater.emulator.settings import CallLimit

FAST = ("--rate", "100", "--headroom", "5%", "--output", "json")


def most_in(arrivals: Sequence[float], seconds: float) -> int:
    """Return the most arrivals of any sliding window."""
    return max(
        sum(first <= each < first + seconds for each in arrivals) for first in arrivals
    )


def changes(record: Record) -> list[dict[str, Any]]:
    """Return what the journal says of the rate."""
    return [line for line in record.journal if line["kind"] == "rate"]


def reasons(record: Record) -> list[str]:
    """Return why the rate changed, in order."""
    return [line["why"] for line in changes(record)]


def say(path: Path, text: str) -> None:
    """Write the control file of a run."""
    path.write_text(text, encoding="utf-8")


def test_settles_near_the_servers_quota(bench: Bench) -> None:
    """At ten times the quota few replies are throttled, and the quota is used."""
    with start_emulator(qps=10) as emulator:
        here = Bench(bench.folder, emulator)
        ended = here.run(here.prepare(30), *FAST)
        arrivals = emulator.witness.arrivals("UpdateFace")
    assert ended.code == 0
    # At the start eight are on their way when the first is refused.
    assert ended.json["throttled"] <= 12
    assert 30 / (arrivals[-1] - arrivals[0]) >= 4
    assert reasons(here.record())[0] == "throttled"
    assert "throttled: the rate falls from 100 to " in ended.err


def test_a_quota_that_moves_is_followed(bench: Bench) -> None:
    """When the quota sinks the rate falls once, and comes back when it has risen."""
    emulator = bench.emulator
    source = bench.prepare(130)
    with (
        meanwhile(lambda: bench.updates >= 30, lambda: emulator.change_quota(20)),
        meanwhile(lambda: bench.updates >= 70, lambda: emulator.change_quota(None)),
    ):
        ended = bench.run(source, *FAST)
    assert ended.code == 0
    assert 1 <= ended.json["throttled"] <= 20
    falls = [line for line in changes(bench.record()) if line["why"] == "throttled"]
    assert len(falls) == 1
    assert falls[0]["rate"] < 45
    assert emulator.witness.worst_second() <= 100


def test_a_quota_in_a_refusal_is_kept_to(bench: Bench) -> None:
    """After `limit:10,time:2 second` no two seconds hold more than ten arrivals."""
    limit = CallLimit(10, 2)
    with start_emulator(gateway_quota=limit, count_refused=True) as emulator:
        here = Bench(bench.folder, emulator)
        flags = (*FAST, "--rate", "unlimited", "--concurrency", "8")
        ended = here.run(here.prepare(22), *flags)
        arrivals = emulator.witness.arrivals("UpdateFace")
    assert ended.code == 0
    assert ended.json["throttled"] <= 8
    assert most_in(arrivals[-12:], 2.0) <= 10
    (told,) = changes(here.record())
    assert (told["limit"], told["window_s"], told["why"]) == (10, 2.0, "text")
    assert "10 calls in 2 seconds" in ended.err


def test_headers_are_heeded(bench: Bench) -> None:
    """With X-ratelimit headers the quota is known before anything is refused."""
    limit = CallLimit(20, 1)
    with start_emulator(gateway_quota=limit, ratelimit_headers=True) as emulator:
        here = Bench(bench.folder, emulator)
        ended = here.run(here.prepare(35), *FAST)
    assert ended.code == 0
    assert ended.json["throttled"] == 0
    assert reasons(here.record()) == []  # the preflight's answer told it already
    assert "told in a reply's headers: 20 calls in 1 second" in ended.err


@pytest.mark.parametrize("value", ["nan", "-1", "9" * 4000, "0", "1e9", "\xff"])
def test_nonsense_in_headers_changes_nothing(bench: Bench, value: str) -> None:
    """Whatever stands in the headers, the run ends well and at its own rate."""
    names = ("X-ratelimit", "X-ratelimit-used", "X-ratelimit-window")
    headers = dict.fromkeys(names, value)
    answer = fault("respond", status=200, body='{"face_number": 1}', headers=headers)
    bench.emulator.script([answer])
    ended = bench.run(bench.prepare(5), "--output", "json")
    assert ended.code == 0
    assert ended.json["throttled"] == 0
    assert changes(bench.record()) == []


def test_the_control_file_changes_the_rate(bench: Bench) -> None:
    """`echo N > RUN_DIR/rate` moves the rate up and down, as the server counts."""
    source, path = bench.prepare(135), bench.folder / "job" / "rate"
    flags = ("--rate", "20", "--headroom", "5%")
    with (
        meanwhile(lambda: bench.updates >= 8, lambda: say(path, "60\n")),
        meanwhile(lambda: bench.updates >= 60, lambda: say(path, "15\n")),
    ):
        ended = bench.run(source, *flags)
    assert ended.code == 0
    arrivals = bench.emulator.witness.arrivals("UpdateFace")
    assert most_in(arrivals[:20], 1.0) <= 20
    assert 40 <= most_in(arrivals, 1.0) <= 60
    assert most_in(arrivals[-12:], 1.0) <= 15
    assert arrivals[-1] - arrivals[-10] >= 8 / 15
    record = bench.record()
    assert [line["rate"] for line in changes(record)] == [60.0, 15.0]
    assert set(reasons(record)) == {"control file"}
    assert "the rate is changed from 20 to 60 a second (control file)" in ended.err
    assert record.summary["rate"] == 60.0
    assert " a second of 60 allowed" in ended.out


def test_a_bad_control_file_is_told_once(bench: Bench) -> None:
    """What is no rate is told with its value, once, and changes nothing."""
    source, path = bench.prepare(60), bench.folder / "job" / "rate"
    with meanwhile(lambda: bench.updates >= 3, lambda: say(path, "fa\x1bst\n")):
        ended = bench.run(source, "--rate", "40")
    assert ended.code == 0
    assert ended.err.count("says 'fa\\x1bst' and is ignored: give") == 1
    assert changes(bench.record()) == []
    assert bench.record().summary["rate"] == 40.0


@pytest.fixture
def stopped(bench: Bench) -> Path:
    """Stop a run before its end; return where its rate can be changed."""
    bench.run(bench.prepare(25), "--rate", "10", "--max-duration", "400ms")
    assert bench.record().outcomes["unprocessed"] > 10
    path = bench.folder / "job" / "rate"
    say(path, "200\n")
    return path


def test_resume_goes_by_the_control_file(bench: Bench, stopped: Path) -> None:
    """What was asked for while the run was going on, or stopped, holds for resume."""
    assert bench.command("resume", "job").code == 0
    assert [line["rate"] for line in changes(bench.record())] == [200.0]
    assert bench.emulator.witness.worst_second() > 12
    assert stopped.read_text() == "200\n"


def test_a_rate_said_to_resume_is_newer(bench: Bench, stopped: Path) -> None:
    """`resume --rate` removes the control file, and says so."""
    ended = bench.command("resume", "job", "--rate", "50")
    assert ended.code == 0
    assert "rate is removed: --rate is newer" in ended.err
    assert not stopped.exists()
    assert changes(bench.record()) == []
    assert bench.record().summary["rate"] == 50.0


def test_waiting_costs_no_attempt(bench: Bench) -> None:
    """A pause longer than --max-elapsed costs no row its last attempt."""
    headers = {"Retry-After": "2"}
    bench.emulator.script([fault("respond", code="FRS.0033", headers=headers)])
    flags = ("--max-attempts", "2", "--max-elapsed", "500ms", "--no-adaptive")
    ended = bench.run(bench.prepare(12), *flags, "--output", "json")
    assert ended.code == 0
    assert ended.json["throttled"] == 1
    assert ended.json["outcomes"]["updated"] == 12
