"""A plan's file: read by anybody, and believed only as it was written."""

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_updater.errors import InputError
from batch_updater.files.plan_file import (
    PLAN_SCHEMA,
    PlanFacts,
    open_plan,
    read_plan,
    read_rows,
)

FACTS = PlanFacts(
    kind="plan",
    tool_version="1.2",
    created_at="2026-11-25T00:00:00.000000Z",
    endpoint="https://face.example.com",
    project_id="p",
    face_set_name="staff",
    declared={"age": "integer"},
    face_number=7,
    against="remote",
    inputs=({"name": "rows.csv", "path": "/x/rows.csv", "rows": 3},),
    settings={"rate": ("10",)},
)
CHANGE = {"field": "external_fields.age", "old": "1", "new": "2"}


def rows(count: int, first: int = 1) -> pa.RecordBatch:
    """Return rows of a plan, each a change."""
    made = [
        {
            "source": "rows.csv",
            "row_number": n,
            "face_set_name": "staff",
            "face_id": f"face{n:04d}",
            "status": "change",
            "changes": [CHANGE],
            "update": '{"external_fields": {"age": 2}}',
            "seen_in": "state",
        }
        for n in range(first, first + count)
    ]
    return pa.RecordBatch.from_pylist(made, schema=PLAN_SCHEMA)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A plan of three rows."""
    return write(tmp_path / "plan.parquet", 3)


def write(path: Path, count: int, **facts: Any) -> Path:
    """Write a plan of so many rows."""
    counted = replace(FACTS, counts={"change": count}, **facts)
    with open_plan(path, counted) as plan:
        plan.write(rows(count))
    return path


def test_what_was_written_is_read(path: Path) -> None:
    """Facts and rows come back as they were given; the file is for its owner alone."""
    assert read_plan(path) == replace(FACTS, counts={"change": 3})
    [batch] = read_rows(path)
    assert batch.to_pylist() == rows(3).to_pylist()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_small_batches_share_a_group(tmp_path: Path) -> None:
    """However few rows are written at once, a group holds some thousand."""
    path = tmp_path / "plan.parquet"
    with open_plan(path, replace(FACTS, counts={"change": 45_000})) as plan:
        for first in range(1, 45_001, 500):
            plan.write(rows(500, first))

    with pq.ParquetFile(path) as file:
        assert file.metadata.num_row_groups == 3
    numbers = [n for batch in read_rows(path) for n in batch["row_number"].to_pylist()]
    assert numbers == [*range(1, 45_001)]
    assert read_plan(path).counts == {"change": 45_000}


def test_a_plan_without_rows(tmp_path: Path) -> None:
    """It is a plan all the same."""
    path = write(tmp_path / "plan.parquet", 0)

    assert read_plan(path).counts == {"change": 0}
    assert [*read_rows(path)] == []


def test_half_a_plan_is_none(tmp_path: Path) -> None:
    """What fails while it is written leaves the old plan, and nothing beside it."""
    path = write(tmp_path / "plan.parquet", 1)
    before = path.read_bytes()
    with pytest.raises(AttributeError), open_plan(path, FACTS) as plan:
        plan.write(None)

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["plan.parquet"]


def _with_pandas(path: Path) -> None:
    pd.read_parquet(path).to_parquet(path)


def _with_arrow(path: Path) -> None:
    pq.write_table(pq.read_table(path), path)


def _fewer_rows(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 2).replace_schema_metadata(_metadata(path)), path)


def _one_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[40] ^= 1
    path.write_bytes(raw)


def _appended(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _metadata(path: Path) -> Any:
    with pq.ParquetFile(path) as file:
        return {
            key: value
            for key, value in file.metadata.metadata.items()
            if key == b"batch_updater.plan"
        }


def _told(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Return what changes the metadata of a plan by hand."""

    def act(path: Path) -> None:
        [value] = _metadata(path).values()
        told = json.loads(value)
        change(told)
        new = json.dumps(told).encode()
        raw = path.read_bytes()
        assert raw.count(value) == 1
        path.write_bytes(raw.replace(value, new.ljust(len(value))))

    return act


def _other_face_set(told: dict[str, Any]) -> None:
    told["facts"] = told["facts"].replace("staff", "guest")


def _no_facts(told: dict[str, Any]) -> None:
    del told["facts"]


def _deep(told: dict[str, Any]) -> None:
    told["facts"] = "[" * 400


def _odd_size(told: dict[str, Any]) -> None:
    told["rows_bytes"] = -9


CHANGED = "is not as it was written"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_with_pandas, "another program has written it again"),
        (_with_arrow, "another program has written it again"),
        (_fewer_rows, CHANGED),
        (_one_bit, CHANGED),
        (_appended, "no Parquet file, or was cut short"),
        pytest.param(_told(_other_face_set), CHANGED, id="other_face_set"),
        pytest.param(_told(_no_facts), CHANGED, id="no_facts"),
        pytest.param(_told(_deep), CHANGED, id="deep"),
        pytest.param(_told(_odd_size), CHANGED, id="odd_size"),
    ],
)
def test_a_plan_that_was_changed_is_refused(
    path: Path, change: Callable[[Path], None], said: str
) -> None:
    """Whoever edits a plan, by hand or with a program, is told to plan again."""
    change(path)
    with pytest.raises(InputError) as caught:
        read_plan(path)

    assert said in caught.value.message
    assert "plan again" in f"{caught.value.hint}".lower()


@pytest.mark.parametrize("part", [0, 1, 3, 50, 98])
def test_a_plan_that_was_cut_short_is_refused(path: Path, part: int) -> None:
    """Nothing of half a plan is believed, wherever it ends."""
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * part // 100])
    with pytest.raises(InputError, match=r"cut short|not as it was written"):
        read_plan(path)


def test_every_byte_of_the_rows_counts(path: Path) -> None:
    """There is no byte of the rows that may differ."""
    raw = path.read_bytes()
    told = json.loads(_metadata(path)[b"batch_updater.plan"])
    for place in range(0, told["rows_bytes"], 17):
        other = bytearray(raw)
        other[place] ^= 0x20
        path.write_bytes(other)
        with pytest.raises(InputError):
            read_plan(path)


def test_a_newer_plan_is_left_to_the_newer_version(path: Path) -> None:
    """The message names the version that made it."""

    def newer(told: dict[str, Any]) -> None:
        told["facts"] = told["facts"].replace('"format": 1', '"format": 2')

    _told(newer)(path)
    with pytest.raises(InputError) as caught:
        read_plan(path)

    assert "is in format 2" in caught.value.message
    assert "(1.2)" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["nowhere.parquet", "folder"])
def test_a_plan_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    """A file that is not there, or is none, is named."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=name):
        read_plan(tmp_path / name)
