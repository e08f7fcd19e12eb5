"""Reading a journal in bulk says what reading it line by line says."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.errors import RunDirectoryError
from batch_updater.files.batch import Batch
from batch_updater.files.bulk import BulkReader, Lines, read_bulk
from batch_updater.files.lines import encode_result, format_time
from batch_updater.files.outcome_index import indexed
from batch_updater.files.replay import replay
from batch_updater.files.results import open_views
from batch_updater.files.search import notes, search
from batch_updater.inert import inert_cell
from batch_updater.models import Attempt, ErrorClass, Outcome, Result, RowLayout

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ODD = st.sampled_from(
    ["", "=1+1", "-", " @x", '"q"', "a,b", "\n", "null", "\u2028", "\\"]
)
TEXT = ODD | st.text(st.characters(codec="utf-8"), max_size=6)
ATTEMPTS = st.builds(
    Attempt,
    started_at=st.integers(0, 4_000_000_000_000_000).map(lambda us: us / 1e6),
    latency=st.integers(0, 10**9).map(lambda us: us / 1e6),
    status=st.none() | st.integers(100, 599),
    code=TEXT,
    ambiguous=st.booleans(),
)
ROWS = 6
RESULTS = st.builds(
    Result,
    source=st.sampled_from(["a", "é"]),
    row_number=st.integers(1, ROWS),
    face_set_name=TEXT,
    face_id=TEXT,
    outcome=st.sampled_from(Outcome),
    error_code=TEXT,
    error_msg=TEXT,
    error_class=st.none() | st.sampled_from(ErrorClass),
    http_status=st.none() | st.integers(100, 599),
    request_id=TEXT,
    attempts=st.lists(ATTEMPTS, max_size=2).map(tuple),
    ambiguous=st.booleans(),
    payload_sha256=TEXT,
    rule=TEXT,
    column=TEXT,
    payload=TEXT,
)
NOTE = st.just({"kind": "session", "at": "2026-11-25T00:00:00.000000Z"})
BARE: dict[str, Any] = {
    "source": "a",
    "row_number": 1,
    "face_set_name": "s",
    "face_id": "f",
    "outcome": Outcome.EXPORTED,
}
LAYOUT = RowLayout({"a": ROWS, "é": ROWS})


def line_of(told: Result | dict[str, Any], *, spaced: bool = False) -> bytes:
    facts = (
        told if isinstance(told, dict) else {"kind": "result", **encode_result(told)}
    )
    separators = None if spaced else (",", ":")
    return (
        json.dumps(facts, ensure_ascii=spaced, separators=separators).encode() + b"\n"
    )


LINES = st.builds(
    line_of, RESULTS | NOTE, spaced=st.sampled_from([False, False, False, True])
)
JOURNALS = st.lists(LINES, max_size=6).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a journal of which bytes were changed, lost, added or cut off."""
    data = bytearray(draw(JOURNALS))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        some = draw(st.binary(max_size=2) | st.sampled_from([b"\n", b"0", b'"', b"}"]))
        data[place : place + draw(st.integers(0, 2))] = some
    return bytes(data)


Told = tuple[int, int, Any]


def by_line(path: Path) -> Iterator[Told]:
    for record in replay(path):
        told: Any = record.facts
        if record.kind == "result":
            try:
                told = Batch.of([record.result()]).columns.to_pylist()[0]
            except (ValueError, OverflowError):  # a number beyond all that we write
                raise record.damage() from None
        yield record.number, record.offset, told


def in_bulk(path: Path) -> Iterator[Told]:
    for lines in read_bulk(path):
        if isinstance(lines, Lines):
            rows = lines.batch.columns.to_pylist()
            for place, (row, offset) in enumerate(
                zip(rows, lines.offsets, strict=True)
            ):
                yield lines.number + place, int(offset), row
        else:
            yield lines.number, lines.offset, lines.facts


def told_by(read: Iterator[Told]) -> tuple[list[Told], str]:
    """Return what was told, and the damage that ended it."""
    try:
        return list(read), ""
    except RunDirectoryError as error:
        return [], error.message


