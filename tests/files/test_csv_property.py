"""Any table survives CSV, and any damage is either seen or harmless."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.errors import InputError
from batch_updater.files.inputs import as_input
from batch_updater.files.source import ReadOptions, read, read_header

Table = list[list[str]]
MANY = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SIGNS = st.sampled_from(list("ab 0;\t\"',\n\r\0é人😀"))
CELLS = st.text(SIGNS | st.characters(codec="utf-8"), max_size=12)
ENDS = st.sampled_from(["\n", "\r\n"])
BLOCKS = st.sampled_from([512, 1024, 1 << 20])


def tables() -> st.SearchStrategy[Table]:
    """Up to 40 rows of one to four cells; 512 bytes hold any of the rows."""
    return st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=40
        ).map(lambda body: [[f"c{i}" for i in range(width)], *body])
    )


def written(table: Table, end: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")  # so that it quotes both
    for row in table:
        writer.writerow(row)
        text.seek(text.tell() - 2)
        text.write(end)
        text.truncate()
    return text.getvalue().encode()


def found(path: Path, content: bytes, block_bytes: int = 1 << 20) -> Table | None:
    """Header and rows as read here; None when refused."""
    path.write_bytes(content)
    options = ReadOptions(block_bytes=block_bytes)
    try:
        source = as_input(path)
        table = [list(read_header(source, options).names)]
        for chunk in read(source, options, verify=True):
            assert chunk.first_row == len(table)
            table += [list(row) for row in chunk.frame.to_numpy()]
    except InputError:
        return None
    return table


def by_the_letter(content: bytes) -> Table | None:
    """Header and rows as Python's strict reader has them; None when it refuses."""
    lines = io.StringIO(content.decode(errors="replace"), newline="\n")
    try:
        table = [row for row in csv.reader(lines, strict=True) if row]
    except csv.Error:
        return None
    same_width = table and {len(row) for row in table} == {len(table[0])}
    return table if same_width else None


@MANY
@given(table=tables(), end=ENDS, block_bytes=BLOCKS)
def test_any_table_survives(
    tmp_path: Path, table: Table, end: str, block_bytes: int
) -> None:
    """What csv.writer wrote is read back cell by cell, whatever the block size."""
    content = written(table, end)
    assert found(tmp_path / "a.csv", content, block_bytes) == table


@MANY
@given(table=tables(), end=ENDS, share=st.floats(0, 1))
def test_a_file_cut_anywhere(
    tmp_path: Path, table: Table, end: str, share: float
) -> None:
    """A file cut at any byte reads as csv reads it, or is refused with InputError."""
    content = written(table, end)
    content = content[: int(share * len(content))]
    assert found(tmp_path / "a.csv", content) in (by_the_letter(content), None)


@MANY
@given(body=st.text(st.sampled_from('a",\n\r'), max_size=25), end=ENDS)
@pytest.mark.parametrize("header", ["h", "h,k"])
def test_any_mess_of_quotes(tmp_path: Path, header: str, body: str, end: str) -> None:
    """Both readers agree on every mixture of quotes, commas and line ends."""
    content = (header + end + body).encode()
    assert found(tmp_path / "a.csv", content) == by_the_letter(content)


@MANY
@given(content=st.binary(max_size=60))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    """Whatever bytes a file holds, it is read or refused with InputError."""
    headed = found(tmp_path / "a.csv", b"h,k\n" + content)
    bare = found(tmp_path / "b.csv", content)

    for table in (headed, bare):
        assert table is None or {len(row) for row in table} == {len(table[0])}
