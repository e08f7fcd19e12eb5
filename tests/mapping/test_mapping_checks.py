"""All rules over whole frames, of every kind that the readers give."""

import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.errors import InputError
from batch_updater.files.chunk import arrow_chunk
from batch_updater.frs.protocol import encode_update
from batch_updater.mapping.checks import Checked, Checker, cells, missing
from batch_updater.mapping.columns import ColumnMapping, FieldTypes, bind
from batch_updater.mapping.objects import parse_object
from batch_updater.mapping.rules import (
    SOFT_RULES,
    Problem,
    face_id_problem,
    image_id_problem,
    value_problem,
)
from batch_updater.mapping.tasks import TaskMaker, make_task, refuse
from batch_updater.models import FaceUpdate, FieldType, Outcome, Result, Task

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

STRING, BOOLEAN = FieldType.STRING, FieldType.BOOLEAN
INTEGER, LONG = FieldType.INTEGER, FieldType.LONG
FLOAT, DOUBLE = FieldType.FLOAT, FieldType.DOUBLE
F = "external_fields.f"
Column = tuple[str, Any, Sequence[object]]


def arrow_frame(*columns: Column) -> tuple[tuple[str, ...], pd.DataFrame]:
    header = tuple(name for name, _, _ in columns)
    arrays = [pa.array(list(values), kind) for _, kind, values in columns]
    batch = pa.RecordBatch.from_arrays(arrays, names=list(header))
    return header, arrow_chunk("s", 1, header, batch).frame


def object_frame(*columns: Column) -> tuple[tuple[str, ...], pd.DataFrame]:
    header = tuple(name for name, _, _ in columns)
    series = [pd.Series(list(values), dtype=object) for _, _, values in columns]
    return header, pd.DataFrame(dict(enumerate(series)))


def check(
    framed: tuple[tuple[str, ...], pd.DataFrame],
    types: FieldTypes | None = None,
    *,
    strict: bool = False,
) -> Checked:
    header, frame = framed
    columns = bind(header, ColumnMapping(), "s")
    return Checker(types or FieldTypes(), strict).check(frame, columns)


def rules(checked: Checked) -> dict[int, list[str]]:
    return {i: [p.rule for p in ps] for i, ps in sorted(checked.problems.items())}


def make(
    framed: tuple[tuple[str, ...], pd.DataFrame], types: FieldTypes | None = None
) -> dict[int, FaceUpdate]:
    """What would be sent, by position."""
    header, frame = framed
    columns = bind(header, ColumnMapping(), "s")
    types = types or FieldTypes()
    checked = Checker(types).check(frame, columns)
    clean = [i for i in range(len(frame)) if i not in checked.problems]
    tasks = TaskMaker("set", "s", columns, types).make(frame, checked, clean, 11)
    return {task.row_number - 11: task.update for task in tasks}


def ids(count: int) -> Column:
    return "face_id", pa.string(), ["iexEBb6t"] * count


FRAMES = pytest.mark.parametrize("framed", [arrow_frame, object_frame])


@FRAMES
def test_text_columns(framed: Any) -> None:
    """Each row is told its own problems, in columns of Arrow text and of objects."""
    frame = framed(
        ("face_id", pa.string(), ["00123456", "", None, "NA", "iexEBb6t", "iexEBb6t"]),
        ("external_image_id", pa.string(), ["a", "b", "c", None, "", "a b"]),
        (F, pa.string(), ["1", "x", "", "1e5", None, "9" * 10]),
    )
    checked = check(frame, FieldTypes(types={"f": INTEGER}))
    assert rules(checked) == {
        1: ["face_id_missing", "integer"],
        2: ["face_id_missing"],
        3: ["integer"],
        4: ["nothing_to_update"],
        5: ["external_image_id", "integer_range"],
    }
    assert [(w.position, w.problem.rule, w.count) for w in checked.warnings] == [
        (3, "face_id_shape", 1)
    ]


@FRAMES
def test_strict_turns_warnings_into_problems(framed: Any) -> None:
    """A soft rule warns, and refuses the row with --strict."""
    frame = framed(ids(2), (F, pa.string(), ["张三", "ok"]))
    types = FieldTypes(types={"f": STRING})
    assert rules(check(frame, types)) == {}
    assert len(check(frame, types).warnings) == 1
    assert rules(check(frame, types, strict=True)) == {0: ["string_charset"]}
    assert check(frame, types, strict=True).warnings == []


