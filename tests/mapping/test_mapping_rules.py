"""FRS's rules for one value: every rule, both ends of every range."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.frs.protocol import encode_update
from batch_updater.mapping.columns import RESERVED_NAMES, FieldTypes, field_name_problem
from batch_updater.mapping.rules import (
    SOFT_RULES,
    convert,
    convert_all,
    count_problem,
    face_id_problem,
    fields_problems,
    image_id_problem,
    update_problems,
    value_problem,
)
from batch_updater.models import FaceUpdate, FieldType

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

STRING, BOOLEAN = FieldType.STRING, FieldType.BOOLEAN
INTEGER, LONG = FieldType.INTEGER, FieldType.LONG
FLOAT, DOUBLE = FieldType.FLOAT, FieldType.DOUBLE
FLOAT_MAX = 3.4028234663852886e38
KINDS = [*FieldType, None]


def rule_of(broken: tuple[str, str] | None) -> str:
    return broken[0] if broken else ""


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("iexEBb6t", ""),
        ("00123456", ""),
        ("12345678", ""),
        ("", "face_id_missing"),
        (None, "face_id_missing"),
        ("NA", "face_id_shape"),
        ("nan", "face_id_shape"),
        ("1e5", "face_id_shape"),
        ("1234567", "face_id_shape"),
        ("123456789", "face_id_shape"),
        ("iexEBb6t\n", "face_id_shape"),
        (" iexEBb6", "face_id_shape"),
        ("iexEBb6-", "face_id_shape"),
        ("\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", "face_id_shape"),
        ("张张张张张张张张", "face_id_shape"),
        ("\ud800abcdefg", "face_id_type"),
        (12345678, "face_id_type"),
        (1.5, "face_id_type"),
        (True, "face_id_type"),
        (["iexEBb6t"], "face_id_type"),
    ],
)
def test_face_ids(value: object, rule: str) -> None:
    """A face id is text; a shape other than 8 letters or digits is only soft."""
    assert rule_of(face_id_problem(value)) == rule


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        ("a", True),
        ("imageID", True),
        ("00123456", True),
        ("-_-", True),
        ("a" * 36, True),
        ("", False),
        ("a" * 37, False),
        ("a b", False),
        ("a.b", False),
        ("a\n", False),
        ("名", False),
        ("é", False),
        (None, False),
        (7, False),
        (True, False),
    ],
)
def test_external_image_ids(value: object, fine: bool) -> None:
    """An external image id is 1 to 36 letters, digits, '-' or '_' (page 0095)."""
    assert rule_of(image_id_problem(value)) == ("" if fine else "external_image_id")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("a", ""),
        ("a" * 36, ""),
        ("Age_2-b", ""),
        ("", "field_name"),
        ("a" * 37, "field_name"),
        ("a b", "field_name"),
        ("a.b", "field_name"),
        ("age\n", "field_name"),
        ("年龄", "field_name"),
        ("\ud800", "field_name"),
        *[(name, "field_reserved") for name in sorted(RESERVED_NAMES)],
    ],
)
def test_field_names(name: str, rule: str) -> None:
    """A field name is 1 to 36 plain characters and none of the reserved ones."""
    assert rule_of(field_name_problem(name)) == rule


def test_the_reserved_names_are_those_of_the_service() -> None:
    """Page 0012 reserves nine names."""
    said = (
        "external_image_id bounding_box similarity face_id create_time "
        "vector _id _all _source"
    )
    assert set(said.split()) == RESERVED_NAMES


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a", ""),
        ("NA", ""),
        ("1e5", ""),
        ("00123456", ""),
        ("a" * 256, ""),
        ("", "string_length"),
        ("a" * 257, "string_length"),
        ("张" * 257, "string_length"),
        ("张三", "string_charset"),
        ("a b", "string_charset"),
        ("a\n", "string_charset"),
        ("a\x00b", "string_charset"),
        ("\udc80", "string_unicode"),
        ("ok\ud800", "string_unicode"),
    ],
)
@pytest.mark.parametrize("kind", [STRING, None])
def test_strings(text: str, kind: FieldType | None, rule: str) -> None:
    """A string has 1 to 256 characters; its charset alone is a soft rule."""
    assert rule_of(value_problem(text, kind)) == rule


@pytest.mark.parametrize(
    ("text", "integer", "long"),
    [
        ("0", "", ""),
        ("-0", "", ""),
        ("2147483647", "", ""),
        ("2147483648", "integer_range", ""),
        ("-2147483648", "", ""),
        ("-2147483649", "integer_range", ""),
        ("300018629384756", "integer_range", ""),
        ("1234567890123456789", "integer_range", ""),
        ("9223372036854775807", "integer_range", ""),
        ("9223372036854775808", "integer_range", "long_range"),
        ("-9223372036854775808", "integer_range", ""),
        ("-9223372036854775809", "integer_range", "long_range"),
        ("9" * 41, "integer_range", "long_range"),
        ("00123456", "integer", "integer"),
        ("-01", "integer", "integer"),
        ("1e5", "integer", "integer"),
        ("1.0", "integer", "integer"),
        ("1_000", "integer", "integer"),
        ("100L", "integer", "integer"),
        ("+5", "integer", "integer"),
        (" 5", "integer", "integer"),
        ("5\n", "integer", "integer"),
        ("NA", "integer", "integer"),
        ("NaN", "integer", "integer"),
        ("-", "integer", "integer"),
        ("\u0663", "integer", "integer"),
        ("\uff15", "integer", "integer"),
        ("\ud800", "integer", "integer"),
        ("true", "integer", "integer"),
    ],
)
def test_whole_numbers_as_text(text: str, integer: str, long: str) -> None:
    """Text is a 32- or 64-bit integer only when nothing of it would be lost."""
    assert rule_of(value_problem(text, INTEGER)) == integer
    assert rule_of(value_problem(text, LONG)) == long


@pytest.mark.parametrize(
    ("text", "single", "double"),
    [
        ("0", "", ""),
        ("-0", "", ""),
        ("-0.0", "", ""),
        ("0.5", "", ""),
        (".5", "", ""),
        ("5.", "", ""),
        ("1e5", "", ""),
        ("1E-7", "", ""),
        ("1e-999", "", ""),
        ("3.4028234663852886e38", "", ""),
        ("-3.4028234663852886e38", "", ""),
        ("3.4028235e38", "float_range", ""),
        ("-3.4028235e38", "float_range", ""),
        ("1.7976931348623157e308", "float_range", ""),
        ("1e309", "float_range", "double_range"),
        ("1e999", "float_range", "double_range"),
        ("-1e999", "float_range", "double_range"),
        ("NaN", "number_finite", "number_finite"),
        ("-inf", "number_finite", "number_finite"),
        ("Infinity", "number_finite", "number_finite"),
        ("+INF", "number_finite", "number_finite"),
        ("NA", "number", "number"),
        ("1.0f", "number", "number"),
        ("1.0d", "number", "number"),
        ("100L", "number", "number"),
        ("0x10", "number", "number"),
        ("1_000.5", "number", "number"),
        ("1,5", "number", "number"),
        ("00.5", "number", "number"),
        ("-01", "number", "number"),
        ("+1", "number", "number"),
        (".", "number", "number"),
        ("e5", "number", "number"),
        (" 1", "number", "number"),
        ("1\n", "number", "number"),
        ("\u0663.\u0665", "number", "number"),
        ("一", "number", "number"),
    ],
)
def test_decimals_as_text(text: str, single: str, double: str) -> None:
    """Text is a float or double when JSON can carry it: finite, no suffix."""
    assert rule_of(value_problem(text, FLOAT)) == single
    assert rule_of(value_problem(text, DOUBLE)) == double


@pytest.mark.parametrize(
    ("text", "fine"),
    [("true", True), ("FALSE", True), ("True", True), ("tRuE", True)]
    + [(text, False) for text in ("1", "0", "yes", "t", "true ", "真", "NA")],
)
def test_booleans_as_text(text: str, fine: bool) -> None:
    """Only true and false, in any case, are booleans."""
    assert rule_of(value_problem(text, BOOLEAN)) == ("" if fine else "boolean")


@pytest.mark.parametrize(
    ("value", "kind", "rule"),
    [
        (True, BOOLEAN, ""),
        (False, None, ""),
        (True, STRING, "string"),
        (True, INTEGER, "integer"),
        (True, LONG, "integer"),
        (True, FLOAT, "number"),
        (True, DOUBLE, "number"),
        (2**31 - 1, INTEGER, ""),
        (2**31, INTEGER, "integer_range"),
        (-(2**31), INTEGER, ""),
        (-(2**31) - 1, INTEGER, "integer_range"),
        (2**63 - 1, LONG, ""),
        (2**63, LONG, "long_range"),
        (-(2**63), None, ""),
        (-(2**63) - 1, None, "long_range"),
        (2**63, None, "long_range"),
        (1, BOOLEAN, "boolean"),
        (7, STRING, ""),
        (10**256 - 1, STRING, ""),
        (10**256, STRING, "string_length"),
        (-(10**255) + 1, STRING, ""),
        (-(10**255), STRING, "string_length"),
        (int(FLOAT_MAX), FLOAT, ""),
        (int(FLOAT_MAX) + 2**104, FLOAT, "float_range"),
        (10**308, DOUBLE, ""),
        (10**309, DOUBLE, "double_range"),
        (FLOAT_MAX, FLOAT, ""),
        (math.nextafter(FLOAT_MAX, math.inf), FLOAT, "float_range"),
        (-FLOAT_MAX, FLOAT, ""),
        (1.7976931348623157e308, DOUBLE, ""),
        (1.5, None, ""),
        (-0.0, INTEGER, ""),
        (2.0, INTEGER, ""),
        (2.0**31, INTEGER, "integer_range"),
        (2.5, INTEGER, "integer"),
        (2.0**53 - 1, LONG, ""),
        (2.0**53, LONG, "integer"),
        (2.0**53 + 2, LONG, "integer"),
        (1e300, LONG, "integer"),
        (1.5, STRING, "string"),
        (1.5, BOOLEAN, "boolean"),
    ],
)
def test_values_with_a_type_of_their_own(
    value: object, kind: FieldType | None, rule: str
) -> None:
    """A typed value must fit its field's type without being changed."""
    assert rule_of(value_problem(value, kind)) == rule


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_json_or_frs_cannot_carry(kind: FieldType | None) -> None:
    """No type takes NaN, infinity, or anything but text, numbers and booleans."""
    for bad in (math.nan, math.inf, -math.inf):
        assert rule_of(value_problem(bad, kind)) == "number_finite"
    odd: tuple[object, ...] = (None, [], {}, [1], b"x", 1j)
    for value in odd:
        assert rule_of(value_problem(value, kind)) == "field_kind"


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (STRING, "string_length"),
        (INTEGER, "integer_range"),
        (LONG, "long_range"),
        (FLOAT, "float_range"),
        (DOUBLE, "double_range"),
        (BOOLEAN, "boolean"),
        (None, "long_range"),
    ],
)
def test_numbers_too_long_for_python_to_print(
    kind: FieldType | None, rule: str
) -> None:
    """A number of 5000 digits is a bad value, not the end of the run."""
    assert rule_of(value_problem(10**5000, kind)) == rule


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        ("1234567890123456789", LONG, 1234567890123456789),
        ("-0", INTEGER, 0),
        (2.0, INTEGER, 2),
        ("1e5", DOUBLE, 100000.0),
        (3, FLOAT, 3.0),
        ("TRUE", BOOLEAN, True),
        ("False", BOOLEAN, False),
        (True, BOOLEAN, True),
        ("00123456", STRING, "00123456"),
        (123, STRING, "123"),
        ("NA", None, "NA"),
        (1.5, None, 1.5),
        (9007199254740993, None, 9007199254740993),
    ],
)
def test_conversion(
    value: str | float, kind: FieldType | None, sent: str | float
) -> None:
    """What is sent has the field's own JSON type and no digit less."""
    converted = convert(value, kind)
    assert converted == sent
    assert type(converted) is type(sent)


