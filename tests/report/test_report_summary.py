"""What a run came to: counts, quantiles, the busiest second, exit codes."""

import math
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.errors import (
    Interrupted,
    JournalFailed,
    RunRefused,
    RunStopped,
    TimeWindowOver,
    TooManyErrors,
)
from batch_updater.models import Attempt, Outcome, Result
from batch_updater.report.speed import BusiestSecond, Quantiles
from batch_updater.report.summary import (
    OTHER_CODES,
    Stop,
    Summary,
    SummaryBuilder,
    Tally,
    exit_code_of,
)

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def result(
    outcome: Outcome = Outcome.UPDATED,
    *attempts: Attempt,
    row: int = 1,
    code: str = "",
    rule: str = "",
    message: str = "",
    ambiguous: bool = False,
) -> Result:
    return Result(
        source="a.csv",
        row_number=row,
        face_set_name="set",
        face_id="iexEBb6t",
        outcome=outcome,
        error_code=code,
        error_msg=message,
        rule=rule,
        attempts=attempts,
        ambiguous=ambiguous,
    )


def add_attempts(builder: SummaryBuilder, *attempts: Attempt) -> None:
    """Give a builder attempts as columns."""
    builder.add_attempts(
        np.array([round(each.started_at * 1e6) for each in attempts]),
        np.array([round(each.latency * 1e6) for each in attempts]),
        np.array([each.status or 0 for each in attempts]),
    )


def test_sessions_are_not_laid_on_top_of_each_other() -> None:
    """A clock that was set back before a resume fakes no busier second and no time."""
    builder = SummaryBuilder()
    for start in (100.0, 100.2, 99.9):
        builder.new_session()
        attempts = [Attempt(start + n / 10, 0.05, 200) for n in range(30)]
        add_attempts(builder, *attempts)
    speed = builder.speed()
    assert speed["busiest_second"] == 10
    assert speed["attempts"] == 90
    assert speed["achieved_rate"] == pytest.approx(10)
    assert speed["seconds"] == pytest.approx(3 * 2.95)


def test_rows_that_took_a_request() -> None:
    """Sent are rows with an outcome that the service gave, not those refused here."""
    counts, asked = Tally(), (Attempt(0.0, 0.1, 200),)
    for outcome, attempts in (
        *((Outcome.UPDATED, asked), (Outcome.FAILED, asked), (Outcome.INVALID, ())),
        *((Outcome.DUPLICATE, ()), (Outcome.UNCHANGED, ()), (Outcome.UNCHANGED, asked)),
        *((Outcome.UNPROCESSED, ()), (Outcome.UNPROCESSED, asked)),
    ):
        counts.add(result(outcome, *attempts))
    assert (counts.sent, counts.finished, counts.total) == (3, 6, 8)


@MANY
@given(
    latencies=st.lists(st.integers(1, 10**10), min_size=1, max_size=200),
    share=st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]),
)
def test_quantiles_are_within_one_percent(latencies: list[int], share: float) -> None:
    """A quantile is within 1 % of the latency that this share is at or under."""
    quantiles = Quantiles()
    quantiles.add(np.array(latencies))
    true = sorted(latencies)[math.ceil(share * len(latencies)) - 1] / 1e6
    found = quantiles.at(share)
    assert found
    assert abs(found - true) <= 0.01 * true


def test_quantiles_of_nothing_and_of_no_time() -> None:
    """No latency has no quantile; one of zero does not break the logarithm."""
    quantiles = Quantiles()
    assert quantiles.at(0.5) is None
    quantiles.add(np.array([0]))
    found = quantiles.at(0.5)
    assert found
    assert found < 2e-6


def most_by_hand(starts: list[int]) -> int:
    """The most of these microseconds in any [t, t + 1 s)."""
    return max(
        (sum(t <= other < t + 1_000_000 for other in starts) for t in starts), default=0
    )


STARTS = st.lists(
    st.integers(0, 3_000_000) | st.sampled_from([0, 999_999, 1_000_000, 1_000_001]),
    max_size=60,
)


@MANY
@given(starts=STARTS)
def test_the_busiest_second_in_any_order(starts: list[int]) -> None:
    """The busiest second is what counting every window gives, in whatever order."""
    busiest = BusiestSecond()
    busiest.add(np.array(starts, dtype=np.int64))
    assert busiest.most() == most_by_hand(starts)
    assert busiest.most() == most_by_hand(starts)


class _Short(BusiestSecond):
    """Settles after a few starts instead of a million."""

    _KEEP = _NEW = 4