TEXTS = st.one_of(
    st.sampled_from(
        ["", "ok", "a b", "张三", "x" * 256, "x" * 257, " " * 256, "é" * 257]
    ),
    st.text(st.characters(codec="utf-8"), max_size=9),
    st.none(),
)


@settings(deadline=None)
@given(
    cells=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12),
    kind=st.sampled_from([STRING, INTEGER, None]),
    strict=st.booleans(),
)
def test_values_that_warn_are_counted_as_one_by_one(
    cells: list[tuple[str | None, str | None]], kind: FieldType | None, strict: bool
) -> None:
    """Whole columns of odd text come to the same as each value judged for itself."""
    columns: list[Column] = [
        ("face_id", pa.string(), [face_id for face_id, _ in cells]),
        (F, pa.string(), [value for _, value in cells]),
        ("external_image_id", pa.string(), ["x"] * len(cells)),
    ]
    types = FieldTypes(types={"f": kind} if kind else {})
    told = []
    for framed in (arrow_frame, object_frame):
        checked = check(framed(*columns), types, strict=strict)
        counts = Counter[str]()
        first: dict[str, tuple[int, Problem]] = {}
        for warned in checked.warnings:
            rule = warned.problem.rule
            counts[rule] += warned.count
            first.setdefault(rule, (warned.position, warned.problem))
        told.append((checked.problems, counts, first))
    assert told[0] == told[1]


@FRAMES
def test_no_warning_while_the_type_is_unknown(framed: Any) -> None:
    """0.75 may be a number: nobody can say yet that its characters are odd."""
    frame = framed(ids(1), (F, pa.string(), ["0.75"]))
    assert check(frame).warnings == []
    assert rules(check(frame, strict=True)) == {}


def test_integers_in_a_struct_stay_exact() -> None:
    """A null member turns no 64-bit integer beside it into a float."""
    kind = pa.struct([("a", pa.int64()), ("b", pa.int64())])
    cells = [{"a": 2**53 + 1, "b": None}, {"a": 2**63 - 1, "b": 1}]
    made = make(arrow_frame(ids(2), ("external_fields", kind, cells)))
    assert made[0].external_fields == {"a": 2**53 + 1}
    assert made[1].external_fields == {"a": 2**63 - 1, "b": 1}


@pytest.mark.parametrize(
    ("arrow", "kind", "values", "broken"),
    [
        (pa.int64(), INTEGER, [2**31 - 1, 2**31, None, -(2**31) - 1],
         {1: "integer_range", 3: "integer_range"}),
        (pa.int64(), LONG, [2**63 - 1, -(2**63), 0, None], {}),
        (pa.uint64(), None, [2**63 - 1, 2**63, None, 2**64 - 1],
         {1: "long_range", 3: "long_range"}),
        (pa.uint64(), STRING, [2**64 - 1, None], {}),
        (pa.int8(), INTEGER, [-128, None, 127], {}),
        (pa.int32(), BOOLEAN, [1, None], {0: "boolean"}),
        (pa.int64(), FLOAT, [1, 2**62, None], {}),
        (pa.float64(), DOUBLE, [1.5, float("nan"), float("inf"), None],
         {1: "number_finite", 2: "number_finite"}),
        (pa.float64(), None, [1.5, float("-inf"), None], {1: "number_finite"}),
        (pa.float64(), FLOAT, [3.4e38, 3.5e38, None], {1: "float_range"}),
        (pa.float64(), LONG, [1.0, 1.5, None, 2.0**60], {1: "integer", 3: "integer"}),
        (pa.float64(), STRING, [1.0, None], {0: "string"}),
        (pa.float32(), FLOAT, [1.5, float("nan"), None], {1: "number_finite"}),
        (pa.bool_(), BOOLEAN, [True, False, None], {}),
        (pa.bool_(), None, [True, None], {}),
        (pa.bool_(), INTEGER, [True, None], {0: "integer"}),
        (pa.bool_(), STRING, [True, None], {0: "string"}),
        (pa.date32(), None, [0, None], {0: "field_kind"}),
        (pa.timestamp("s"), STRING, [0, None], {0: "field_kind"}),
        (pa.decimal128(5, 2), DOUBLE, [Decimal("1.50"), None], {0: "field_kind"}),
        (pa.binary(), STRING, [b"a", None], {0: "field_kind"}),
        (pa.list_(pa.int64()), None, [[1], None], {0: "field_kind"}),
        (pa.null(), INTEGER, [None, None], {}),
    ],
    ids=str,
)  # fmt: skip
def test_columns_with_types(
    arrow: Any, kind: FieldType | None, values: list[object], broken: dict[int, str]
) -> None:
    """A typed column is judged value by value, and a null leaves the value alone."""
    image = ("external_image_id", pa.string(), ["a"] * len(values))
    types = FieldTypes(types={"f": kind} if kind else {})
    checked = check(arrow_frame(ids(len(values)), image, (F, arrow, values)), types)
    assert rules(checked) == {i: [rule] for i, rule in broken.items()}


