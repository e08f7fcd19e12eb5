"""Whatever the way and the server do: the journal tells the server's truth."""

import pytest
from bench import Bench, start_emulator

from chaos.scenarios import SCENARIOS, Scenario
from chaos.suffering import suffering
from chaos.weather import Port, Weather, always

# So that many connections are busy at a time.
LATE = {"latency": 0.05, "jitter": 0.02}
CODES = {0, 1, 3, 4, 5}
USER = {
    "BATCH_UPDATER_IAM_DOMAIN": "emulator-domain",
    "BATCH_UPDATER_IAM_USER": "emulator-user",
    "BATCH_UPDATER_IAM_PASSWORD": "emulator-password",
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_scenario(
    bench: Bench, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a scenario and after it the server's state is what the journals say."""
    if scenario.act:  # credentials that can end
        monkeypatch.delenv("BATCH_UPDATER_TOKEN")
        for name, value in USER.items():
            monkeypatch.setenv(name, value)
    with (
        start_emulator(**LATE, **scenario.settings) as emulator,
        suffering(Bench(bench.folder, emulator), scenario) as sufferer,
    ):
        ended = sufferer.run()
        assert ended.code in CODES, ended
        assert "Traceback" not in ended.err
        if scenario.cap:
            assert emulator.witness.worst_second() <= scenario.cap
        struck = sufferer.proxy.account.struck.values()
        assert any(struck) == scenario.has_troubles
        assert all(each.fired for each in emulator.faults)
        sufferer.heal()


def test_what_could_not_connect_is_not_ambiguous(bench: Bench) -> None:
    """A connection that is never made in time is told from an answer that is not."""
    full = always(Weather(port=Port.FULL))
    flags = ("--max-attempts", "1", "--rate", "150")
    scenario = Scenario(forecast=full, rows=40, flags=flags)
    with suffering(bench, scenario) as sufferer:
        assert sufferer.run().code in CODES
        failed = bench.record().view("failed")
        codes = {row["_error_code"] for row in failed}
        assert "TRANSPORT.CONNECT" in codes
        assert codes <= {"TRANSPORT.CONNECT", "TRANSPORT.RESET"}
        sufferer.heal()