def test_a_long_cell_is_judged_at_once() -> None:
    """A megabyte of digits costs no more than its length (it once was squared)."""
    assert rule_of(value_problem("1" * 1_000_000 + "x", DOUBLE)) == "number"


def test_messages_are_short_and_can_be_written_down() -> None:
    """A message shows an excerpt, in characters that UTF-8 can carry."""
    for broken in (
        value_problem("x" * 10_000, INTEGER),
        value_problem("9" * 10_000, LONG),
        value_problem(10**5000, LONG),
        value_problem("\ud800", DOUBLE),
        face_id_problem("\ud800" * 100),
        image_id_problem("\x1b[31m" * 100),
    ):
        assert broken
        assert len(broken[1].encode()) < 120
        assert "\x1b" not in broken[1]


def test_a_name_that_utf8_cannot_carry_is_named_all_the_same() -> None:
    """A problem's message can be journaled whatever the field is called."""
    (problem,) = fields_problems({"\ud800": 1}, FieldTypes(), "external_fields")
    assert problem.rule == "field_name"
    assert problem.message.encode()


def test_fields_of_an_object_name_the_field_and_the_column() -> None:
    """Each bad member is a problem of its own, in the column it came from."""
    types = FieldTypes(types={"age": INTEGER}, allowed=frozenset({"age"}))
    members = {"age": "x", "size": 1, "vector": 2}
    problems = fields_problems(members, types, "extra")
    assert [p.rule for p in problems] == [
        "integer",
        "field_undeclared",
        "field_reserved",
    ]
    assert {p.column for p in problems} == {"extra"}
    assert "age" in problems[0].message


