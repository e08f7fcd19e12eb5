"""Parquet: its own types, small batches, and files that are damaged."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from batch_updater.errors import InputError
from batch_updater.files.inputs import Input, InputFormat, as_input
from batch_updater.files.source import Chunk, ReadOptions, read, read_header
from batch_updater.models import FieldType


def put(folder: Path, table: pa.Table, **options: object) -> Input:
    path = folder / "a.parquet"
    pq.write_table(table, path, **options)
    return as_input(path, name="a.parquet")


def chunks(source: Input, chunk_rows: int = 8192) -> list[Chunk]:
    return list(read(source, ReadOptions(chunk_rows=chunk_rows)))


def refusal(source: Input) -> InputError:
    with pytest.raises(InputError) as caught:
        chunks(source)
    with pytest.raises(InputError):
        read_header(source, ReadOptions())
    return caught.value


TYPES = [
    (pa.string(), FieldType.STRING),
    (pa.large_string(), FieldType.STRING),
    (pa.dictionary(pa.int32(), pa.string()), FieldType.STRING),
    (pa.bool_(), FieldType.BOOLEAN),
    (pa.int8(), FieldType.INTEGER),
    (pa.int16(), FieldType.INTEGER),
    (pa.int32(), FieldType.INTEGER),
    (pa.uint8(), FieldType.INTEGER),
    (pa.uint16(), FieldType.INTEGER),
    (pa.uint32(), FieldType.LONG),
    (pa.int64(), FieldType.LONG),
    (pa.uint64(), FieldType.LONG),
    (pa.float32(), FieldType.FLOAT),
    (pa.float64(), FieldType.DOUBLE),
    (pa.date32(), None),
    (pa.decimal128(10, 2), None),
    (pa.timestamp("ms"), None),
    (pa.binary(), None),
    (pa.struct({"x": pa.int32()}), None),
    (pa.null(), None),
]


@pytest.mark.parametrize(("kind", "field"), TYPES)
def test_types(tmp_path: Path, kind: pa.DataType, field: FieldType | None) -> None:
    """A column's own type says which type of custom field it is."""
    source = put(tmp_path, pa.table({"a": pa.array([None, None], kind)}))
    assert read_header(source, ReadOptions()).types == (field,)
    (chunk,) = chunks(source)
    assert chunk.frame[0].isna().all()


def test_integers_beside_null_stay_exact(tmp_path: Path) -> None:
    """64-bit integers never pass through a float."""
    big = 9223372036854775807
    (chunk,) = chunks(put(tmp_path, pa.table({"a": [big, None, -big]})))
    assert chunk.frame.dtypes[0] == pd.ArrowDtype(pa.int64())
    assert chunk.frame[0].tolist()[::2] == [big, -big]


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_strings_of_any_make(tmp_path: Path, kind: pa.DataType) -> None:
    """Dictionaries and large strings are given as plain strings."""
    column = pa.array(["NA", None, "001"], pa.string()).cast(kind)
    (chunk,) = chunks(put(tmp_path, pa.table({"a": column})))
    assert chunk.frame.dtypes[0] == pd.ArrowDtype(pa.string())
    assert chunk.frame[0].fillna("-").tolist() == ["NA", "-", "001"]


def test_extension_types(tmp_path: Path) -> None:
    """A column that is declared to hold JSON is the text it is made of."""
    column = pa.array(['{"id": "007"}', None], pa.json_(pa.string()))
    source = put(tmp_path, pa.table({"external_fields": column}))
    (chunk,) = chunks(source)
    assert read_header(source, ReadOptions()).types == (FieldType.STRING,)
    assert chunk.frame.dtypes[0] == pd.ArrowDtype(pa.string())
    assert chunk.frame[0].tolist()[0] == '{"id": "007"}'


def test_names_may_repeat(tmp_path: Path) -> None:
    """Columns are told apart by position; pandas' own index is one like others."""
    table = pa.Table.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    (chunk,) = chunks(put(tmp_path, table))
    assert chunk.header == ("a", "a")
    assert [list(row) for row in chunk.frame.to_numpy()] == [[1, "x"]]
    frame = pd.DataFrame({"a": [1]}, index=pd.Index(["k"], name="key"))
    frame.to_parquet(tmp_path / "b.parquet")
    (chunk,) = chunks(as_input(tmp_path / "b.parquet"))
    assert chunk.header == ("a", "key")


