"""The scenarios: what the way does, what the server does, and what is asked of the run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench import Bench, fault

from batch_updater.emulator import Fault
from chaos.weather import (
    FAIR,
    Forecast,
    Kind,
    Port,
    Trouble,
    Weather,
    always,
    trouble,
)

ROWS = 160
RATE = 400
CAP = 80
CALM = always(FAIR)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """
    One way to suffer.

    Args:
        forecast: what the way does from the tenth update on.
        faults: what the server does.
        settings: of the emulator.
        faces: how many faces the rows are about; fewer than rows: duplicates.
        arrives: whether whatever leaves arrives, unless it is given up.
        cap: the rate, where requests travel evenly so that it can be counted.
        act: what happens when a quarter of the rows are applied.
    """

    forecast: Forecast = CALM
    faults: tuple[Fault, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    rows: int = ROWS
    faces: int | None = None
    flags: tuple[str, ...] = ()
    arrives: bool = False
    cap: int | None = None
    act: Callable[[Bench], object] | None = None

    @property
    def has_troubles(self) -> bool:
        """Whether a trouble must have struck when it is over."""
        return any(weather.troubles for _, weather in self.forecast)


def respond(code: str, **options: Any) -> Fault:
    """Return a fault that answers with a code, and is named after it."""
    return fault("respond", name=code, code=code, **options)


EVERY_ACTION = (
    fault("reset", every=11, times=0),
    fault("reset-after-commit", after=1, every=13, times=0),
    fault("partial", after=2, every=17, times=0),
    fault("stall", after=3, every=41, times=0),
    fault("timeout-after-commit", after=4, every=43, times=0),
    fault("delay", after=5, every=7, times=0, seconds=0.05),
    fault("face-number-0", after=6, every=31, times=0),
    respond("FRS.0018", after=7, every=12, times=0),
    respond("APIGW.0201", after=8, every=37, times=0, status=504),
    respond("FRS.0303", after=9, every=53, times=0),
)
"""Every action of a script, none of them ever done."""

A_BIT_OF_EVERYTHING = tuple(
    Trouble(kind=kind, share=0.12, after=(0, 1200)) for kind in Kind
)

SCENARIOS = {
    "far away": Scenario(
        forecast=always(Weather(latency=0.03, jitter=0.03)),
        flags=("--concurrency", "64"),
    ),
    "a thin line": Scenario(forecast=always(Weather(bandwidth=6000.0)), arrives=True),
    "a slow loris": Scenario(
        forecast=always(Weather(bandwidth=1500.0, piece=1)),
        rows=40,
        flags=("--concurrency", "8", "--timeout", "1500ms"),
        arrives=True,
    ),
    "slower than the timeout": Scenario(
        forecast=((0.4, Weather(bandwidth=600.0)), (0.5, FAIR))
    ),
    "resets in answers": Scenario(
        forecast=always(trouble(Kind.RESET_ANSWER, 1.0, 0, 4000)),
        arrives=True,
        cap=CAP,
    ),
    "resets in requests": Scenario(
        forecast=always(trouble(Kind.RESET_REQUEST, 1.0, 0, 4000)), cap=CAP
    ),
    "half-open connections": Scenario(
        forecast=always(trouble(Kind.HALF_OPEN, 0.5, 0, 1200))
    ),
    "answers lost": Scenario(
        forecast=always(trouble(Kind.LOSE_ANSWER, 0.5, 0, 1200)), arrives=True
    ),
    "requests lost": Scenario(
        forecast=always(trouble(Kind.LOSE_REQUEST, 0.5, 0, 1200))
    ),
    "a blackhole for a while": Scenario(
        forecast=((0.3, trouble(Kind.LOSE_REQUEST)), (0.4, FAIR)),
        flags=("--concurrency", "64"),
    ),
    "the port closed for a while": Scenario(
        forecast=((0.15, Weather(port=Port.CLOSED)), (0.3, FAIR))
    ),
    "the backlog full for a while": Scenario(
        forecast=((0.3, Weather(port=Port.FULL)), (0.4, FAIR))
    ),
    "idle connections closed": Scenario(
        forecast=always(Weather(idle=0.055)), flags=("--rate", "150")
    ),
    "every fault of a script": Scenario(faults=EVERY_ACTION, arrives=True, cap=CAP),
    "the same with 64 in flight": Scenario(
        faults=EVERY_ACTION, arrives=True, flags=("--concurrency", "64")
    ),
    "throttled": Scenario(
        forecast=always(trouble(Kind.RESET_ANSWER, 1.0, 0, 4000)),
        faults=(respond("FRS.0033", after=40, every=60, times=2),),
        arrives=True,
    ),
    "a quota below the rate": Scenario(
        settings={"qps": 100}, arrives=True, flags=("--rate", "200")
    ),
    "a quota that moves": Scenario(
        settings={"qps": 100},
        act=lambda bench: bench.emulator.change_quota(40),
        arrives=True,
        flags=("--rate", "200"),
    ),
    "the service gone for good": Scenario(
        forecast=((0.15, Weather(port=Port.CLOSED)),),
        flags=("--max-outage", "1s", "--concurrency", "64"),
    ),
    "credentials end": Scenario(
        forecast=always(trouble(Kind.RESET_ANSWER, 1.0, 0, 4000)),
        act=lambda bench: bench.emulator.revoke_issued(),
        arrives=True,
        # IAM's answers are long, so that most of them break.
        flags=("--max-attempts", "10"),
    ),
    "many rows for one face": Scenario(
        forecast=always(
            Weather(
                troubles=(
                    Trouble(kind=Kind.RESET_ANSWER, share=0.3, after=(0, 1000)),
                    Trouble(kind=Kind.RESET_REQUEST, share=0.3, after=(0, 1000)),
                )
            )
        ),
        faults=(respond("FRS.0018", every=9, times=0),),
        faces=40,
        flags=("--on-duplicate", "in-order"),
    ),
    "a storm": Scenario(
        forecast=(
            (0.4, Weather(latency=0.01, jitter=0.02, troubles=A_BIT_OF_EVERYTHING)),
            (0.1, Weather(port=Port.CLOSED)),
            (0.3, Weather(idle=0.05, bandwidth=20_000.0)),
            (0.1, trouble(Kind.LOSE_REQUEST)),
            (0.3, FAIR),
        ),
        faults=EVERY_ACTION,
        flags=("--concurrency", "64"),
    ),
}
