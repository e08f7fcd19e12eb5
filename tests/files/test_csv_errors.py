"""CSV that cannot be meant: file, line, row, what is wrong and which flag helps."""

import csv
from pathlib import Path

import pytest

from batch_updater.errors import InputError
from batch_updater.files.csv_faults import Misquoting, misquoting
from batch_updater.files.inputs import as_input
from batch_updater.files.source import ReadOptions, read


def refusal(
    folder: Path, content: bytes, *, verify: bool = True, **options: object
) -> InputError:
    (folder / "a.csv").write_bytes(content)
    source = as_input(folder / "a.csv", name="a.csv")
    said = ReadOptions(**options)  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        list(read(source, said, verify=verify))
    return caught.value


RAGGED = [
    (b"a,b\n1,2\n3\n", "line 3 (row 2): has 1 cells, the header 2", "--delimiter"),
    (b"a,b\n1,2,3\n", "line 2 (row 1): has 3 cells, the header 2", "in quotes"),
    (b'a,b\n\n"1\n1",2\n\n3\n', "line 6 (row 2): has 1 cells", "--delimiter"),
    (b"a;b\n1;2\n3;4,5\n", "line 3 (row 2): has 2 cells", "--delimiter ';'"),
    (b"a\tb\n1\t2,0\n", "line 2 (row 1): has 2 cells", r"--delimiter '\t'"),
    (b"a,b\n1,2\n" + "人".encode() * 200, "begins '" + "人" * 60 + "'", "--delimiter"),
    (b"a,b\n1,2\n\x1b[31m\n", r"begins '\x1b[31m'", "--delimiter"),
]


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(("content", "words", "hint"), RAGGED)
def test_ragged_lines(
    tmp_path: Path, content: bytes, words: str, hint: str, verify: bool
) -> None:
    """A row with too few or too many cells is named by line and row."""
    error = refusal(tmp_path, content, verify=verify)
    assert error.message.startswith("a.csv, line ")
    assert words in error.message
    assert hint in error.hint


MISQUOTED = [
    (b'a,b\n1,2\n3,"4\n5,6\n', "line 3 (row 2): a quote is never closed"),
    (b'a,b\n1,"2\n3,"4"\n', "line 2 (row 1): text follows a closing quote"),
    (b'a,b\n1,"2"x\n', "line 2 (row 1): text follows a closing quote"),
    (b'a,"b\n1,2\n', "line 1 (the header): a quote is never closed"),
]


@pytest.mark.parametrize(("content", "words"), MISQUOTED)
def test_quotes_that_swallow_rows(tmp_path: Path, content: bytes, words: str) -> None:
    """A stray quote is refused, although pyarrow would merge rows in silence."""
    error = refusal(tmp_path, content)
    assert words in error.message
    assert '""' in error.hint


def test_an_open_quote_in_a_big_file(tmp_path: Path) -> None:
    """An unclosed quote is found at its row, without reading the file into memory."""
    content = b'a,b\n1,2\n3,"4\n' + b"5,6\n" * 5000
    error = refusal(tmp_path, content, block_bytes=1024, verify=False)
    assert "line 3 (row 2): a quote is never closed" in error.message


@pytest.mark.parametrize(
    "content", [b"a,b\r1,2\r3,4\r", b"a,b\n1,2\r3,4\n", b"a\n1\r2\n", b"a\r" * 2000]
)
def test_returns_alone(tmp_path: Path, content: bytes) -> None:
    """Lines that end in CR alone are refused with a way to convert them."""
    error = refusal(tmp_path, content, block_bytes=1024)
    assert "a.csv: has lines that end in CR alone" in error.message
    assert "tr '\\r' '\\n'" in error.hint


UNDECODABLE = [
    (b"a,b\n1,2\n3,\xe9t\xe9\n", "line 3: byte 0xe9 at offset 10", "cp1252"),
    (b"a,b\n1," + "人脸".encode("gb18030"), "line 2: byte 0xc8 at offset 6", "gb18030"),
    (b"\xef\xbb\xbfa\n\xff\n", "line 2: byte 0xff at offset 5", "--encoding"),
    (b"a\n" + b"x\n" * 999 + b"\xff\n", "line 1001: byte 0xff at offset 2000", "--enc"),
    (b"a\n\xe4\xba", "line 2: byte 0xe4 at offset 2", "--encoding"),
]