def test_row_numbers_over_row_groups(tmp_path: Path) -> None:
    """Row numbers go on over batches and row groups."""
    table = pa.table({"n": range(1, 101)})
    found = chunks(put(tmp_path, table, row_group_size=30), chunk_rows=8)
    assert len(found) > 12
    assert max(len(chunk.frame) for chunk in found) <= 8
    assert [chunk.frame[0].tolist()[0] for chunk in found] == [
        chunk.first_row for chunk in found
    ]
    assert sum(len(chunk.frame) for chunk in found) == 100


def test_no_rows(tmp_path: Path) -> None:
    """A file with columns and no rows gives no chunk."""
    source = put(tmp_path, pa.table({"a": pa.array([], pa.string())}))
    assert chunks(source) == []
    assert read_header(source, ReadOptions()).names == ("a",)


def test_cut_short(tmp_path: Path) -> None:
    """A Parquet file cut short anywhere is refused, before its first row."""
    source = put(tmp_path, pa.table({"a": ["x"] * 50}))
    content = source.path.read_bytes()
    for size in range(4, len(content), 7):
        source.path.write_bytes(content[:size])
        error = refusal(as_input(source.path, name="a.parquet"))
        assert "a.parquet: the Parquet file is cut short" in error.message
        assert "again" in error.hint


@pytest.mark.parametrize(
    ("content", "look"),
    [
        (b"face_id\n1\n", "text"),
        (b"PK\x03\x04" + b"." * 50, "Excel"),
        (b"P", "text"),
    ],
)
def test_not_parquet(tmp_path: Path, content: bytes, look: str) -> None:
    """Another file under this name is told what it looks like."""
    (tmp_path / "a.parquet").write_bytes(content)
    error = refusal(as_input(tmp_path / "a.parquet", name="a.parquet"))
    assert "a.parquet: is not a Parquet file" in error.message
    assert look in error.message
    assert "--format" in error.hint


def test_damaged_footer(tmp_path: Path) -> None:
    """A footer that makes no sense is damage, not a cut."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + b"\xff" * 40 + b"PAR1")
    error = refusal(as_input(tmp_path / "a.parquet"))
    assert "the Parquet file is damaged" in error.message


def test_damaged_row_group(tmp_path: Path) -> None:
    """Damage in the middle is named by row; the rows before it were given."""
    table = pa.table({"n": [f"value {i}" for i in range(3000)]})
    source = put(
        tmp_path,
        table,
        row_group_size=1000,
        use_dictionary=False,
        write_page_checksum=True,
    )
    meta = pq.read_metadata(source.path)
    start = meta.row_group(1).column(0).data_page_offset
    content = bytearray(source.path.read_bytes())
    content[start + 200] ^= 0xFF
    source.path.write_bytes(content)
    stream = read(source, ReadOptions(chunk_rows=500))
    assert [next(stream).first_row, next(stream).first_row] == [1, 501]
    with pytest.raises(InputError, match="row 1001 or soon after"):
        next(stream)


def test_bad_text(tmp_path: Path) -> None:
    """A string column with bytes that are no UTF-8 is damage, found while reading."""
    raw = pa.array([b"good", b"\xff\xfe"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    source = put(tmp_path, pa.table({"a": text}), use_dictionary=False)
    with pytest.raises(InputError, match=r"a\.parquet, row 1 or soon after"):
        chunks(source)


def test_a_file_that_went_away(tmp_path: Path) -> None:
    """A file removed after it was named is an InputError as well."""
    source = put(tmp_path, pa.table({"a": [1]}))
    source.path.unlink()
    assert "a.parquet: cannot be read: No such file" in refusal(source).message


def test_format_said_for_another_name(tmp_path: Path) -> None:
    """--format parquet reads a Parquet file of any name."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.bin")
    (chunk,) = chunks(as_input(tmp_path / "a.bin", input_format=InputFormat.PARQUET))
    assert chunk.frame.iloc[0, 0] == 1
