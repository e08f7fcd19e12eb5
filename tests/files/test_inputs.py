"""Which files an argument stands for, and which are refused at the door."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_updater.errors import InputError
from batch_updater.files.inputs import (
    InputFormat,
    as_input,
    fingerprint,
    resolve_inputs,
    spool_stdin,
)

ROWS = b"face_id\nabc\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(*names: str, content: bytes = ROWS) -> None:
    """Files that differ, so that nothing is the same by accident."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content + name.encode() + b"\n")


def names(*arguments: str, input_format: InputFormat | None = None) -> list[str]:
    return [each.name for each in resolve_inputs(arguments, input_format)]


def refusal(*arguments: str, input_format: InputFormat | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        resolve_inputs(arguments, input_format)
    return caught.value


def test_naming_inputs_loads_neither_pandas_nor_pyarrow() -> None:
    """A command that only looks at its inputs starts fast."""
    code = (
        "import sys, batch_updater.files.inputs;"
        "sys.exit(bool({'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.csv", (InputFormat.CSV, None)),
        ("a.CSV", (InputFormat.CSV, None)),
        ("a.tsv", (InputFormat.TSV, None)),
        ("a.tab", (InputFormat.TSV, None)),
        ("a.jsonl", (InputFormat.JSONL, None)),
        ("a.ndjson", (InputFormat.JSONL, None)),
        ("a.parquet", (InputFormat.PARQUET, None)),
        ("a.pq", (InputFormat.PARQUET, None)),
        ("a.b.csv.gz", (InputFormat.CSV, "gz")),
        ("a.jsonl.zst", (InputFormat.JSONL, "zst")),
        ("a.tsv.zstd", (InputFormat.TSV, "zst")),
    ],
)
def test_extensions(folder: Path, name: str, found: tuple[object, object]) -> None:
    """The extension says the format, and a second one what it is packed in."""
    put(name)
    (one,) = resolve_inputs([name])
    assert (one.format, one.compression) == found


def test_what_an_input_knows(folder: Path) -> None:
    """An input keeps the name as written, an absolute path and a fingerprint."""
    Path("a.csv").write_bytes(ROWS)
    (one,) = resolve_inputs(["./a.csv"])
    assert (one.name, one.path) == ("./a.csv", folder / "a.csv")
    assert (one.size, one.sha256) == (len(ROWS), hashlib.sha256(ROWS).hexdigest())
    assert fingerprint(one.path) == (one.size, one.sha256)


def test_order_of_arguments_is_kept(folder: Path) -> None:
    """Files are taken in the order given, not sorted."""
    put("b.csv", "a.csv", "c.csv")
    assert names("b.csv", "c.csv", "a.csv") == ["b.csv", "c.csv", "a.csv"]


def test_glob_the_shell_left_alone(folder: Path) -> None:
    """A quoted glob is expanded here, sorted, folders below included."""
    put("d/b.csv", "d/a.csv", "d/e/c.csv", "d/x.txt")
    assert names("d/*.csv") == ["d/a.csv", "d/b.csv"]
    assert names("d/**/*.csv") == ["d/a.csv", "d/b.csv", "d/e/c.csv"]
    assert names(f"{folder}/d/a.*") == [f"{folder}/d/a.csv"]


def test_a_file_whose_name_looks_like_a_glob(folder: Path) -> None:
    """A name that exists is a file, whatever signs are in it."""
    put("a[1].csv", "a1.csv")
    assert names("a[1].csv") == ["a[1].csv"]


def test_folder(folder: Path) -> None:
    """Of a folder all files of known kind are taken: sorted, not hidden, not deeper."""
    put("d/b.csv", "d/a.pq", "d/_SUCCESS", "d/.c.csv", "d/e/f.csv", "d/z.tsv.gz")
    assert names("d") == ["d/a.pq", "d/b.csv", "d/z.tsv.gz"]


def test_folder_with_format(folder: Path) -> None:
    """With --format only the files of that format are taken from a folder."""
    put("d/b.csv", "d/a.pq", "d/c.txt")
    assert names("d", input_format=InputFormat.CSV) == ["d/b.csv"]


def test_format_overrides_the_extension(folder: Path) -> None:
    """--format reads any file, still unpacking by its last extension."""
    put("a.txt", "b.dat.gz")
    first, second = resolve_inputs(["a.txt", "b.dat.gz"], InputFormat.TSV)
    assert (first.format, first.compression) == (InputFormat.TSV, None)
    assert (second.format, second.compression) == (InputFormat.TSV, "gz")


def test_compression_seen_without_its_extension(folder: Path) -> None:
    """A packed file whose name does not say so is unpacked all the same."""
    Path("a.csv").write_bytes(gzip.compress(ROWS))
    assert resolve_inputs(["a.csv"])[0].compression == "gz"