@MANY
@given(data=damaged())
def test_bulk_says_what_line_by_line_says(data: bytes) -> None:
    """Any journal, whole or damaged: the same lines, or the same line is named."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.write_bytes(data)
        assert told_by(in_bulk(path)) == told_by(by_line(path))


@MANY
@given(data=damaged())
def test_some_columns_are_read_alike(data: bytes) -> None:
    """Who asks for some columns gets those of every line, or a damage."""
    columns = ("source", "row_number", "outcome")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.write_bytes(data)
        try:
            found = [
                row
                for lines in read_bulk(path, columns)
                if isinstance(lines, Lines)
                for row in lines.batch.columns.to_pylist()
            ]
        except RunDirectoryError:
            assert told_by(by_line(path))[1]
            return
        facts = [r.facts for r in replay(path) if r.kind == "result"]
        assert found == [{name: each[name] for name in columns} for each in facts]


def test_what_arrow_would_take_for_good(tmp_path: Path) -> None:
    """Two objects on a line, one over two lines, nulls, and no number: all damage."""
    good = line_of(Result(
        source="a", row_number=1, face_set_name="s", face_id="f",
        outcome=Outcome.UPDATED, attempts=(Attempt(1.0, 1.0, 200),),
    ))  # fmt: skip
    path = tmp_path / "journal.jsonl"
    for bad in (
        good[:-1] + good,
        good.replace(b',"row', b',\n"row') + good[:-1] + good,
        good.replace(b'"s"', b"null"),
        good.replace(b'"s"', b"\xff"),
        good.replace(b"1000.0", b"NaN"),
        good.replace(b"1000.0", b"null"),
        good.replace(b'"updated"', b'"updated "'),
        good.replace(b":1,", b":1.0,"),
        good.replace(b":200", b":1" + b"0" * 20),
        good.replace(b',"attempts"', b',"http_status":5000000000,"attempts"'),
        good.replace(b"1970-01-01T", b"1970-13-01T"),
        b"\xef\xbb\xbf" + good,
        b"\n" + good[:-1] + good,
    ):
        path.write_bytes(good + bad + good)
        said = told_by(in_bulk(path))
        assert "line 2 is damaged" in said[1], bad
        assert said == told_by(by_line(path))


@pytest.mark.parametrize(("said", "odd"), [('"a\\":null"', False), ("null", True)])
def test_null_in_a_payload_is_text(said: str, odd: bool, tmp_path: Path) -> None:
    """A payload may hold null, and its line is read in bulk; a member may not."""
    line = line_of(Result(**BARE)).rstrip(b"}\n") + b',"payload":%b}\n' % said.encode()
    batch = BulkReader(tmp_path).parse(line, 1)
    assert (batch is None) == odd


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    """A carriage return between two words of a line is space, as it is to JSON."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(
        b'{"kind": "result",\r"source":"a","row_number":1,"outcome":"failed"}\r\r\n'
    )
    assert told_by(in_bulk(path)) == told_by(by_line(path))
    assert told_by(by_line(path))[1] == ""


def test_long_lines_and_many_blocks(tmp_path: Path) -> None:
    """Lines longer than a block, and more blocks than are read at once, all come."""
    path = tmp_path / "journal.jsonl"
    ranges = [[i, i] for i in range(0, 400_000, 2)]
    note = line_of({"kind": "selection", "rows": ranges})
    row = Result(
        source="a", row_number=1, face_set_name="s", face_id="f",
        outcome=Outcome.UPDATED, payload="x" * 100_000,
    )  # fmt: skip
    path.write_bytes(b"".join([note, *[line_of(row)] * 60, note]) + b"\0" * 100)
    told = list(in_bulk(path))
    assert [number for number, _, _ in told] == list(range(1, 63))
    assert told[0][2] == told[-1][2] == json.loads(note)
    assert {t[2]["payload"] for t in told[1:-1]} == {row.payload}


# The index


@MANY
@given(results=st.lists(RESULTS, max_size=8))
def test_the_index_knows_the_last_of_each_row(results: list[Result]) -> None:
    """For any rows, in any order: the last result, ambiguous once any of them was."""
    last, ambiguous = dict[int, Result](), Counter[int]()
    for result in results:
        row = LAYOUT.ordinal(result.source, result.row_number)
        last[row] = result
        ambiguous[row] += result.ambiguous
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.write_bytes(b"".join(map(line_of, results)))
        with indexed(path, LAYOUT) as index:
            known, found = index.results(np.arange(LAYOUT.total)[::-1])
    rows = [row for row in reversed(range(LAYOUT.total)) if row in last]
    assert np.flatnonzero(known).tolist() == [LAYOUT.total - 1 - row for row in rows]
    for row, result in zip(rows, found, strict=True):
        assert result.ambiguous == bool(ambiguous[row])
        told = {**encode_result(last[row]), "ambiguous": True}
        assert {**encode_result(result), "ambiguous": True} == told


