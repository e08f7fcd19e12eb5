"""Which column feeds what, and of what type each field is."""

import pytest

from batch_updater.errors import InputError, UsageError
from batch_updater.mapping.columns import (
    BoundField,
    ColumnMapping,
    FieldColumn,
    bind,
    resolve_types,
)
from batch_updater.models import FieldType

PLAIN = ColumnMapping()


def test_columns_are_taken_by_name() -> None:
    """The four names of the contract bind without a flag, in any order."""
    header = (
        "note",
        "external_fields.age",
        "external_fields",
        "external_image_id",
        "face_id",
    )
    bound = bind(header, PLAIN, "a.csv")
    assert (bound.face_id, bound.external_image_id, bound.external_fields) == (4, 3, 2)
    assert bound.fields == (BoundField("age", 1, "external_fields.age"),)
    assert bound.header == header


def test_flags_name_other_columns() -> None:
    """What the user says wins over the name, and a field may come from any column."""
    mapping = ColumnMapping(
        face_id="FID",
        external_image_id="IMG",
        fields=(
            FieldColumn("age", "Age", FieldType.INTEGER),
            FieldColumn("size", "", FieldType.FLOAT),
        ),
    )
    header = ("face_id", "FID", "IMG", "Age", "external_fields.age")
    bound = bind(header, mapping, "a.csv")
    assert (bound.face_id, bound.external_image_id) == (1, 2)
    assert bound.fields == (BoundField("age", 3, "Age"),)


def test_a_type_alone_needs_no_column() -> None:
    """NAME:TYPE says a type for members of external_fields, and binds nothing."""
    mapping = ColumnMapping(fields=(FieldColumn("age", "", FieldType.INTEGER),))
    assert bind(("face_id", "external_fields"), mapping, "a").fields == ()


@pytest.mark.parametrize(
    ("header", "mapping", "message", "hint"),
    [
        (("id", "external_image_id"), PLAIN, "no column 'face_id'", "--face-id"),
        (("faceid", "external_image_id"), PLAIN, "'face_id'", "mean 'faceid'"),
        (("face_id", "image"), PLAIN, "what to update", "'face_id', 'image'"),
        (("face_id",), PLAIN, "a.csv: no column says", "--field"),
        (
            ("face_id", "face_id", "external_image_id"),
            PLAIN,
            "2 columns are called 'face_id'",
            "Rename",
        ),
        (
            ("face_id", "external_fields.a", "external_fields.a"),
            PLAIN,
            "2 columns are called 'external_fields.a'",
            "Rename",
        ),
        (
            ("face_id", "external_image_id"),
            ColumnMapping(external_image_id="imgae"),
            "no column 'imgae'",
            "--external-image-id",
        ),
        (
            ("face_id", "Age"),
            ColumnMapping(fields=(FieldColumn("age", "Agee"),)),
            "no column 'Agee'",
            "mean 'Age'? Say which with --field",
        ),
        (("face_id", "external_fields."), PLAIN, "field name ''", ""),
        (("face_id", "external_fields.vector"), PLAIN, "reserved by FRS", ""),
        (("face_id", "external_fields.a b"), PLAIN, "field name 'a b'", ""),
        (
            (*(f"c{i}" for i in range(25)), "external_image_id"),
            PLAIN,
            "no column 'face_id'",
            "'c19' and 6 more",
        ),
    ],
    ids=str,
)
def test_bad_headers_are_explained(
    header: tuple[str, ...], mapping: ColumnMapping, message: str, hint: str
) -> None:
    """A header that does not fit names the file, the column and the flag that helps."""
    with pytest.raises(InputError) as caught:
        bind(header, mapping, "a.csv")
    assert message in caught.value.message
    assert "a.csv" in caught.value.message
    assert hint in caught.value.hint


def test_a_column_that_is_not_used_may_stand_twice() -> None:
    """Only a column that feeds something must be alone with its name."""
    bound = bind(("note", "face_id", "note", "external_image_id"), PLAIN, "a")
    assert (bound.face_id, bound.external_image_id) == (1, 3)


AGE = BoundField("age", 1, "Age")
INTEGER, LONG, DOUBLE = FieldType.INTEGER, FieldType.LONG, FieldType.DOUBLE


@pytest.mark.parametrize(
    ("said", "declared", "own", "settled"),
    [
        (INTEGER, {"age": LONG}, {"age": DOUBLE}, INTEGER),
        (None, {"age": LONG}, {"age": DOUBLE}, LONG),
        (None, None, {"age": DOUBLE}, DOUBLE),
        (INTEGER, None, {"age": DOUBLE}, INTEGER),
        (INTEGER, {}, {}, INTEGER),
        (None, None, {}, None),
    ],
)
def test_order_of_precedence_of_types(
    said: FieldType | None,
    declared: dict[str, FieldType] | None,
    own: dict[str, FieldType],
    settled: FieldType | None,
) -> None:
    """A type is what the user says, else declared, else the column's own, else text."""
    asked = [FieldColumn("age", "Age", said)]
    types = resolve_types([AGE], asked, declared, own)
    assert types.types.get("age") == settled
    assert types.allows("age")


def test_an_undeclared_column_stops_everything() -> None:
    """A column for a field that the face set lacks is found before any request."""
    with pytest.raises(UsageError) as caught:
        resolve_types([AGE], [], {"size": LONG, "id": LONG}, {})
    assert "'Age'" in caught.value.message
    assert "'age'" in caught.value.message
    assert "id, size" in caught.value.hint
    assert "--field age:TYPE=Age" in caught.value.hint


def test_a_face_set_without_fields_says_none() -> None:
    """The hint is a sentence also when nothing is declared."""
    with pytest.raises(UsageError) as caught:
        resolve_types([AGE], [], {}, {})
    assert "Declared fields: none." in caught.value.hint


def test_what_may_be_sent() -> None:
    """Once the face set is asked, only declared fields and those said may be sent."""
    asked = [FieldColumn("new", "", LONG)]
    types = resolve_types([], asked, {"age": LONG}, {})
    assert [types.allows(name) for name in ("age", "new", "other")] == [
        True,
        True,
        False,
    ]
    assert resolve_types([], asked, None, {}).allows("other")