def test_a_json_lines_column_mixes_types() -> None:
    """Objects are judged by their own type; a string is text of the field's type."""
    values = [5, "5", 5.0, 5.5, True, None, "", [1], {"a": 1}, 2**63]
    image = ("external_image_id", None, ["a"] * len(values))
    frame = object_frame(ids(len(values)), image, (F, None, values))
    checked = check(frame, FieldTypes(types={"f": LONG}))
    assert rules(checked) == {
        3: ["integer"],
        4: ["integer"],
        7: ["field_kind"],
        8: ["field_kind"],
        9: ["long_range"],
    }
    sent = make(frame, FieldTypes(types={"f": LONG}))
    assert [dict(sent[i].external_fields) for i in (0, 1, 2, 5, 6)] == [
        {"f": 5},
        {"f": 5},
        {"f": 5},
        {},
        {},
    ]


@pytest.mark.parametrize("name", ["face_id", "external_image_id"])
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64()])
def test_ids_that_are_numbers_stop_everything(name: str, kind: Any) -> None:
    """An id column of numbers may have lost its zeros: the file must be mended."""
    columns = {"face_id": pa.string(), "external_image_id": pa.string(), name: kind}
    values: dict[Any, list[object]] = {pa.string(): ["iexEBb6t"], kind: [1]}
    frame = arrow_frame(*((n, k, values[k]) for n, k in columns.items()))
    with pytest.raises(InputError, match=name):
        check(frame)


def test_an_empty_id_column_has_no_type() -> None:
    """A column of nulls only is no column of numbers."""
    frame = arrow_frame(ids(1), ("external_image_id", pa.null(), [None]))
    assert rules(check(frame)) == {0: ["nothing_to_update"]}


