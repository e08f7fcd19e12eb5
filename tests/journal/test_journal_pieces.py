"""What reading in bulk is made of: pages, lines that are read again, cells of a column."""

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.errors import RunDirectoryError
from batch_updater.files.csv_columns import fractions, inert_cells, stamps
from batch_updater.files.journal import Journal
from batch_updater.files.line_reader import LineReader
from batch_updater.files.lines import format_time
from batch_updater.files.pages import Pages
from batch_updater.files.replay import replay
from batch_updater.inert import inert_cell
from batch_updater.models import Outcome, Result

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ODD = st.sampled_from(["", "=1+1", "-", " @x", '"q"', "a,b", "\n", "null", "\u2028"])
TEXT = ODD | st.text(st.characters(codec="utf-8"), max_size=6)


def test_lines_anywhere_in_any_order(tmp_path: Path) -> None:
    """Lines far apart and close together are read again in the order asked for."""
    path = tmp_path / "journal.jsonl"
    results = [
        Result(
            source="a", row_number=n, face_set_name="s", face_id="é" * (n % 7),
            outcome=Outcome.UPDATED, payload="x" * (n % 5 * 9000),
        )
        for n in range(1, 300)
    ]  # fmt: skip
    with Journal(path, new=True) as journal:
        for result in results:
            journal.write(result)
    offsets = {r.facts["row_number"]: r.offset for r in replay(path)}
    asked = [5, 299, 1, 6, 7, 150, 2, 151]
    reader = LineReader(path)
    found = list(reader.results(np.array([offsets[n] for n in asked])))
    assert found == [results[n - 1] for n in asked]
    damaged_line = offsets[150]
    data = bytearray(path.read_bytes())
    data[damaged_line + 1] = ord("x")
    path.write_bytes(data)
    with pytest.raises(RunDirectoryError, match="line 150 is damaged"):
        reader.results(np.array([offsets[n] for n in asked]))
    reader.close()


@MANY
@given(rounds=st.lists(st.lists(st.integers(0, 40), min_size=1), max_size=8))
def test_pages_are_one_array(rounds: list[list[int]]) -> None:
    """Entries are what they were last, wherever their page was meanwhile."""
    entries = np.full(41, -1)
    with TemporaryDirectory() as folder:
        pages = Pages(np.array(-1), Path(folder), rows=4, held=2)
        for value, each in enumerate(rounds):
            rows = np.array(each)
            entries[rows] = value
            for page, inside, _ in pages.at(rows):
                page[inside] = value
        assert (pages.read(np.arange(41)) == entries).all()
        assert not list(Path(folder).iterdir())  # the file has no name
        pages.close()


@MANY
@given(texts=st.lists(TEXT, max_size=5))
def test_cells_are_what_the_writer_of_rows_makes(texts: list[str]) -> None:
    """Quoted and made inert: every text stands as csv.writer would write it."""
    rows = io.StringIO()
    csv.writer(rows).writerows(["x", inert_cell(text)] for text in texts)
    cells = inert_cells(pa.array(texts, pa.string())).to_pylist()
    assert "".join(f"x,{cell}\r\n" for cell in cells) == rows.getvalue()


@MANY
@given(numbers=st.lists(st.integers(-(10**15), 10**15), max_size=5))
def test_numbers_are_what_python_writes(numbers: list[int]) -> None:
    """Milliseconds are written as Python writes them, and times as the journal has."""
    values = [number / 1000 for number in numbers]
    cells = fractions(pa.array(values, pa.float64())).to_pylist()
    assert cells == [str(value) for value in values]
    moments = np.array([abs(number) for number in numbers], dtype=np.int64)
    assert stamps(moments).to_pylist() == [format_time(m / 1e6) for m in moments]