@MANY
@given(
    gaps=st.lists(st.sampled_from([0, 1, 200_000, 500_000, 999_999, 3_000_000])),
    seed=st.integers(0, 10**6),
)
def test_the_busiest_second_in_bounded_memory(gaps: list[int], seed: int) -> None:
    """What is forgotten is never missed by a start that is a few places late."""
    starts, now = [], 0
    for gap in gaps:
        now += gap
        starts.append(now)
    chance = random.Random(seed)
    late = sorted(range(len(starts)), key=lambda i: i + chance.randint(0, 4))
    busiest = _Short()
    for i in late:
        busiest.add(np.array([starts[i]]))
    assert busiest.most() == most_by_hand(starts)


def test_a_late_start_in_a_busy_second() -> None:
    """A start that comes four places late still meets the whole second before it."""
    busiest = _Short()
    starts = [0, 100_000, 200_000, 300_000, 3_000_000, 6_000_000, 9_000_000, 12_000_000]
    for start in (*starts, 350_000):
        busiest.add(np.array([start]))
    assert busiest.most() == 5


def test_the_busiest_second_forgets() -> None:
    """A long calm run keeps no more than it promised."""
    busiest = _Short()
    for i in range(1000):
        busiest.add(np.array([i * 250_000]))
    assert len(busiest._moments) <= 2 * _Short._KEEP + 4
    assert busiest.most() == 4


def test_starts_of_one_moment_are_kept_as_one() -> None:
    """However many starts bear one stamp, they take the room of one, and count."""
    busiest = BusiestSecond()
    for _ in range(5):
        busiest.add(np.full(60_000, 7))
    busiest.add(np.array([1_000_006, 1_000_007]))
    assert len(busiest._moments) == 1
    assert busiest.most() == 300_001


def test_a_tally_counts_rows_attempts_and_throttling() -> None:
    """Unprocessed rows are not finished, and only failed ones count as failed."""
    tally = Tally()
    tally.add(result(Outcome.UPDATED, Attempt(1, 0.1, 429), Attempt(2, 0.1, 200)))
    tally.add(result(Outcome.FAILED, Attempt(1, 0.1, 400)))
    tally.add(result(Outcome.INVALID))
    tally.add(result(Outcome.UNPROCESSED))
    assert (tally.finished, tally.failed) == (3, 1)
    assert (tally.attempts, tally.throttled) == (3, 1)


def test_rows_and_attempts_are_added_up_apart() -> None:
    """Attempts of a row that was sent again count; its earlier outcome does not."""
    builder = SummaryBuilder()
    builder.new_session()
    add_attempts(builder, Attempt(100.0, 0.5, 429))
    builder.new_session()
    last = result(Outcome.UPDATED, Attempt(200.0, 1.0, 200), ambiguous=True)
    add_attempts(builder, *last.attempts)
    builder.add_rows(last, 1)
    assert builder.tally.outcomes == {Outcome.UPDATED: 1}
    speed = builder.speed()
    assert (speed["attempts"], speed["throttled"], speed["ambiguous"]) == (2, 1, 1)
    assert speed["seconds"] == pytest.approx(1.5)
    assert speed["achieved_rate"] == 2.0  # in half a second of starts
    assert speed["busiest_second"] == 1


def test_attempts_before_any_session_count() -> None:
    """A journal that begins with a result still has a span."""
    builder = SummaryBuilder()
    add_attempts(builder, Attempt(100.0, 2.0, 200))
    assert builder.speed()["seconds"] == pytest.approx(2.0)


def test_nothing_sent_has_no_rate() -> None:
    """Without attempts there is no rate and no latency, and no division by zero."""
    builder = SummaryBuilder()
    builder.new_session()
    speed = builder.speed()
    assert speed["achieved_rate"] is None
    assert speed["seconds"] == 0
    assert speed["latency"] == {"p50": None, "p95": None, "p99": None}


def test_a_short_run_does_not_brag() -> None:
    """The rate is over at least one second."""
    builder = SummaryBuilder()
    for i in range(5):
        add_attempts(builder, Attempt(100 + i / 100, 0.01, 200))
    assert builder.speed()["achieved_rate"] == 5.0


def test_errors_are_counted_by_code_and_outcome() -> None:
    """The most frequent comes first, with its first row as an example."""
    builder = SummaryBuilder()
    builder.add_rows(result(Outcome.INVALID, row=1, rule="integer", message="no"), 1)
    for row in (2, 3):
        failed = result(Outcome.FAILED, row=row, code="FRS.0303", message=f"m{row}")
        builder.add_rows(failed, 1)
    builder.add_rows(result(Outcome.UNPROCESSED, row=4, code="FRS.0303"), 1)
    builder.add_rows(result(Outcome.UPDATED, row=5), 1)
    errors = list(builder.errors(lambda code, first: f"{code} when {first.outcome}"))
    assert [(e.code, e.count, e.outcome) for e in errors] == [
        ("FRS.0303", 2, "failed"),
        ("integer", 1, "invalid"),
        ("FRS.0303", 1, "unprocessed"),
    ]
    assert errors[0].message == "m2"
    assert errors[0].example == "a.csv row 2, face iexEBb6t"
    assert errors[2].remedy == "FRS.0303 when unprocessed"