@pytest.mark.parametrize("source", ["b", ""])
def test_a_row_that_is_not_there(tmp_path: Path, source: str) -> None:
    """A result of an unknown source, or beyond the last row, is damage, and named."""
    path = tmp_path / "journal.jsonl"
    good = {"kind": "result", "source": "a", "row_number": ROWS, "outcome": "updated"}
    bad = {**good, "source": source} if source else {**good, "row_number": ROWS + 1}
    path.write_bytes(line_of(good) + line_of(good) + line_of(bad))
    with (
        pytest.raises(RunDirectoryError, match="line 3 is damaged"),
        indexed(path, LAYOUT),
    ):
        pass


# What is found without reading all


@MANY
@given(data=JOURNALS, row=st.integers(1, ROWS), face=TEXT)
def test_search_finds_what_reading_all_finds(data: bytes, row: int, face: str) -> None:
    """A row's and a face's results, and all notes, however their lines were written."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.write_bytes(data)
        records = list(replay(path))
        others = [r.number for r in records if r.kind != "result"]
        assert [r.number for r in notes(path)] == others
        for numbers, face_id in (({row}, None), (None, face), ({row}, face)):
            wanted = [
                r.number
                for r in records
                if r.kind == "result"
                and (numbers is None or r.facts["row_number"] in numbers)
                and (face_id is None or r.facts.get("face_id") == face_id)
            ]
            found = search(path, numbers, face_id)
            assert [r.number for r in found if r.kind == "result"] == wanted


def test_search_survives_what_no_journal_holds(tmp_path: Path) -> None:
    """A face id of half a character is not found; a row number of no kind is damage."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(
        b'{"kind": "result","source":"a","row_number":[1],"outcome":"failed"}\n'
    )
    assert list(search(path, None, "\udcff")) == []
    with pytest.raises(RunDirectoryError, match="line 1 is damaged"):
        list(search(path, {1}, None))


# Columns as CSV


def row_of(result: Result) -> list[Any]:
    """Return a result as the columns of results.csv, field by field."""
    last = result.attempts[-1] if result.attempts else None
    microseconds = [
        round(moment * 1e6)
        for attempt in (*result.attempts[:1], *result.attempts[-1:])
        for moment in (attempt.started_at, attempt.latency)
    ]
    started = finished = ""
    if last:
        started = format_time(microseconds[0] / 1e6)
        finished = format_time((microseconds[2] + microseconds[3]) / 1e6)
    return [
        result.source,
        result.row_number,
        result.face_set_name,
        result.face_id,
        str(result.outcome),
        result.error_code or result.rule,
        result.error_msg,
        str(result.error_class or ""),
        result.http_status,
        result.request_id,
        len(result.attempts),
        result.ambiguous,
        round(last.latency * 1000, 3) if last else None,
        started,
        finished,
        result.payload_sha256,
        result.payload,
    ]


@MANY
@given(results=st.lists(RESULTS, max_size=4))
def test_results_are_what_writing_rows_makes(results: list[Result]) -> None:
    """results.csv has the very bytes that one row after the other would have."""
    rows = io.StringIO()
    writer = csv.writer(rows)
    for result in results:
        cells = row_of(result)
        writer.writerow([inert_cell(c) if isinstance(c, str) else c for c in cells])
    with TemporaryDirectory() as folder:
        with open_views(Path(folder), (), parquet=False, values=True) as views:
            views.write(Batch.of(results), None)
        written = (Path(folder) / "results.csv").read_bytes()
    header, _, body = written.partition(b"\r\n")
    assert header.startswith(b"source,row_number,")
    assert body.decode() == rows.getvalue()


@MANY
@given(results=st.lists(RESULTS, max_size=8))
def test_rows_that_ended_alike_are_counted_together(results: list[Result]) -> None:
    """Each kind of end comes once, with its first row, in the order of the rows."""
    ends = Counter[tuple[Any, ...]]()
    first: dict[tuple[Any, ...], Result] = {}
    for result in results:
        end = (result.outcome, result.error_code, result.error_class, result.rule,
               result.ambiguous)  # fmt: skip
        ends[end] += 1
        first.setdefault(end, result)
    alike = list(Batch.of(results).alike())
    assert [count for _, count in alike] == [ends[end] for end in first]
    told = [encode_result(result) for result, _ in alike]
    assert told == [encode_result(result) for result in first.values()]