@pytest.mark.parametrize(("count", "fine"), [(0, True), (10, True), (11, False)])
def test_ten_fields_at_most(count: int, fine: bool) -> None:
    """A face set has at most ten custom fields."""
    assert (count_problem(count, "c") is None) is fine


@pytest.mark.parametrize(
    ("update", "rules"),
    [
        (FaceUpdate("iexEBb6t", "imageID"), []),
        (FaceUpdate("iexEBb6t", None, {"id": "1"}), []),
        (FaceUpdate("iexEBb6t"), ["nothing_to_update"]),
        (FaceUpdate("iexEBb6t", ""), ["external_image_id"]),
        (FaceUpdate("", "x"), ["face_id_missing"]),
        (FaceUpdate("NA", "x"), ["face_id_shape"]),
        (FaceUpdate("iexEBb6t", None, {f"f{i}": 1 for i in range(10)}), []),
        (
            FaceUpdate("iexEBb6t", None, {f"f{i}": 1 for i in range(11)}),
            ["too_many_fields"],
        ),
        (
            FaceUpdate("", "", {"a b": 1}),
            ["face_id_missing", "external_image_id", "field_name"],
        ),
    ],
)
def test_updates_of_a_program(update: FaceUpdate, rules: list[str]) -> None:
    """An update made by a program meets the same rules as a row of a file."""
    assert [p.rule for p in update_problems(update, FieldTypes())] == rules


