"""CSV and TSV as they should be: header, rows, row numbers, memory."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from batch_updater.errors import InputError
from batch_updater.files.inputs import Input, as_input
from batch_updater.files.source import (
    Chunk,
    ReadOptions,
    delimiter_hint,
    read,
    read_header,
)


def put(folder: Path, content: bytes, name: str = "a.csv") -> Input:
    path = folder / name
    path.write_bytes(content)
    return as_input(path, name=name)


def chunks(
    folder: Path, content: bytes, *, name: str = "a.csv", **options: object
) -> list[Chunk]:
    said = ReadOptions(**options)  # type: ignore[arg-type]
    return list(read(put(folder, content, name), said, verify=True))


def rows(found: list[Chunk]) -> list[list[str]]:
    return [list(row) for chunk in found for row in chunk.frame.to_numpy()]


def test_frames_are_arrow_text_by_position(tmp_path: Path) -> None:
    """Columns are labelled by position, so names may repeat or be missing."""
    (chunk,) = chunks(tmp_path, b"id,id,, x \n1,2,3,\n")
    assert chunk.header == ("id", "id", "", " x ")
    assert chunk.frame.columns.equals(pd.RangeIndex(4))
    assert set(chunk.frame.dtypes) == {pd.ArrowDtype(pa.string())}
    assert rows([chunk]) == [["1", "2", "3", ""]]


def test_header_without_rows(tmp_path: Path) -> None:
    """A header alone is no error here: there is simply no chunk."""
    for content in (b"face_id,note\n", b"face_id,note", b"face_id,note\r\n\r\n"):
        assert chunks(tmp_path, content) == []
        header = read_header(put(tmp_path, content), ReadOptions())
        assert header.names == ("face_id", "note")
        assert header.types == (None, None)


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n3,4\n",
        b"a,b\n1,2\n3,4",
        b"a,b\r\n1,2\n3,4\r\n",
        b"\n\r\na,b\n\n1,2\n\n\n3,4\n\n",
        b'"a",b\n"1",2\n3,"4"',
        b"\xef\xbb\xbf\na,b\n1,2\n3,4\r",
    ],
)
def test_line_ends_and_blank_lines(tmp_path: Path, content: bytes) -> None:
    """CRLF, LF, blank lines and a missing last line end change nothing."""
    assert rows(chunks(tmp_path, content)) == [["1", "2"], ["3", "4"]]


def test_header_over_two_lines(tmp_path: Path) -> None:
    """A line end in a quoted column name is part of the name."""
    (chunk,) = chunks(tmp_path, b'"a\nb",c\n1,2\n')
    assert chunk.header == ("a\nb", "c")
    assert rows([chunk]) == [["1", "2"]]


def test_one_column_of_empty_cells(tmp_path: Path) -> None:
    """In a file of one column a quoted empty cell is a row, a blank line is not."""
    assert rows(chunks(tmp_path, b'a\n""\n\n""\n')) == [[""], [""]]


def test_row_numbers_go_on_from_chunk_to_chunk(tmp_path: Path) -> None:
    """The first row of each chunk follows the last one of the chunk before."""
    content = b"n\n" + b"".join(b"%d\n" % i for i in range(1, 1001))
    found = chunks(tmp_path, content, block_bytes=256, chunk_rows=60)
    assert 5 < len(found) < 17
    assert all(len(chunk.frame) >= 60 for chunk in found[:-1])
    for chunk in found:
        assert chunk.frame.iloc[0, 0] == str(chunk.first_row)
        assert list(chunk.frame.index) == list(range(len(chunk.frame)))
    assert sum(len(chunk.frame) for chunk in found) == 1000


@pytest.mark.parametrize(
    ("name", "said", "content"),
    [
        ("a.csv", None, b"a,b\n1;2,3\n"),
        ("a.tsv", None, b"a\tb\n1;2\t3\n"),
        ("a.csv", "|", b"a|b\n1;2|3\n"),
        ("a.csv", r"\t", b"a\tb\n1;2\t3\n"),
        ("a.tsv", ",", b"a,b\n1;2,3\n"),
    ],
)
def test_delimiters(
    tmp_path: Path, name: str, said: str | None, content: bytes
) -> None:
    """--delimiter goes before the format's own, and may be written as \\t."""
    found = chunks(tmp_path, content, name=name, delimiter=said)
    assert rows(found) == [["1;2", "3"]]


@pytest.mark.parametrize("said", ["", ";;", "\uff0c", '"', "\n"])
def test_impossible_delimiters(tmp_path: Path, said: str) -> None:
    """A delimiter is one ASCII character; an empty one means the format's own."""
    if not said:
        assert chunks(tmp_path, b"a,b\n1,2\n", delimiter=said)
        return
    with pytest.raises(InputError, match="--delimiter"):
        chunks(tmp_path, b"a,b\n1,2\n", delimiter=said)


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (("a;b",), "--delimiter ';'"),
        (("a\tb",), r"--delimiter '\t'"),
        (("a|b",), "--delimiter '|'"),
        (("face_id",), ""),
        (("a;b", "c"), ""),
    ],
)
def test_delimiter_hint(names: tuple[str, ...], hint: str) -> None:
    """A header of one column with another delimiter in it gives that flag."""
    assert hint in delimiter_hint(names)
    assert bool(hint) == bool(delimiter_hint(names))


def test_reader_may_be_left_early(tmp_path: Path) -> None:
    """A consumer that stops early leaves neither a thread nor an open file behind."""
    source = put(tmp_path, b"n\n" + b"12345\n" * 5000)
    for _ in range(20):
        stream = read(source, ReadOptions(block_bytes=512), verify=True)
        assert next(stream).first_row == 1
        del stream


def test_large_cells_are_fine_within_a_block(tmp_path: Path) -> None:
    """The csv module's own limit of 131072 characters a cell is not ours."""
    cell = "x" * 200_000
    (chunk,) = chunks(tmp_path, f'{cell},b\n"{cell}",1\n'.encode())
    assert chunk.header == (cell, "b")
    assert rows([chunk]) == [[cell, "1"]]


@pytest.mark.parametrize("wide", [[0], [30_000], [99], [5, 6, 70_000]])
def test_a_line_wider_than_the_usual_block(tmp_path: Path, wide: list[int]) -> None:
    """One cell of half a megabyte, wherever it stands, changes no other row's number."""
    lines = [f"{i},{'x' * (500_000 if i in wide else 3)}" for i in range(80_000)]
    found = chunks(tmp_path, ("id,note\n" + "\n".join(lines) + "\n").encode())
    assert [row[0] for row in rows(found)] == [str(i) for i in range(80_000)]
    assert [i for i, row in enumerate(rows(found)) if len(row[1]) > 3] == wide
    assert [chunk.first_row for chunk in found] == [
        int(str(chunk.frame.iloc[0, 0])) + 1 for chunk in found
    ]