@pytest.mark.parametrize(("content", "words", "hint"), UNDECODABLE)
def test_wrong_encoding(tmp_path: Path, content: bytes, words: str, hint: str) -> None:
    """A byte that is no text is named by line, value and offset in the file."""
    error = refusal(tmp_path, content, block_bytes=256)
    assert words in error.message
    assert "is no utf-8 text" in error.message
    assert hint in error.hint


def test_wrong_encoding_said(tmp_path: Path) -> None:
    """A wrong --encoding is found out as well, also across blocks."""
    content = "a\n".encode("gb18030") + "人\n".encode("gb18030") * 300 + b"\xff\xff\n"
    error = refusal(tmp_path, content, encoding="gb18030", block_bytes=64)
    assert "line 302: byte 0xff at offset 902 is no gb18030 text" in error.message


def test_utf16_without_its_mark(tmp_path: Path) -> None:
    """--encoding utf-16 needs a byte order mark, and says so."""
    error = refusal(tmp_path, "a\nb\n".encode("utf-16-le"), encoding="utf-16")
    assert "is no utf-16 text" in error.message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_recognised(tmp_path: Path, encoding: str) -> None:
    """UTF-16 read as UTF-8 is called by its name, with or without a mark."""
    error = refusal(tmp_path, "face_id\nx\n".encode(encoding))
    assert "looks like UTF-16" in error.message
    assert "--encoding utf-16" in error.hint


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13"])
def test_unknown_encoding(tmp_path: Path, encoding: str) -> None:
    """An --encoding that is none is refused before anything is read."""
    error = refusal(tmp_path, b"a\n1\n", encoding=encoding)
    assert f"--encoding {encoding}: no such text encoding" in error.message


def test_line_longer_than_a_block(tmp_path: Path) -> None:
    """A line that outgrows a block is named instead of filling the memory."""
    error = refusal(tmp_path, b"a\n1\n" + b"x" * 3000 + b"\n", block_bytes=1024)
    assert "a.csv, line 3: is longer than 1024 bytes" in error.message


def test_long_line_in_another_encoding(tmp_path: Path) -> None:
    """What counts is the length as UTF-8, which may be three times the file's."""
    content = "a\n1\n".encode("cp1252") + b"\x80" * 500 + b"\n"
    error = refusal(tmp_path, content, encoding="cp1252", block_bytes=1024)
    assert "a.csv, line 3: is longer than 1024 bytes" in error.message


def test_row_longer_than_a_block(tmp_path: Path) -> None:
    """A row of many lines that outgrows a block is named with its length."""
    row = b",".join(b'"' + b"x\n" * 200 + b'"' for _ in range(8))
    content = b"a,b,c,d,e,f,g,h\n" + b"1,2,3,4,5,6,7,8\n" + row + b"\n"
    error = refusal(tmp_path, content, block_bytes=1024, verify=False)
    assert "line 3 (row 2): is 3200 bytes long, more than 1024" in error.message


@pytest.mark.parametrize("content", [b"\n", b"\n\r\n\n", b"\xef\xbb\xbf"])
def test_nothing_but_blank_lines(tmp_path: Path, content: bytes) -> None:
    """A file without a header line is as good as empty."""
    assert "a.csv: is empty" in refusal(tmp_path, content).message


def test_the_limit_of_csv_is_put_back(tmp_path: Path) -> None:
    """Looking for faults leaves the csv module's global limit as it was."""
    before = csv.field_size_limit()
    refusal(tmp_path, b'a\n"x\n')
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('a,"b""c",d\r\n', Misquoting.NONE),
        ('a"b,c\n', Misquoting.NONE),
        ('"a\rb"\r', Misquoting.NONE),
        ('"a","b', Misquoting.OPEN),
        ('"a"b\n', Misquoting.TEXT_AFTER),
        ("a\rb\n", Misquoting.RETURN),
        ('"a"\rb\n', Misquoting.RETURN),
    ],
)
def test_misquoting(text: str, kind: Misquoting) -> None:
    """What is wrong with a record is told from its text alone."""
    assert misquoting(text, ",") is kind
