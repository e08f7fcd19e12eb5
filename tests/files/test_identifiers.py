"""Nothing is guessed: every cell comes out of every format as it went in."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from batch_updater.files.inputs import as_input
from batch_updater.files.source import ReadOptions, read, read_header

HEADER = ("face_id", "note", "")
CELLS = [
    ("00123456", "NA", "nan"),
    ("null", "NULL", "None"),
    ("1e5", "1.0", "+1"),
    ("9223372036854775807", "12345678901234567890", "-0"),
    ("a,b", "line\none", "line\r\ntwo"),
    ('say "hi"', "''", "a\tb;c|d"),
    (" leading", "trailing ", "   "),
    ("人脸库", "Straße", "😀"),
    ("", "", "true"),
    ("2024-01-01", "#N/A", "\ufeffmark"),
    ("inf", "nul\0byte", "\u2028\x85\x0b"),
]


def as_csv(delimiter: str = ",", end: str = "\n") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerows([HEADER, *CELLS])
    return text.getvalue().encode()


def as_jsonl() -> bytes:
    rows = [dict(zip(HEADER, row, strict=True)) for row in CELLS]
    lines = [json.dumps(row, ensure_ascii=bool(i % 2)) for i, row in enumerate(rows)]
    return "\n".join(lines).encode()


def as_parquet() -> bytes:
    columns = [pa.array(column) for column in zip(*CELLS, strict=True)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, names=list(HEADER)), sink)
    return bytes(sink.getvalue())


def zst(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


WRITTEN: dict[str, Callable[[], bytes]] = {
    "a.csv": as_csv,
    "crlf.csv": lambda: as_csv(end="\r\n"),
    "bom.csv": lambda: b"\xef\xbb\xbf" + as_csv(),
    "a.tsv": lambda: as_csv("\t"),
    "a.csv.gz": lambda: gzip.compress(as_csv()),
    "two-members.csv.gz": lambda: (
        gzip.compress(as_csv()[:50]) + gzip.compress(as_csv()[50:])
    ),
    "a.csv.zst": lambda: zst(as_csv()),
    "two-frames.csv.zst": lambda: zst(as_csv()[:50]) + zst(as_csv()[50:]),
    "a.jsonl": as_jsonl,
    "bom.jsonl": lambda: b"\xef\xbb\xbf" + as_jsonl(),
    "a.jsonl.gz": lambda: gzip.compress(as_jsonl()),
    "a.jsonl.zst": lambda: zst(as_jsonl()),
    "a.parquet": as_parquet,
}


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("name", WRITTEN)
def test_cells_survive(tmp_path: Path, name: str, verify: bool) -> None:
    """Every cell is read as the text that was written."""
    path = tmp_path / name
    path.write_bytes(WRITTEN[name]())
    source, options = as_input(path, name=name), ReadOptions()
    chunks = list(read(source, options, verify=verify))
    rows = [tuple(row) for chunk in chunks for row in chunk.frame.to_numpy()]
    assert rows == CELLS
    assert read_header(source, options).names == HEADER
    assert {(chunk.source, chunk.header) for chunk in chunks} == {(name, HEADER)}


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-le", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_other_encodings(tmp_path: Path, name: str, encoding: str) -> None:
    """With --encoding the same cells come from text in another encoding."""
    path = tmp_path / name
    path.write_bytes(WRITTEN[name]().decode().encode(encoding))
    options = ReadOptions(encoding=encoding)
    chunks = list(read(as_input(path), options, verify=True))
    assert [tuple(row) for row in chunks[0].frame.to_numpy()] == CELLS