VALUES = st.one_of(
    st.text(max_size=30),
    st.text("0123456789+-.eE_Lf xNaif", max_size=24),
    st.integers(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.booleans(),
    st.none(),
)


@MANY
@given(value=VALUES, kind=st.sampled_from(KINDS))
def test_what_passes_can_be_sent_and_arrives_as_it_was(
    value: str | float, kind: FieldType | None
) -> None:
    """A value that breaks no hard rule converts, and JSON brings it back equal."""
    broken = value_problem(value, kind)
    if broken and broken[0] not in SOFT_RULES:
        return
    sent = convert(value, kind)
    body = encode_update(FaceUpdate("iexEBb6t", None, {"f": sent}))
    got = json.loads(body)["external_fields"]["f"]
    assert got == sent
    assert type(got) is type(sent)
    if kind in {INTEGER, LONG}:
        assert sent == int(value)
    if kind in {STRING, None}:
        assert str(sent) == str(value)


@MANY
@given(values=st.lists(VALUES, max_size=8), kind=st.sampled_from(KINDS))
def test_a_column_converts_as_its_values_do(
    values: list[str | float | None], kind: FieldType | None
) -> None:
    """A column at once is each value by itself, to the type; None stays None."""

    def may_be_sent(value: object) -> bool:
        broken = value_problem(value, kind)
        return value is None or not broken or broken[0] in SOFT_RULES

    fine = [value for value in values if may_be_sent(value)]
    expected = [None if value is None else convert(value, kind) for value in fine]
    found = convert_all(fine, kind)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]
