"""When a run fails the same way from its first row on, and when it does not."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.delivery.first_rows import FirstRows
from batch_updater.models import Attempt, Outcome, Result

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def result(outcome: Outcome, code: str = "") -> Result:
    """A result as it comes: what was refused locally has no attempts."""
    sent = outcome in {Outcome.UPDATED, Outcome.FAILED, Outcome.UNPROCESSED}
    return Result(
        source="a",
        row_number=1,
        face_set_name="set",
        face_id="f",
        outcome=outcome,
        error_code=code,
        attempts=(Attempt(0.0, 0.1, 400, code),) if sent else (),
    )


FAILED = result(Outcome.FAILED, "FRS.0402")
OTHER = result(Outcome.FAILED, "FRS.0303")
UPDATED = result(Outcome.UPDATED)
UNSENT = [
    result(Outcome.INVALID, "face_id_missing"),
    result(Outcome.DUPLICATE, "duplicate_face"),
    result(Outcome.UNPROCESSED, "TRANSPORT.CUT_OFF"),
]


def stopped_at(limit: int | None, results: list[Result]) -> list[int]:
    """Return the places, from 1, of the results that would stop a run."""
    first = FirstRows(limit)
    return [place for place, each in enumerate(results, 1) if first.fail_alike(each)]


def test_it_stops_once() -> None:
    """The N-th failure of the same kind stops, and none after it does again."""
    assert stopped_at(3, [FAILED] * 10) == [3]
    assert stopped_at(1, [FAILED] * 3) == [1]


@pytest.mark.parametrize("way_out", [OTHER, UPDATED])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_other_end_is_enough(way_out: Result, place: int) -> None:
    """A success or another code among the first N proves that not all is wrong."""
    first = [FAILED] * 2
    first.insert(place, way_out)
    assert stopped_at(3, first + [FAILED] * 10) == []


def test_rows_that_were_not_sent_do_not_count() -> None:
    """Neither refused rows nor those cut off say anything about the service."""
    assert stopped_at(2, [*UNSENT, FAILED, *UNSENT, FAILED]) == [8]


def test_off_never_stops() -> None:
    """Without a limit any number of failures is taken."""
    assert stopped_at(None, [FAILED] * 1000) == []


@MANY
@given(
    limit=st.integers(1, 8),
    results=st.lists(st.sampled_from([FAILED, OTHER, UPDATED, *UNSENT]), max_size=30),
)
def test_it_is_the_first_n_that_decide(limit: int, results: list[Result]) -> None:
    """It stops exactly when the first N rows that were sent failed with one code."""
    sent = [each for each in results if each not in UNSENT][:limit]
    alike = len(sent) == limit and len({(e.outcome, e.error_code) for e in sent}) == 1
    expected = alike and sent[0].outcome is Outcome.FAILED
    assert bool(stopped_at(limit, results)) == expected
