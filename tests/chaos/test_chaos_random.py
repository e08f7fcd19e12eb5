"""Weather and scripts that nobody thought of: the journal tells the server's truth."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from bench import Bench, fault, start_emulator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from batch_updater.emulator import Fault
from chaos.scenarios import EVERY_ACTION, Scenario
from chaos.suffering import suffering
from chaos.weather import Kind, Port, Trouble, Weather

EXAMPLES = 8
ROWS = 60

bytes_passed = st.integers(0, 2500)
troubles = st.builds(
    lambda kind, share, a, b: Trouble(
        kind=kind, share=share, after=(min(a, b), max(a, b))
    ),
    st.sampled_from(Kind),
    st.sampled_from([0.1, 0.3, 1.0]),
    bytes_passed,
    bytes_passed,
)
weathers = st.builds(
    Weather,
    latency=st.sampled_from([0.0, 0.01, 0.05]),
    jitter=st.sampled_from([0.0, 0.03]),
    bandwidth=st.sampled_from([None, 4000.0, 30_000.0]),
    idle=st.sampled_from([None, 0.03]),
    port=st.sampled_from([Port.OPEN, Port.OPEN, Port.CLOSED, Port.FULL]),
    troubles=st.lists(troubles, max_size=3).map(tuple),
)
# Every forecast clears up now and then: rows must not all fail.
forecasts = st.lists(
    st.tuples(st.sampled_from([0.1, 0.3]), weathers), min_size=1, max_size=3
).map(lambda spells: (*spells, (0.3, Weather())))


def changed(planned: Fault, every: int, after: int) -> Fault:
    """Return a fault of the table at other times."""
    options = {"seconds": planned.seconds, "code": planned.code}
    given_ones = {name: value for name, value in options.items() if value is not None}
    return fault(
        planned.action,
        name=planned.name,
        status=planned.status,
        every=every,
        after=after,
        times=0,
        **given_ones,
    )


scripts = st.lists(
    st.builds(
        changed, st.sampled_from(EVERY_ACTION), st.integers(3, 30), st.integers(0, 20)
    ),
    max_size=4,
    unique_by=lambda each: each.name,
).map(tuple)
scenarios = st.builds(
    Scenario,
    forecast=forecasts,
    faults=scripts,
    rows=st.just(ROWS),
    faces=st.sampled_from([None, 12]),
    flags=st.sampled_from([16, 64]).map(
        lambda n: ("--on-duplicate", "in-order", "--concurrency", str(n))
    ),
)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Empty folders to work in, each of them entered."""

    def enter() -> Iterator[Path]:
        for number in count():
            folder = tmp_path / str(number)
            folder.mkdir()
            monkeypatch.chdir(folder)
            yield folder

    return enter()


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(scenario=scenarios)
def test_any_weather(bench: Bench, folders: Iterator[Path], scenario: Scenario) -> None:
    """Whatever the weather and the script, server and journals agree, and all is healed."""
    with (
        start_emulator(latency=0.03, jitter=0.02) as emulator,
        suffering(Bench(next(folders), emulator), scenario) as sufferer,
    ):
        ended = sufferer.run()
        assert "Traceback" not in ended.err
        sufferer.heal()
