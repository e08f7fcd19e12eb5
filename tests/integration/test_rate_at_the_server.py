"""Promise 3, counted at the server: the rate is a hard cap, whatever happens."""

import pytest
from bench import Bench, fault, start_emulator

from batch_updater.emulator import Fault

FAULTS = [
    fault("respond", name="500", code="FRS.0018", every=4, times=8),
    fault("reset", every=9, times=3),
    fault("partial", after=2, every=11, times=2),
    fault("respond", name="502", status=502, body="<html>", operation="ShowFaceSet"),
]
THROTTLED = [fault("respond", code="FRS.0033", after=20)]


@pytest.mark.parametrize(
    ("rate", "rows", "faults"),
    [
        (20, 45, []),
        (20, 30, FAULTS),
        (100, 230, []),
        (100, 150, FAULTS),
        (100, 120, THROTTLED),
        (7.5, 12, []),
    ],
)
def test_no_second_exceeds_the_rate(
    bench: Bench, rate: float, rows: int, faults: list[Fault]
) -> None:
    """No sliding second holds more arrivals than the rate: retries, preflight, all."""
    source = bench.prepare(rows)
    bench.emulator.script(faults)
    # The server shares this process, so a busy machine makes arrivals late; the
    # exact cap is proven on a virtual clock in tests/pacing.
    flags = ("--rate", str(rate), "--headroom", "5%", "--output", "json")
    ended = bench.run(source, *flags)
    assert ended.code == 0
    bench.all_fired()
    witness = bench.emulator.witness
    assert witness.worst_second() <= -(-rate // 1)
    assert ended.json["busiest_second"] <= -(-rate // 1)
    refused = sum(each.fired for each in bench.emulator.faults)
    assert witness.requests == rows + 1 + refused


def test_the_rate_is_used(bench: Bench) -> None:
    """Some second holds nearly all the arrivals that the rate allows."""
    source = bench.prepare(90)
    assert bench.run(source, "--rate", "60").code == 0
    assert bench.emulator.witness.worst_second() >= 58


@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({"code": "FRS.0033"}, 1.1),
        ({"code": "FRS.0033", "headers": {"Retry-After": "2"}}, 2.0),
        ({"code": "APIGW.0308"}, 1.1),
        ({"status": 429, "body": "slow down"}, 1.1),
    ],
)
@pytest.mark.parametrize("rate", ["300", "unlimited"])
def test_throttling_pauses_everyone(
    bench: Bench, options: dict[str, object], least: float, rate: str
) -> None:
    """After one throttled reply no worker sends before the floor, nor before the header."""
    source = bench.prepare(120)
    bench.emulator.script([fault("respond", after=30, **options)])
    ended = bench.run(source, "--rate", rate, "--concurrency", "8", "--output", "json")
    assert ended.code == 0
    arrivals = bench.emulator.witness.arrivals("UpdateFace")
    throttled = arrivals[30]
    early = [at for at in arrivals[31:] if at < throttled + least]
    # What the other seven workers had sent before the reply was read.
    assert len(early) <= 7
    assert max(early, default=throttled) < throttled + 0.3
    assert ended.json["throttled"] == 1


def test_throttled_preflight_pauses_the_run(bench: Bench) -> None:
    """A throttled preflight waits its floor like any other call."""
    bench.emulator.script([fault("respond", code="FRS.0033", operation="ShowFaceSet")])
    assert bench.run(bench.prepare(3)).code == 0
    first, second, *_ = bench.emulator.witness.arrivals()
    assert second - first >= 1.1


def test_no_hidden_second_request(bench: Bench) -> None:
    """aiohttp resends nothing by itself: one reset and one attempt is one PUT."""
    source = bench.prepare(1)
    bench.emulator.script([fault("reset")])
    assert bench.run(source, "--max-attempts", "1").code == 1
    bench.all_fired()
    assert bench.emulator.witness.requests == 1 + 1
    assert bench.record().row(1)["error_code"] == "TRANSPORT.RESET"


def test_kept_connection_that_broke(bench: Bench) -> None:
    """Nor does it on a connection that was kept from earlier requests."""
    source = bench.prepare(6)
    bench.emulator.script([fault("reset", after=3, times=2)])
    flags = ("--max-attempts", "1", "--concurrency", "1")
    assert bench.run(source, *flags).code == 1
    bench.all_fired()
    assert bench.emulator.witness.requests == 1 + 6
    assert bench.record().outcomes == {"updated": 4, "failed": 2}


def test_quota_of_the_service_is_met(bench: Bench) -> None:
    """At the rate of the quota, less the headroom, nothing is throttled."""
    with start_emulator(qps=50) as emulator:
        here = Bench(bench.folder, emulator)
        source = here.prepare(80)
        ended = here.run(source, "--rate", "50", "--headroom", "5%", "--output", "json")
    assert ended.code == 0
    assert ended.json["throttled"] == 0