def test_codes_without_end_take_no_memory_without_end() -> None:
    """A service that makes up a code for each row fills one line, and all count."""
    builder = SummaryBuilder()
    for number in range(3000):
        builder.add_rows(result(Outcome.FAILED, row=number, code=f"X.{number}"), 1)
    errors = list(builder.errors(lambda code, first: ""))
    assert errors[0].code == OTHER_CODES
    assert len(errors) == 1001
    assert sum(error.count for error in errors) == 3000


def test_each_rule_counts_once_a_row() -> None:
    """A row that breaks one rule three times and another once counts once in each."""
    builder = SummaryBuilder()
    rule = "integer; integer; boolean; integer"
    builder.add_rows(result(Outcome.INVALID, rule=rule, message="no"), 1)
    builder.add_rows(result(Outcome.INVALID, row=2, rule="integer", message="no"), 1)
    counts = {e.code: e.count for e in builder.errors(lambda code, first: "")}
    assert counts == {"integer": 2, "boolean": 1}


def test_the_achieved_rate_counts_gaps() -> None:
    """21 starts, a tenth of a second apart, are ten a second and not more."""
    builder = SummaryBuilder()
    for i in range(21):
        attempt = Attempt(100 + i / 10, 0.03, 200)
        add_attempts(builder, attempt)
    assert builder.speed()["achieved_rate"] == pytest.approx(10.0)


def stop_of(reason: RunStopped) -> Stop:
    return Stop(name=reason.name, message="m", hint="", exit_code=reason.code)


@pytest.mark.parametrize(
    ("outcomes", "stop", "duplicates_bad", "code"),
    [
        ({}, None, True, 0),
        ({Outcome.UPDATED: 3}, None, True, 0),
        ({Outcome.UPDATED: 3, Outcome.UNCHANGED: 1}, None, True, 0),
        ({Outcome.UPDATED: 3, Outcome.FAILED: 1}, None, True, 1),
        ({Outcome.UPDATED: 3, Outcome.INVALID: 1}, None, True, 1),
        ({Outcome.DUPLICATE: 1}, None, True, 1),
        ({Outcome.DUPLICATE: 1}, None, False, 0),
        ({Outcome.UNPROCESSED: 1}, None, False, 1),
        ({Outcome.UPDATED: 3, Outcome.DRIFTED: 1}, None, True, 6),
        ({Outcome.SAME: 3, Outcome.MISMATCH: 1}, None, True, 6),
        ({Outcome.FAILED: 3, Outcome.DRIFTED: 1}, None, True, 6),
        ({Outcome.DRIFTED: 3}, stop_of(TimeWindowOver("")), True, 5),
        ({Outcome.UPDATED: 3}, stop_of(RunRefused("")), True, 3),
        ({Outcome.FAILED: 3}, stop_of(TooManyErrors("")), True, 4),
        ({}, stop_of(JournalFailed("")), True, 4),
        ({Outcome.UNPROCESSED: 3}, stop_of(TimeWindowOver("")), True, 5),
        ({Outcome.UNPROCESSED: 3}, stop_of(Interrupted(2)), True, 130),
        ({Outcome.UNPROCESSED: 3}, stop_of(Interrupted(15)), True, 143),
    ],
)
def test_exit_codes(
    outcomes: dict[Outcome, int], stop: Stop | None, duplicates_bad: bool, code: int
) -> None:
    """The exit code is that of the table in the contract; a stop comes first."""
    tally = Tally()
    tally.outcomes.update(outcomes)
    assert exit_code_of(tally, stop, duplicates_bad=duplicates_bad) == code


def test_a_summary_as_json() -> None:
    """Seconds carry a suffix, latencies are milliseconds, shares are rounded."""
    summary = Summary(
        run_dir="runs/x",
        face_set_name="set",
        read=3,
        outcomes={"updated": 3},
        errors=(),
        attempts=3,
        throttled=1,
        ambiguous=0,
        rate=None,
        achieved_rate=1.23456,
        busiest_second=3,
        latency={"p50": 0.01234, "p99": None},
        seconds=2.34567,
        exit_code=0,
        stop=None,
        note="",
        next_command="",
    )
    content = summary.as_json()
    assert content["duration_s"] == 2.346
    assert content["latency_ms"] == {"p50": 12.3, "p99": None}
    assert content["achieved_rate"] == 1.23
    assert content["throttled_share"] == 0.3333
    assert content["rate"] is None
    assert "seconds" not in content
    assert "latency" not in content
