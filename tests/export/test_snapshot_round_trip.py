"""A snapshot given back to `run`: every face would stay as it is."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.files.inputs import resolve_inputs
from batch_updater.files.snapshot import open_snapshot
from batch_updater.files.source import ReadOptions, read_header
from batch_updater.files.source import read as read_source
from batch_updater.frs.protocol import read_faces, write_faces
from batch_updater.intake.items import make_items
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import survey
from batch_updater.mapping.columns import ColumnMapping
from batch_updater.mapping.snapshot import SnapshotColumns
from batch_updater.models import FieldType, OnDuplicate, Task
from batch_updater.selection import Selection

DECLARED = {
    "text": FieldType.STRING,
    "int": FieldType.INTEGER,
    "long": FieldType.LONG,
    "float": FieldType.FLOAT,
    "double": FieldType.DOUBLE,
    "flag": FieldType.BOOLEAN,
}
FITTING: Mapping[str, st.SearchStrategy[Any]] = {
    "text": st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.sampled_from(["NA", "nan", "1e5", "00123456", "null", "-", " a ", '"', ","]),
    ).filter(lambda text: 1 <= len(text) <= 256),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def make_face(number: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a face as FRS writes it."""
    box = {"width": number, "height": 2, "top_left_x": 3, "top_left_y": 4}
    return {
        "face_id": f"face{number:04d}",
        "external_image_id": f"image-{number}",
        "external_fields": fields,
        "bounding_box": box,
    }


def write(path: Path, faces: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Write a snapshot; return its rows."""
    columns = SnapshotColumns(DECLARED)
    rows = [columns.row(face) for face in faces]
    with open_snapshot(path, columns.types) as file:
        for row in rows:
            file.writerow(row)
    return rows


def tasks_of(path: Path) -> list[Task]:
    """Return what a run of a file would send; every row has to be sent."""
    intake = Intake(
        inputs=resolve_inputs([str(path)]),
        options=ReadOptions(),
        mapping=ColumnMapping(),
        face_set_name="set",
    )
    types = intake.settle_types(dict(DECLARED))
    found = survey(intake, types, OnDuplicate.ERROR)
    items: list[Task] = []
    for batch in make_items(intake, types, found, Selection.all(found.total)):
        for item in batch:
            assert isinstance(item, Task), item
            items.append(item)
    return items


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
@MANY
@given(
    st.lists(st.fixed_dictionaries({}, optional=dict(FITTING)), min_size=1, max_size=9)
)
def test_values_that_fit_come_back(name: str, fields: list[dict[str, Any]]) -> None:
    """Whatever FRS may hold by its rules is what a run of the file would send."""
    faces = [make_face(n, each) for n, each in enumerate(fields)]
    with tempfile.TemporaryDirectory() as folder:
        rows = write(Path(folder) / name, faces)
        tasks = tasks_of(Path(folder) / name)

    assert [row[-1] for row in rows] == [None] * len(faces)
    for face, task in zip(faces, tasks, strict=True):
        assert task.update.face_id == face["face_id"]
        assert task.update.external_image_id == face["external_image_id"]
        assert task.update.external_fields == face["external_fields"]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
@MANY
@given(
    st.dictionaries(st.sampled_from([*DECLARED, "undeclared"]), ANYTHING),
    st.dictionaries(st.sampled_from(["bounding_box", "more"]), ANYTHING),
)
def test_odd_values_are_kept_and_change_nothing(
    name: str, fields: dict[str, Any], more: dict[str, Any]
) -> None:
    """What does not fit stands in `other`; a run would send no value that FRS does not hold."""
    face = {**make_face(1, fields), **more}
    with tempfile.TemporaryDirectory() as folder:
        [row] = write(Path(folder) / name, [face])
        [task] = tasks_of(Path(folder) / name)

    other = other_of(row[-1])
    sent = task.update.external_fields
    left = other.get("external_fields", {})
    assert {**sent, **left} == fields
    assert not sent.keys() & left.keys()
    if "more" in more:
        assert other["more"] == more["more"]


def other_of(text: str | None) -> dict[str, Any]:
    """Return the object in `other`, read as exactly as it was written."""
    content: dict[str, Any] = json.loads(text or "{}")
    return content


@given(st.lists(st.dictionaries(st.text(), ANYTHING), max_size=3))
def test_faces_survive_the_journal(fields: list[dict[str, Any]]) -> None:
    """A face written into the journal's line is read as it was, whatever it holds."""
    faces = [make_face(n, each) for n, each in enumerate(fields)]
    line = orjson.dumps({"payload": write_faces(faces)})

    assert read_faces(orjson.loads(line)["payload"]) == faces


def test_parquet_has_the_declared_types(tmp_path: Path) -> None:
    """Columns of Parquet are typed as the face set declares, floats as doubles."""
    write(tmp_path / "a.parquet", [make_face(1, {})])
    [source] = resolve_inputs([str(tmp_path / "a.parquet")])
    header = read_header(source, ReadOptions())
    types = dict(zip(header.names, header.types, strict=True))

    declared = DECLARED | {"float": FieldType.DOUBLE}
    assert {k: types[f"external_fields.{k}"] for k in declared} == declared
    assert types["bounding_box.width"] is FieldType.LONG
    assert types["other"] is FieldType.STRING


def test_csv_is_written_as_it_is_read(tmp_path: Path) -> None:
    """An absent value is an empty cell, a boolean is true or false, text is itself."""
    fields = {"flag": False, "text": "NA", "long": 9223372036854775807}
    write(tmp_path / "a.csv", [make_face(1, fields)])
    [source] = resolve_inputs([str(tmp_path / "a.csv")])
    [chunk] = read_source(source, ReadOptions())
    cells = dict(zip(chunk.header, chunk.frame.iloc[0], strict=True))

    assert cells["external_fields.flag"] == "false"
    assert cells["external_fields.text"] == "NA"
    assert cells["external_fields.long"] == "9223372036854775807"
    assert cells["external_fields.int"] == cells["other"] == ""


def test_a_field_whose_name_a_run_refuses_is_no_column() -> None:
    """A declared name that breaks FRS's own rules does not spoil the whole file."""
    columns = SnapshotColumns({"a b": FieldType.STRING, "ok": FieldType.STRING})
    row = columns.row(make_face(1, {"a b": "x", "ok": "y"}))

    assert "external_fields.a b" not in columns.types
    assert row[-1] == '{"external_fields": {"a b": "x"}}'


def test_an_unfinished_snapshot_leaves_nothing(tmp_path: Path) -> None:
    """A file that is there is whole: one that was not finished is taken back."""
    path = tmp_path / "a.csv"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), open_snapshot(path, {"x": "string"}) as file:
        file.writerow([1 // 0])

    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "before"