def test_json_lines_ids_that_are_numbers_are_bad_rows() -> None:
    """In JSON Lines each row has its own type, so only that row is refused."""
    frame = object_frame(
        ("face_id", None, [12345678, "iexEBb6t", "iexEBb6t"]),
        ("external_image_id", None, ["a", 5, "a"]),
    )
    assert rules(check(frame)) == {0: ["face_id_type"], 1: ["external_image_id"]}


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ('{"a": 1}', []),
        ('{"id": "300018629384756", "b": true}', []),
        ('{"n": 1234567890123456789}', []),
        ("{}", ["nothing_to_update"]),
        ("", ["nothing_to_update"]),
        ("[]", ["external_fields_json"]),
        ("1", ["external_fields_json"]),
        ("null", ["external_fields_json"]),
        ("{", ["external_fields_json"]),
        ("{'a': 1}", ["external_fields_json"]),
        ('{"a": NaN}', ["external_fields_json"]),
        ('{"a": 1, "a": 2}', ["external_fields_json"]),
        ('{"a": ' + "9" * 5000 + "}", ["external_fields_json"]),
        ("[" * 5000, ["external_fields_json"]),
        ('{"a": 1e999}', ["number_finite"]),
        ('{"a": null}', ["field_kind"]),
        ('{"a": [1]}', ["field_kind"]),
        ('{"a": ""}', ["string_length"]),
        ('{"a": 9223372036854775808}', ["long_range"]),
        ('{"a b": 1}', ["field_name"]),
        ('{"_id": 1}', ["field_reserved"]),
        ('{"a": "\\ud800"}', ["string_unicode"]),
        ('{"\\ud800": 1}', ["field_name"]),
        (json.dumps({f"f{i}": i for i in range(10)}), []),
        (json.dumps({f"f{i}": i for i in range(11)}), ["too_many_fields"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_json_column(cell: str, found: list[str]) -> None:
    """external_fields is one JSON object, and each of its members obeys the rules."""
    frame = arrow_frame(ids(1), ("external_fields", pa.string(), [cell]))
    checked = check(frame)
    assert rules(checked) == ({0: found} if found else {})
    for problems in checked.problems.values():
        assert all(problem.message.encode() for problem in problems)


def test_the_json_column_of_json_lines() -> None:
    """In JSON Lines the object stands there as it is; text of JSON is also read."""
    values = [{"a": 1}, '{"a": 2}', None, "", 5, True, [1], {"a": {"b": 1}}]
    frame = object_frame(ids(8), ("external_fields", None, values))
    none, json_rule = ["nothing_to_update"], ["external_fields_json"]
    assert rules(check(frame)) == {
        2: none,
        3: none,
        4: json_rule,
        5: json_rule,
        6: json_rule,
        7: ["field_kind"],
    }
    assert [u.external_fields["a"] for u in make(frame).values()] == [1, 2]


@pytest.mark.parametrize(
    ("kind", "cell", "sent"),
    [
        (pa.struct([("a", pa.int64()), ("b", pa.string())]), {"a": 1}, {"a": 1}),
        (pa.struct([("a", pa.int64())]), {"a": None}, None),
        (pa.map_(pa.string(), pa.int64()), [("a", 1)], {"a": 1}),
        (pa.map_(pa.string(), pa.int64()), [("a", None), ("b", 2)], {"b": 2}),
        (pa.map_(pa.string(), pa.int64()), [("a", 1), ("a", 2)], None),
        (pa.map_(pa.int64(), pa.int64()), [(1, 1)], None),
        (pa.list_(pa.string()), ["ab", "cd"], None),
        (pa.int64(), 7, None),
        (pa.bool_(), True, None),
    ],
    ids=str,
)
def test_the_json_column_of_parquet(
    kind: Any, cell: object, sent: dict[str, object] | None
) -> None:
    """A struct or a map is an object whose nulls mean "not given"; no key twice."""
    frame = arrow_frame(ids(2), ("external_fields", kind, [cell, None]))
    made = make(frame)
    assert 1 not in made
    assert (made[0].external_fields if 0 in made else None) == sent


def test_a_field_given_twice() -> None:
    """A field may not come from its column and from the object in the same row."""
    frame = arrow_frame(
        ids(3),
        ("external_fields", pa.string(), ['{"f": 1}', '{"f": 1}', '{"g": 1}']),
        (F, pa.string(), ["2", "", "2"]),
    )
    assert rules(check(frame)) == {0: ["field_given_twice"]}


def test_fields_of_columns_and_object_count_together() -> None:
    """Ten fields is the limit of a row, wherever they come from."""
    members = json.dumps({f"m{i}": i for i in range(9)})
    columns = [(f"external_fields.c{i}", pa.string(), ["1", "1"]) for i in range(2)]
    columns[1][2][1] = ""
    frame = arrow_frame(
        ids(2), ("external_fields", pa.string(), [members] * 2), *columns
    )
    checked = check(frame)
    assert rules(checked) == {0: ["too_many_fields"]}
    assert checked.problems[0][0].column == "external_fields"


def test_too_many_columns_name_the_last_one() -> None:
    """Without an object the last field's column is to blame, if it has values."""
    fields = [(f"external_fields.c{i}", pa.string(), ["1", "1"]) for i in range(11)]
    fields[3][2][1] = ""
    checked = check(arrow_frame(ids(2), *fields))
    assert rules(checked) == {0: ["too_many_fields"]}
    assert checked.problems[0][0].column == "external_fields.c10"


@FRAMES
def test_a_column_that_came_too_late_for_the_declared_fields(framed: Any) -> None:
    """JSON Lines may bring an undeclared field late; its rows are refused, not sent."""
    frame = framed(ids(2), (F, pa.string(), ["1", None]), ("external_image_id",
                   pa.string(), ["a", "b"]))  # fmt: skip
    types = FieldTypes(types={"age": LONG}, allowed=frozenset({"age"}))
    assert rules(check(frame, types)) == {0: ["field_undeclared"]}


def test_an_empty_frame() -> None:
    """No rows, no problems."""
    assert check(arrow_frame(ids(0), (F, pa.string(), []))) == Checked()


def test_parse_object_gives_the_object_or_the_reason() -> None:
    """A cell that is no object says so in a sentence that fits a line."""
    assert parse_object('{"a": 1}') == {"a": 1}
    said = parse_object(5)
    assert isinstance(said, tuple)
    assert said == ("external_fields_json", "5 is not a JSON object")


def test_cells_and_missing_agree() -> None:
    """Empty and null are both "leave alone"; a float that is not finite is neither."""
    _, frame = arrow_frame(
        ("t", pa.string(), ["", None, "NA", "x"]),
        ("f", pa.float64(), [float("nan"), None, 0.0, 1.0]),
    )
    assert missing(frame[0]).tolist() == [True, True, False, False]
    assert cells(frame[0]).tolist() == [None, None, "NA", "x"]
    assert missing(frame[1]).tolist() == [False, True, False, False]


# Tasks


def test_tasks_carry_where_they_came_from() -> None:
    """A task names its face set, source and row, and the cells as typed values."""
    header, frame = arrow_frame(
        ("face_id", pa.string(), ["iexEBb6t", "00123456", "RG16TGCu"]),
        ("external_image_id", pa.string(), ["imageID", "", None]),
        ("external_fields.timestamp", pa.string(), ["12", "", "-0"]),
        (
            "external_fields",
            pa.string(),
            ['{"id": "300018629384756"}', '{"ok": 1}', ""],
        ),
    )
    types = FieldTypes(types={"timestamp": LONG, "id": STRING, "ok": STRING})
    columns = bind(header, ColumnMapping(), "s")
    checked = Checker(types).check(frame, columns)
    maker = TaskMaker("showFaceSet", "a.csv", columns, types)
    assert list(maker.make(frame, checked, [0, 1, 2], 5)) == [
        Task(
            FaceUpdate(
                "iexEBb6t", "imageID", {"timestamp": 12, "id": "300018629384756"}
            ),
            "showFaceSet",
            "a.csv",
            5,
        ),
        Task(FaceUpdate("00123456", None, {"ok": "1"}), "showFaceSet", "a.csv", 6),
        Task(FaceUpdate("RG16TGCu", None, {"timestamp": 0}), "showFaceSet", "a.csv", 7),
    ]


def test_a_programs_update_becomes_a_task() -> None:
    """make_task converts by the declared types and counts soft rules as warnings."""
    types = FieldTypes(types={"age": INTEGER}, allowed=frozenset({"age"}))
    task = make_task(FaceUpdate("NA", None, {"age": "7"}), "set", 3, types)
    assert task == Task(FaceUpdate("NA", None, {"age": 7}), "set", "", 3)


@pytest.mark.parametrize(
    ("update", "strict", "rule", "column"),
    [
        (FaceUpdate("NA", "x"), True, "face_id_shape", "face_id"),
        (FaceUpdate("iexEBb6t", "x y"), False, "external_image_id", "external_image_id"),
        (FaceUpdate("iexEBb6t", None, {"b": 1}), False, "field_undeclared",
         "external_fields"),
        (FaceUpdate("", ""), False, "face_id_missing; external_image_id",
         "face_id; external_image_id"),
        (FaceUpdate("iexEBb6t"), False, "nothing_to_update", ""),
    ],
)  # fmt: skip
def test_a_programs_bad_update_becomes_a_result(
    update: FaceUpdate, strict: bool, rule: str, column: str
) -> None:
    """A bad update is data: an invalid result with its rules and columns."""
    types = FieldTypes(types={"age": INTEGER}, allowed=frozenset({"age"}))
    result = make_task(update, "set", 3, types, strict=strict)
    assert isinstance(result, Result)
    assert result.outcome is Outcome.INVALID
    assert (result.rule, result.column) == (rule, column)
    assert (result.row_number, result.face_id) == (3, update.face_id)


@pytest.mark.parametrize("face_id", [None, "", pd.NA])
def test_a_refused_row_without_a_face(face_id: object) -> None:
    """A missing face id is written as empty, not as the word for nothing."""
    assert refuse([], face_id, "set", "s", 1).face_id == ""


# The masks are shortcuts


TEXTS = st.one_of(
    st.text(max_size=12),
    st.text("0123456789+-.eE truefalsTRUFALS_\nL", max_size=20),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["true", "True", "tRUE", "trueFALSE", "xtrue", "NA", "-0", "1e5"]),
    st.text("ab-_", min_size=250, max_size=260),
    st.integers(-(2**64), 2**64).map(str),
)


@MANY
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
def test_whole_columns_of_text_agree_with_single_values(texts: list[str]) -> None:
    """The check of a column says of each text what the scalar rule says of it."""
    for kind in (*FieldType, None):
        types = FieldTypes(types={"f": kind} if kind else {})
        image = ("external_image_id", pa.string(), ["a"] * len(texts))
        frame = arrow_frame(ids(len(texts)), image, (F, pa.string(), texts))
        checked = check(frame, types, strict=True)
        alone = {i: value_problem(text, kind) for i, text in enumerate(texts) if text}
        if kind is None:  # nobody knows yet that it is text
            alone = {
                i: said
                for i, said in alone.items()
                if said and said[0] != "string_charset"
            }
        assert rules(checked) == {i: [said[0]] for i, said in alone.items() if said}


@MANY
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
def test_whole_columns_of_ids_agree_with_single_values(texts: list[str]) -> None:
    """The same holds for face ids and external image ids."""
    frame = arrow_frame(
        ("face_id", pa.string(), texts),
        ("external_image_id", pa.string(), texts),
    )
    found = rules(check(frame, strict=True))
    for i, text in enumerate(texts):
        said = [face_id_problem(text), image_id_problem(text) if text else None]
        assert found.get(i, []) == [broken[0] for broken in said if broken]


NUMBERS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1) | st.integers(2**63 - 99, 2**63 + 99),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
}