def test_unknown_extension(folder: Path) -> None:
    """A file of unknown kind is refused, and --format named."""
    put("a.txt")
    error = refusal("a.txt")
    assert "a.txt" in error.message
    assert "--format csv|tsv|jsonl|parquet" in error.hint


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("gone.csv", "gone.csv: cannot be read: No such file"),
        ("*.csv", "*.csv: no file matches"),
        ("empty", "empty: the folder holds no files of a known extension"),
        ("zero.csv", "zero.csv: is empty"),
        ("loop.csv", "loop.csv: cannot be read: Too many levels"),
        ("n" * 300 + ".csv", "cannot be read: File name too long"),
        ("a\0.csv", "cannot be read: embedded null byte"),
        ("pipe.csv", "pipe.csv: is not a regular file"),
        ("-", "-: stdin cannot be read here"),
    ],
)
def test_refused(folder: Path, argument: str, words: str) -> None:
    """What is not there or cannot be read is named, with a hint."""
    Path("empty").mkdir()
    Path("empty/readme.txt").write_text("x")
    Path("zero.csv").touch()
    Path("loop.csv").symlink_to("loop.csv")
    os.mkfifo("pipe.csv")
    if argument == "*.csv":
        argument = "*.nothing.csv"
        words = words.replace("*.csv", argument)
    error = refusal(argument)
    assert words in error.message
    assert error.hint


def test_no_arguments() -> None:
    """No input at all is an error."""
    assert "no input" in refusal().message


def test_folder_given_as_file(folder: Path) -> None:
    """A directory where one file is meant is refused by name."""
    Path("d.csv").mkdir()
    with pytest.raises(InputError, match=r"d\.csv: cannot be read: Is a directory"):
        as_input(Path("d.csv"))


@pytest.fixture
def ordinary_user(folder: Path) -> Iterator[None]:
    """Root may read everything, so it becomes somebody else for a moment."""
    folder.chmod(0o755)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_unreadable_file(folder: Path, request: pytest.FixtureRequest) -> None:
    """A file without read permission is named."""
    put("a.csv")
    Path("a.csv").chmod(0)
    request.getfixturevalue("ordinary_user")
    assert "a.csv: cannot be read: Permission denied" in refusal("a.csv").message


@pytest.mark.parametrize(
    "second", ["a.csv", "./a.csv", "d/../a.csv", "l.csv", "h.csv", "a*.csv"]
)
def test_same_file_twice(folder: Path, second: str) -> None:
    """A file given twice is refused however it is spelled or linked."""
    put("a.csv", "d/b.csv")
    Path("l.csv").symlink_to("a.csv")
    Path("h.csv").hardlink_to("a.csv")
    error = refusal("a.csv", second)
    assert "is given twice (the same file as a.csv)" in error.message


@pytest.mark.parametrize(
    ("name", "head", "look"),
    [
        ("a.csv", b"PAR1....", "Parquet"),
        ("a.csv", b"PK\x03\x04...", "Excel"),
        ("a.jsonl", b"\xd0\xcf\x11\xe0...", "old Excel"),
    ],
)
def test_misnamed(folder: Path, name: str, head: bytes, look: str) -> None:
    """A file of another kind under a text file's name is told what it looks like."""
    Path(name).write_bytes(head)
    error = refusal(name)
    assert f"{name}: looks like" in error.message
    assert look in error.message
    assert "--format" in error.hint


def test_parquet_in_gzip(folder: Path) -> None:
    """Parquet inside gzip is refused: it cannot be read piece by piece."""
    put("a.parquet.gz")
    assert "Unpack it first" in refusal("a.parquet.gz").hint


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PAR1rest", (InputFormat.PARQUET, None)),
        (b'\xef\xbb\xbf {"face_id": 1}', (InputFormat.JSONL, None)),
        (b"face_id\n1\n", (InputFormat.CSV, None)),
        (gzip.compress(b'{"a": 1}', mtime=0), (InputFormat.JSONL, "gz")),
    ],
)
def test_stdin(tmp_path: Path, content: bytes, found: tuple[object, object]) -> None:
    """What comes by stdin is copied to a private file and known by its content."""
    spooled = spool_stdin(io.BytesIO(content), tmp_path / "stdin")
    assert spooled.stat().st_mode & 0o777 == 0o600
    (one,) = resolve_inputs(["-"], stdin=spooled)
    assert (one.name, one.path) == ("-", spooled)
    assert (one.format, one.compression) == found
    assert spooled.read_bytes() == content


def test_stdin_with_format(tmp_path: Path) -> None:
    """--format decides about stdin before its content does."""
    spooled = spool_stdin(io.BytesIO(b"{a\tb\n"), tmp_path / "stdin")
    assert resolve_inputs(["-"], InputFormat.TSV, stdin=spooled)[0].format == "tsv"


def test_stdin_twice_or_empty(tmp_path: Path) -> None:
    """Stdin can be given once, and must bring something."""
    spooled = spool_stdin(io.BytesIO(ROWS), tmp_path / "a")
    empty = spool_stdin(io.BytesIO(b""), tmp_path / "b")
    with pytest.raises(InputError, match="-: is given twice"):
        resolve_inputs(["-", "-"], stdin=spooled)
    with pytest.raises(InputError, match="-: is empty"):
        resolve_inputs(["-"], stdin=empty)
