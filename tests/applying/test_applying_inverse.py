"""The inverse of what a run did to a face: put back exactly, or said to be kept."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.applying.inverse import FaceChange, change_of, inverse_row
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.comparison import fields_of, held_in, update_of
from batch_updater.models import BeforeImage, FieldType, PlanStatus

DECLARED = {
    "age": FieldType.INTEGER,
    "city": FieldType.STRING,
    "score": FieldType.FLOAT,
    "here": FieldType.BOOLEAN,
}
TYPES = FieldTypes(types=DECLARED, allowed=frozenset(DECLARED))
AGE, CITY = "external_fields.age", "external_fields.city"
IMAGE = "external_image_id"


def face(**fields: Any) -> dict[str, Any]:
    """Return a face that holds these custom fields."""
    return {"face_id": "face0001", IMAGE: "img", "external_fields": fields}


def image(
    before: Mapping[str, Any], written: Mapping[str, Any], row: int = 1
) -> BeforeImage:
    """Return the before-image of a row that writes these fields."""
    return BeforeImage(
        source="faces.csv",
        row_number=row,
        face_set_name="staff",
        at=0.0,
        before=before,
        update=update_of("face0001", written),
    )


def back(*images: BeforeImage) -> dict[str, Any]:
    """Return the row that takes back what these rows did to one face."""
    first, *later = images
    change: FaceChange = change_of(first, TYPES)
    for each in later:
        change = change.then(each, TYPES)
    return inverse_row(change, TYPES)


def test_old_values_come_back() -> None:
    """What was changed gets its old value; what was sent along unchanged is left out."""
    row = back(image(face(age=1, city="Bonn"), {AGE: 2, CITY: "Bonn", IMAGE: "new"}))
    assert row["status"] == PlanStatus.CHANGE
    assert json.loads(row["update"]) == {IMAGE: "img", "external_fields": {"age": 1}}
    assert row["changes"] == [
        {"field": IMAGE, "old": '"new"', "new": '"img"'},
        {"field": AGE, "old": "2", "new": "1"},
    ]
    assert (row["seen_in"], row["kept"]) == ("run", [])


def test_a_field_that_was_absent_is_kept() -> None:
    """The API cannot take a field away: it is named beside what can be put back."""
    row = back(image(face(age=1), {AGE: 2, CITY: "Bonn"}))
    assert (row["status"], row["kept"]) == (PlanStatus.CHANGE, [CITY])
    assert json.loads(row["update"]) == {"external_fields": {"age": 1}}


@pytest.mark.parametrize("old", ["", None, "x", [1], 2**40])
def test_a_value_that_breaks_the_rules_is_kept(old: object) -> None:
    """What FRS itself would not take cannot be put back, and is not tried."""
    row = back(image(face(age=old), {AGE: 2}))
    assert (row["status"], row["kept"]) == (PlanStatus.FAILED, [AGE])
    assert (row["error_code"], row.get("update")) == ("PLAN.KEPT", None)


def test_what_was_the_same_by_type_is_no_change() -> None:
    """12 over "12" was no change, so there is nothing to take back."""
    assert back(image(face(age="12"), {AGE: 12}))["status"] == PlanStatus.SAME


def test_old_values_go_back_in_their_type() -> None:
    """A number that FRS showed as text goes back as the number that is declared."""
    row = back(image(face(age="12"), {AGE: 13}))
    assert json.loads(row["update"]) == {"external_fields": {"age": 12}}


def test_several_rows_of_a_face() -> None:
    """The oldest value is put back, where the newest is still held."""
    first = image(face(age=1), {AGE: 5})
    second = image(face(age=5), {AGE: 7, CITY: "Bonn"}, 2)
    row = back(first, second)
    assert row["changes"] == [{"field": AGE, "old": "7", "new": "1"}]
    assert (row["row_number"], row["kept"]) == (1, [CITY])


def test_rows_that_cancel_each_other() -> None:
    """What a later row has put back by itself is the same as before."""
    row = back(image(face(age=1), {AGE: 5}), image(face(age=5), {AGE: 1}, 2))
    assert row["status"] == PlanStatus.SAME


def test_what_somebody_else_wrote_in_between_is_theirs() -> None:
    """A later row that sends back another writer's value has not changed that field."""
    first = image(face(age=1, city="Bonn"), {AGE: 5})
    second = image(face(age=5, city="Kiel"), {AGE: 7, CITY: "Kiel"}, 2)
    assert [each["field"] for each in back(first, second)["changes"]] == [AGE]


VALUES = {
    "age": st.integers(-(2**31), 2**31 - 1),
    "city": st.text("abcXYZ019-_", min_size=1, max_size=9),
    "score": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "here": st.booleans(),
}
FIELDS = st.fixed_dictionaries({}, optional=VALUES)


@given(before=FIELDS, writes=st.lists(FIELDS.filter(bool), min_size=1, max_size=4))
def test_any_run_is_taken_back(
    before: dict[str, Any], writes: list[dict[str, Any]]
) -> None:
    """Whatever rows wrote: afterwards a face holds what it held, but for fields kept."""
    images, now = [], dict(before)
    for number, written in enumerate(writes, 1):
        named = {f"external_fields.{name}": value for name, value in written.items()}
        images.append(image(face(**now), named, number))
        now |= written
    row = back(*images)
    if row.get("update"):
        assert {each["field"] for each in row["changes"]} == {
            f"external_fields.{name}"
            for name in json.loads(row["update"])["external_fields"]
        }
        now |= json.loads(row["update"])["external_fields"]
    kept = {name.removeprefix("external_fields.") for name in row["kept"]}
    assert kept == now.keys() - before.keys()
    assert {k: v for k, v in now.items() if k not in kept} == before
    assert fields_of(images[0].update).keys() <= held_in(face(**now)).keys()
