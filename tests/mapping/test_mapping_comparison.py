"""What a face holds against what is wanted: by type, whatever type it came back in."""

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.mapping.comparison import (
    ABSENT,
    IMAGE_ID,
    Difference,
    differences,
    fields_of,
    held_in,
    kind_of,
    read_differences,
    same,
    update_of,
    write_differences,
)
from batch_updater.mapping.rules import SOFT_RULES, convert, value_problem
from batch_updater.models import FaceUpdate, FieldType, FieldValue

S, I, L = FieldType.STRING, FieldType.INTEGER, FieldType.LONG  # noqa: E741
F, D, B = FieldType.FLOAT, FieldType.DOUBLE, FieldType.BOOLEAN
BIG = 2**63 - 1
TENTH = struct.unpack("f", struct.pack("f", 0.1))[0]


@pytest.mark.parametrize(
    ("kind", "wanted", "held"),
    [
        (I, 12, "12"),
        (I, 1, 1.0),
        (I, 0, "-0"),
        (I, -5, "-5"),
        (L, BIG, str(BIG)),
        (L, 2**53 - 1, float(2**53 - 1)),
        (F, 0.1, TENTH),
        (F, TENTH, 0.1),
        (F, 0.1, "0.1"),
        (F, 0.0, "-0"),
        (F, 1.0, 1),
        (D, 0.1, "1e-1"),
        (D, 1e300, "1e300"),
        (D, 3.0, "3"),
        (B, True, "true"),
        (B, False, "FALSE"),
        (S, "12", 12),
        (S, "true", True),
        (S, "1.5", 1.5),
        (S, "ünï 🦉", "ünï 🦉"),
        (S, str(10**60), 10**60),
        (None, 12, "12"),
        (None, "12", 12),
        (None, 1, 1.0),
        (None, True, "true"),
        (None, "false", False),
    ],
    ids=repr,
)
def test_the_same(kind: FieldType | None, wanted: FieldValue, held: Any) -> None:
    """A value is the same in every spelling that its type has."""
    assert same(wanted, held, kind)


@pytest.mark.parametrize(
    ("kind", "wanted", "held"),
    [
        (I, 12, "13"),
        (I, 12, "012"),
        (I, 12, " 12"),
        (I, 12, "1e1"),
        (I, 1, True),
        (I, 0, False),
        (I, 0, ""),
        (I, 0, None),
        (I, 7, [7]),
        (I, 7, {"value": 7}),
        (I, 1, 1.5),
        (L, BIG, float(BIG)),
        (L, BIG, BIG + 1),
        (L, 2**53 + 1, float(2**53)),
        (F, 0.1, 0.1001),
        (F, 1.0, 1e39),
        (F, 0.0, math.nan),
        (D, 0.1, TENTH),
        (D, 1.0, math.inf),
        (D, 1.0, "1e999"),
        (D, 1.0, True),
        (D, 1.0, 10**309),
        (B, True, 1),
        (B, True, "1"),
        (B, False, ""),
        (B, False, None),
        (S, "012", 12),
        (S, "1", 1.0),
        (S, "True", True),
        (S, "null", None),
        (S, "a", "A"),
        (S, "é", "e\u0301"),
        (S, "x", "\ud800"),
        (S, "[1]", [1]),
        (None, 1, True),
        (None, "", None),
        (None, 0, ""),
        (None, "012", 12),
    ],
    ids=repr,
)
def test_not_the_same(kind: FieldType | None, wanted: FieldValue, held: Any) -> None:
    """Null, nested values, other types and numbers that only look close are something else."""
    assert not same(wanted, held, kind)


@pytest.mark.parametrize("kind", [*FieldType, None])
def test_what_is_absent_is_nothing(kind: FieldType | None) -> None:
    """A field that a face does not have is never the same as a value."""
    for wanted in ("", "absent", 0, 0.0, False):
        assert not same(wanted, ABSENT, kind)


def fitting(kind: FieldType | None) -> st.SearchStrategy[FieldValue]:
    """Return values that fit a type, as a task carries them."""
    text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
    values: dict[FieldType | None, st.SearchStrategy[Any]] = {
        S: text,
        I: st.integers(-(2**31), 2**31 - 1),
        L: st.integers(-(2**63), 2**63 - 1),
        F: st.floats(width=32, allow_nan=False, allow_infinity=False),
        D: st.floats(allow_nan=False, allow_infinity=False),
        B: st.booleans(),
    }
    values[None] = st.one_of(*values.values())
    return values[kind]


