"""JSON Lines: exact numbers, keys that come and go, and lines that are refused."""

import math
from pathlib import Path

import numpy as np
import pytest

from batch_updater.errors import InputError
from batch_updater.files.inputs import Input, as_input
from batch_updater.files.json_lines import MAX_KEYS
from batch_updater.files.source import Chunk, ReadOptions, read, read_header


def put(folder: Path, content: bytes) -> Input:
    (folder / "a.jsonl").write_bytes(content)
    return as_input(folder / "a.jsonl", name="a.jsonl")


def chunks(folder: Path, content: bytes, **options: object) -> list[Chunk]:
    said = ReadOptions(**options)  # type: ignore[arg-type]
    return list(read(put(folder, content), said))


def refusal(folder: Path, content: bytes, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        chunks(folder, content, **options)
    return caught.value


def test_values_keep_their_python_types(tmp_path: Path) -> None:
    """Numbers of any size, booleans and objects come as they are; null is None."""
    line = (
        b'{"a": 12345678901234567890123, "b": 9007199254740993, "c": 1.5, '
        b'"d": true, "e": "01", "f": {"x": [1]}, "g": null}'
    )
    (chunk,) = chunks(tmp_path, line)
    big, odd = 12345678901234567890123, 9007199254740993
    values = list(chunk.frame.iloc[0])
    assert values == [big, odd, 1.5, True, "01", {"x": [1]}, None]
    assert [type(value) for value in values[:4]] == [int, int, float, bool]
    assert set(chunk.frame.dtypes) == {np.dtype(object)}


def test_integers_beside_null_stay_integers(tmp_path: Path) -> None:
    """A column with an absent key does not turn its integers into floats."""
    (chunk,) = chunks(tmp_path, b'{"a": 1}\n{}\n{"a": null}\n{"a": true}\n')
    assert list(chunk.frame[0]) == [1, None, None, True]
    assert type(chunk.frame.iloc[0, 0]) is int


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    """Rows are numbered by record, lines by what an editor shows."""
    content = b'\n{"a": 1}\r\n   \n{"a": 2}\n\n{"a": }\n'
    assert "a.jsonl, line 6:" in refusal(tmp_path, content).message
    found = chunks(tmp_path, content[:-8], chunk_rows=1)
    assert [(chunk.first_row, chunk.frame.iloc[0, 0]) for chunk in found] == [
        (1, 1),
        (2, 2),
    ]


def test_the_header_grows_at_its_end(tmp_path: Path) -> None:
    """A later chunk may know more keys; the earlier ones keep their places."""
    content = b'{"a": 1, "b": 2}\n{"c": 3}\n{"b": 4, "a": 5}\n'
    found = chunks(tmp_path, content, chunk_rows=1)
    assert [chunk.header for chunk in found] == [
        ("a", "b"),
        ("a", "b", "c"),
        ("a", "b", "c"),
    ]
    assert [list(chunk.frame.iloc[0]) for chunk in found] == [
        [1, 2],
        [None, None, 3],
        [5, 4, None],
    ]
    header = read_header(put(tmp_path, content), ReadOptions(chunk_rows=2))
    assert header.names == ("a", "b", "c")
    assert header.types == (None, None, None)


def test_objects_without_keys_are_rows(tmp_path: Path) -> None:
    """An empty object is a row without values, not nothing."""
    (chunk,) = chunks(tmp_path, b"{}\n{}\n")
    assert (chunk.header, len(chunk.frame)) == ((), 2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"a": 1', "is not JSON (Expecting ',' delimiter at character"),
        (b'{"a": 1} {"a": 2}', "is not JSON (Extra data at character 10)"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"a": 01}', "is not JSON"),
        (b"[1]", "is not an object"),
        (b'"a"', "is not an object"),
        (b"null", "is not an object"),
        (b'{"a": 1, "b": 2, "a": 1}', "has the key 'a' twice"),
        (b'{"f": {"b": 1, "b": 1}}', "has the key 'b' twice"),
        (b'{"a": NaN}', "has NaN, which is no JSON number"),
        (b'{"a": -Infinity}', "has -Infinity, which is no JSON number"),
        (b'{"a": "\\ud800"}', "has half a character"),
        (b'{"a": ' + b"[" * 100_000 + b"}", "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b'{"a": "\x01"}', "is not JSON (Invalid control character"),
    ],
)
def test_bad_lines(tmp_path: Path, line: bytes, words: str) -> None:
    """A line that is not one proper object is named, with what is wrong."""
    error = refusal(tmp_path, b'{"a": 1}\n\n' + line + b"\n")
    assert error.message.startswith(f"a.jsonl, line 3: {words}")
    assert "jq" in error.hint


def test_whole_surrogate_pairs_pass(tmp_path: Path) -> None:
    """A character written as two escapes is one character."""
    (chunk,) = chunks(tmp_path, b'{"a": "\\ud83d\\ude00"}')
    assert chunk.frame.iloc[0, 0] == "😀"


def test_numbers_too_big_for_a_float(tmp_path: Path) -> None:
    """1e400 is proper JSON: it is given as infinity, which no field may be."""
    (chunk,) = chunks(tmp_path, b'{"a": 1e400}')
    assert chunk.frame[0].tolist() == [math.inf]


def test_wrong_encoding(tmp_path: Path) -> None:
    """A byte that is no text is named by line and offset."""
    error = refusal(tmp_path, b'{"a": 1}\n{"a": "\xe9"}\n')
    assert "a.jsonl, line 2: byte 0xe9 at offset 16" in error.message
    assert "--encoding" in error.hint


def test_long_line(tmp_path: Path) -> None:
    """A line without an end does not fill the memory."""
    error = refusal(tmp_path, b'{"a": "' + b"x" * 4000, block_bytes=1024)
    assert "a.jsonl, line 1: is longer than 1024 bytes" in error.message


def test_keys_that_differ_from_row_to_row(tmp_path: Path) -> None:
    """A file whose keys are data is refused before its columns fill the memory."""
    lines = b"".join(b'{"k%d": 1}\n' % i for i in range(MAX_KEYS + 1))
    assert "different keys" in refusal(tmp_path, lines, chunk_rows=100).message


def test_only_blank_lines(tmp_path: Path) -> None:
    """A file of blank lines has no columns to bind."""
    with pytest.raises(InputError, match=r"a\.jsonl: is empty"):
        read_header(put(tmp_path, b"\n \n"), ReadOptions())