@MANY
@given(data=st.data(), arrow=st.sampled_from(list(NUMBERS)))
def test_whole_columns_of_numbers_agree_with_single_values(
    data: st.DataObject, arrow: Any
) -> None:
    """A column of Arrow numbers or booleans is judged as its values would be."""
    values = data.draw(st.lists(st.none() | NUMBERS[arrow], min_size=1, max_size=10))
    kind = data.draw(st.sampled_from([*FieldType, None]))
    types = FieldTypes(types={"f": kind} if kind else {})
    image = ("external_image_id", pa.string(), ["a"] * len(values))
    frame = arrow_frame(ids(len(values)), image, (F, arrow, values))
    alone = {i: value_problem(v, kind) for i, v in enumerate(values) if v is not None}
    assert rules(check(frame, types)) == {i: [s[0]] for i, s in alone.items() if s}
    for position, update in make(frame, types).items():
        sent = json.loads(encode_update(update)).get("external_fields", {})
        value = values[position]
        if value is None:
            assert sent == {}
        elif kind is STRING:
            assert sent == {"f": str(value)}
        elif kind in {FLOAT, DOUBLE}:
            assert sent == {"f": float(value)}
        else:
            assert sent == {"f": value}


@MANY
@given(texts=st.lists(TEXTS, min_size=1, max_size=10))
def test_clean_rows_are_sent_as_they_stand(texts: list[str]) -> None:
    """Text that passes as a string reaches the wire unchanged, soft rules or not."""
    image = ("external_image_id", pa.string(), ["a"] * len(texts))
    frame = arrow_frame(ids(len(texts)), image, (F, pa.string(), texts))
    for position, update in make(frame).items():
        text = texts[position]
        body = json.loads(encode_update(update))
        assert body.get("external_fields", {}) == ({"f": text} if text else {})
        broken = value_problem(text, None) if text else None
        assert broken is None or broken[0] in SOFT_RULES


def test_numpy_numbers_of_a_program_are_named() -> None:
    """A numpy number is refused by its type's name instead of breaking the encoder."""
    update = FaceUpdate("iexEBb6t", None, {"n": np.int64(5)})  # type: ignore[dict-item]
    result = make_task(update, "set", 1, FieldTypes())
    assert isinstance(result, Result)
    assert "int64" in result.error_msg