KINDS = st.sampled_from([*FieldType, None])
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.data())
def test_what_was_sent_is_the_same_when_it_comes_back(data: st.DataObject) -> None:
    """A value, the JSON of it, and its text by any service are the same value."""
    kind = data.draw(KINDS)
    wanted = data.draw(fitting(kind))
    spelled = wanted if isinstance(wanted, str) else json.dumps(wanted)

    assert same(wanted, json.loads(json.dumps(wanted)), kind)
    assert same(wanted, spelled, kind)


def single(value: Any) -> float:
    """Return a number as single precision has it: there is one zero, signed or not."""
    [number] = struct.unpack("f", struct.pack("f", value))
    return float(number)


@given(KINDS, st.data(), ANY)
def test_nothing_that_is_held_is_too_odd_to_be_compared(
    kind: FieldType | None, data: st.DataObject, held: Any
) -> None:
    """Whatever a face holds is compared, and what is the same would be sent as the same."""
    wanted = data.draw(fitting(kind))
    verdict = same(wanted, held, kind)

    assert isinstance(verdict, bool)
    if verdict and kind not in {None, S}:
        broken = value_problem(held, kind)
        assert broken is None or broken[0] in SOFT_RULES
        settled = convert(held, kind)
        if kind is F:
            assert single(settled) == single(wanted)
        else:
            assert settled == wanted


@given(st.data())
def test_two_different_values_are_never_the_same(data: st.DataObject) -> None:
    """Two values of one type are the same only if they are equal."""
    kind = data.draw(st.sampled_from([*FieldType]))
    one, other = data.draw(fitting(kind)), data.draw(fitting(kind))

    assert same(one, other, kind) == (one == other)


FACE = {
    "face_id": "face0001",
    "external_image_id": "image",
    "external_fields": {"age": "12", "team": None},
    "bounding_box": {"width": 1},
}


def test_fields_of_a_face_and_of_an_update() -> None:
    """Fields go by the names of columns, and an update made of its fields is itself."""
    update = FaceUpdate("face0001", "image", {"age": 12, "external_image_id2": "x"})
    fields = fields_of(update)

    assert list(fields) == [
        IMAGE_ID,
        "external_fields.age",
        "external_fields.external_image_id2",
    ]
    assert update_of("face0001", fields) == update
    assert fields_of(FaceUpdate("face0001", None, {})) == {}
    assert held_in(FACE) == {
        IMAGE_ID: "image",
        "external_fields.age": "12",
        "external_fields.team": None,
    }


@pytest.mark.parametrize("odd", [None, [], "text", 7], ids=repr)
def test_a_face_without_an_object_of_fields_has_none(odd: Any) -> None:
    """What is no object holds no field."""
    assert held_in({"face_id": "face0001", "external_fields": odd}) == {}


def test_types_go_by_the_fields_own_names() -> None:
    """The image id is text; a custom field has the type of its name, or none."""
    types = {"age": I, "external_image_id": L}

    assert kind_of(IMAGE_ID, types) is S
    assert kind_of("external_fields.age", types) is I
    assert kind_of("external_fields.other", types) is None


def test_differences_are_those_that_a_face_does_not_hold() -> None:
    """Each field of the update that the face does not hold is told, with what it holds."""
    update = FaceUpdate("face0001", "other", {"age": 12, "team": "red", "size": 1.0})
    types = {"age": I, "team": S, "size": D}

    assert differences(update, held_in(FACE), types) == (
        Difference(IMAGE_ID, "image", "other"),
        Difference("external_fields.team", None, "red"),
        Difference("external_fields.size", ABSENT, 1.0),
    )
    assert differences(FaceUpdate("face0001", "image"), held_in(FACE), types) == ()


@given(st.lists(st.tuples(st.text(max_size=9), st.just(ABSENT) | ANY, fitting(None))))
def test_differences_survive_as_text(found: list[tuple[str, Any, FieldValue]]) -> None:
    """What is written down of differences is read back as it was, in plain ASCII."""
    told = tuple(Difference(*each) for each in found)
    text = write_differences(told)

    assert text.isascii()
    assert repr(read_differences(text)) == repr(told)
