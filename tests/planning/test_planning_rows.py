"""Rows of a plan: what is a change, and what the columns say of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.mapping.comparison import held_in
from batch_updater.models import FaceUpdate, FieldType, Outcome, PlanStatus, Result
from batch_updater.planning.rows import (
    FACE,
    STATE,
    Change,
    PlanRow,
    Sight,
    as_batch,
    plan_row,
    row_without_face,
    sight_of,
)

TYPES = {"age": FieldType.INTEGER, "team": FieldType.STRING, "on": FieldType.BOOLEAN}
VALUES = {
    "age": st.integers(-(2**31), 2**31 - 1),
    "team": st.text(min_size=1, max_size=5),
    "on": st.booleans(),
}
FIELDS = st.fixed_dictionaries({}, optional=VALUES)


def seen(**fields: Any) -> Sight:
    """Return a face that FRS showed with these custom fields."""
    return sight_of({"face_id": "f", "external_fields": fields}, FACE)


@given(FIELDS.filter(bool), FIELDS)
def test_a_row_changes_what_it_names_and_the_face_does_not_hold(
    wanted: dict[str, Any], held: dict[str, Any]
) -> None:
    """Applied to what the face held, the changes of a row leave what the row wants."""
    row = plan_row(FaceUpdate("f", None, wanted), seen(**held), TYPES)
    changed = {
        each.field.removeprefix("external_fields."): each for each in row.changes or ()
    }
    after = held | {name: json.loads(each.new) for name, each in changed.items()}

    assert after == held | wanted
    assert all(changed[name].old != changed[name].new for name in changed)
    for name, each in changed.items():
        assert each.old == (
            json.dumps(held[name], ensure_ascii=False) if name in held else None
        )
    assert (
        (row.status is PlanStatus.CHANGE) == bool(changed) == (row.update is not None)
    )
    if row.update:
        assert json.loads(row.update) == {"external_fields": wanted}


@given(FIELDS.filter(bool), FIELDS)
def test_the_state_answers_for_all_fields_or_for_none(
    wanted: dict[str, Any], held: dict[str, Any]
) -> None:
    """A field that the state does not name may be there: then nothing old is told."""
    sight = Sight(STATE, held_in({"external_fields": held}))
    row = plan_row(FaceUpdate("f", None, wanted), sight, TYPES)

    if wanted.keys() <= held.keys():
        assert row.seen_in == STATE
    else:
        assert (row.seen_in, row.status) == (None, PlanStatus.CHANGE)
        assert [each.old for each in row.changes or ()] == [None] * len(wanted)


def test_true_is_not_one() -> None:
    """Values that are equal for Python alone are a change."""
    row = plan_row(FaceUpdate("f", None, {"on": True}), seen(on=1), TYPES)

    assert row.changes == [Change("external_fields.on", "1", "true")]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.MISSING, PlanStatus.MISSING),
        (Outcome.INVALID, PlanStatus.INVALID),
        (Outcome.DUPLICATE, PlanStatus.INVALID),
        (Outcome.FAILED, PlanStatus.FAILED),
        (Outcome.UNPROCESSED, PlanStatus.FAILED),
    ],
)
def test_rows_without_a_face(outcome: Outcome, status: PlanStatus) -> None:
    """A row says why nobody knows what becomes of it; half a character is no trouble."""
    result = Result(
        source="s",
        row_number=1,
        face_set_name="n",
        face_id="",
        outcome=outcome,
        error_msg="a\ud800",
        rule="length",
    )
    row = row_without_face(result)

    assert row == PlanRow(None, status, error_code="length", error_msg="a?")


ROWS = st.lists(
    st.builds(
        PlanRow,
        st.none() | st.text("ab", max_size=3),
        st.sampled_from(PlanStatus),
        st.none()
        | st.lists(
            st.builds(Change, st.text("xy"), st.none() | st.text("12"), st.text("34"))
        ),
    ),
    max_size=6,
).filter(bool)


@given(ROWS)
def test_columns_are_the_rows(rows: list[PlanRow]) -> None:
    """What stands in a plan's columns is what each row says, lists and nulls too."""
    numbers = [*range(7, 7 + len(rows))]
    told = as_batch("s.csv", numbers, "staff", rows).to_pylist()

    for number, row, line in zip(numbers, rows, told, strict=True):
        changes = None if row.changes is None else [c._asdict() for c in row.changes]
        expected = {
            **row._asdict(),
            "status": str(row.status),
            "changes": changes,
            "source": "s.csv",
            "row_number": number,
            "face_set_name": "staff",
            "kept": None,
        }
        assert line == expected
