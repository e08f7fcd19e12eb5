"""The journal: round trips, torn and damaged lines, the lock, the index."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.errors import JournalFailed, RunDirectoryError
from batch_updater.files.journal import Journal
from batch_updater.files.lines import (
    decode_result,
    encode_result,
    format_time,
    parse_time,
)
from batch_updater.files.outcome_index import indexed
from batch_updater.files.replay import replay
from batch_updater.models import Attempt, ErrorClass, Outcome, Result, RowLayout

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
MICROSECONDS = st.integers(0, 4_000_000_000_000_000)
ATTEMPTS = st.builds(
    Attempt,
    started_at=MICROSECONDS.map(lambda us: us / 1_000_000),
    latency=st.integers(0, 10**9).map(lambda us: us / 1000 / 1000),
    status=st.none() | st.integers(100, 599),
    code=TEXT,
    ambiguous=st.booleans(),
)
RESULTS = st.builds(
    Result,
    source=TEXT.filter(bool),
    row_number=st.integers(1, 2**40),
    face_set_name=TEXT,
    face_id=TEXT,
    outcome=st.sampled_from(Outcome),
    error_code=TEXT,
    error_msg=TEXT,
    error_class=st.none() | st.sampled_from(ErrorClass),
    http_status=st.none() | st.integers(100, 599),
    request_id=TEXT,
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
    ambiguous=st.booleans(),
    payload_sha256=TEXT,
    rule=TEXT,
    column=TEXT,
    payload=TEXT,
)


def row(number: int, outcome: Outcome = Outcome.UPDATED, source: str = "a") -> Result:
    return Result(
        source=source,
        row_number=number,
        face_set_name="set",
        face_id="iexEBb6t",
        outcome=outcome,
    )


@MANY
@given(result=RESULTS)
def test_results_read_back_equal(result: Result) -> None:
    """What is written of a result is all of it, to the microsecond."""
    facts = json.loads(json.dumps(encode_result(result)))
    read = decode_result(facts)
    for before, after in zip(result.attempts, read.attempts, strict=True):
        assert after.started_at == pytest.approx(before.started_at, abs=2e-6)
        assert after.latency == pytest.approx(before.latency, abs=1e-6)
        assert (after.status, after.code) == (before.status, before.code)
    assert encode_result(read) == encode_result(result)


@MANY
@given(microseconds=MICROSECONDS)
def test_times_read_back_equal(microseconds: int) -> None:
    """A stamp is UTC ISO-8601 and means the same microsecond again."""
    text = format_time(microseconds / 1e6)
    assert text.endswith("Z")
    assert abs(parse_time(text) * 1e6 - microseconds) < 2


def test_what_is_empty_is_left_out() -> None:
    """A line is as short as its facts."""
    assert encode_result(row(1)) == {
        "source": "a",
        "row_number": 1,
        "face_set_name": "set",
        "face_id": "iexEBb6t",
        "outcome": "updated",
    }


def test_lines_are_written_one_by_one(tmp_path: Path) -> None:
    """Each fact is in the file at once, as one line of JSON; the file is private."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True) as journal:
        journal.note("session", {"command": "run"})
        assert len(path.read_bytes().splitlines()) == 1
        journal.write(row(1))
        journal.write(row(2, Outcome.FAILED))
        journal.sync()
        journal.sync()
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["kind"] for line in lines] == ["session", "result", "result"]
    assert lines[0]["command"] == "run"
    assert parse_time(lines[0]["at"]) > 1.7e9
    assert path.stat().st_mode & 0o777 == 0o600
    records = list(replay(path))
    assert [record.kind for record in records] == ["session", "result", "result"]
    assert [decode_result(r.facts) for r in records[1:]] == [
        row(1),
        row(2, Outcome.FAILED),
    ]


def test_a_journal_torn_at_any_byte(tmp_path: Path) -> None:
    """Wherever a crash cuts the file, whole lines stay and writing goes on."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True) as journal:
        for number in (1, 2, 3):
            journal.write(row(number))
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        lines = whole[:cut].count(b"\n")
        assert len(list(replay(path))) == lines
        with Journal(path) as journal:
            journal.write(row(9))
        read = [record.facts["row_number"] for record in replay(path)]
        assert read == [*[1, 2, 3][:lines], 9]


@pytest.mark.parametrize("tail", [b"\0" * 5000, b"x" * 200_000, b'{"kind": "res'])
def test_any_torn_tail_is_cut(tmp_path: Path, tail: bytes) -> None:
    """A tail of any length and content that has no end of line is dropped."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True) as journal:
        journal.write(row(1))
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(tail)
    assert len(list(replay(path))) == 1
    Journal(path).close()
    assert path.stat().st_size == size


def test_a_journal_that_is_all_torn(tmp_path: Path) -> None:
    """A file without a single whole line becomes empty."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"{" * 200_000)
    Journal(path).close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "bad", [b"", b"{", b"[]", b"5", b"{}", b'{"a": 1}', b"\0\0", b"\xff"]
)
def test_a_damaged_middle_is_named(tmp_path: Path, bad: bytes) -> None:
    """A bad line before others cannot be a torn one: file and line are named."""
    path = tmp_path / "journal.jsonl"
    good = json.dumps({"kind": "result", **encode_result(row(1))}).encode()
    path.write_bytes(b"\n".join([good, good, bad, good, b""]))
    with pytest.raises(RunDirectoryError) as caught:
        list(replay(path))
    assert f"{path}, line 3" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("latency", ["x", None, 1e300, float("nan")])
def test_a_latency_that_is_none(latency: object) -> None:
    """A time that no view could tell the end of is damage, and no bug of ours."""
    tried = replace(row(1), attempts=(Attempt(1.0, 1.0, 200),))
    facts = json.loads(json.dumps(encode_result(tried)))
    decode_result(facts)
    facts["attempts"][0]["latency_ms"] = latency
    with pytest.raises((TypeError, ValueError)):
        decode_result(facts)


def test_offsets_are_bytes(tmp_path: Path) -> None:
    """A record knows where its line starts, whatever the alphabet."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True) as journal:
        journal.write(row(1, source="张三.csv"))
        journal.write(row(2))
    whole = path.read_bytes()
    for record in replay(path):
        line = whole[record.offset :].split(b"\n")[0]
        assert json.loads(line) == record.facts


def test_no_journal_is_no_run(tmp_path: Path) -> None:
    """A directory without a journal is said to be no run directory."""
    with pytest.raises(RunDirectoryError, match=r"no run directory: journal\.jsonl"):
        list(replay(tmp_path / "journal.jsonl"))
    with pytest.raises(RunDirectoryError, match="cannot open"):
        Journal(tmp_path / "nowhere" / "journal.jsonl", new=True)


# The lock

CHILD = """
import sys
from pathlib import Path
from batch_updater.errors import RunDirectoryError
from batch_updater.files.journal import Journal
try:
    journal = Journal(Path(sys.argv[1]))
except RunDirectoryError as error:
    print("refused:", error.message, flush=True)
    raise SystemExit(3)
print("open", flush=True)
sys.stdin.read(1)
"""


def child(path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_lock_refuses_a_second_opener(tmp_path: Path) -> None:
    """A run directory in use is refused, in this process and in another one."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True) as journal:
        journal.write(row(1))
        with pytest.raises(RunDirectoryError, match="in use by another process"):
            Journal(path)
        with child(path) as other:
            said, _ = other.communicate()
        assert other.returncode == 3
        assert f"refused: {tmp_path} is in use" in said
        journal.write(row(2))
    Journal(path).close()
    assert len(list(replay(path))) == 2


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    """After kill -9 nothing is left to clean up."""
    path = tmp_path / "journal.jsonl"
    path.touch()
    with child(path) as other:
        assert other.stdout
        assert other.stdout.readline() == "open\n"
        with pytest.raises(RunDirectoryError):
            Journal(path)
        other.kill()
    Journal(path).close()


FULL = """
import resource, sys
from pathlib import Path
from batch_updater.errors import JournalFailed
from batch_updater.files.journal import Journal
from batch_updater.files.replay import replay
from batch_updater.models import Outcome, Result
path = Path(sys.argv[1])
row = Result(source="a", row_number=1, face_set_name="s", face_id="f",
             outcome=Outcome.UPDATED)
with Journal(path, new=True) as journal:
    journal.write(row)
    size = path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, size + 20))
    try:
        journal.write(row)
    except JournalFailed as failure:
        print(path.stat().st_size == size, len(list(replay(path))), failure.message)
        print(failure.hint)
"""


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """A line that does not fit is taken back, and the run is told to stop."""
    path = tmp_path / "journal.jsonl"
    said = subprocess.run(
        [sys.executable, "-c", FULL, str(path)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said.startswith(f"True 1 cannot write {path}")
    assert f"resume {tmp_path}" in said


def test_a_sync_that_fails_stops_the_run(tmp_path: Path) -> None:
    """An outcome that cannot be made durable is a failure of the journal."""
    journal = Journal(tmp_path / "journal.jsonl", new=True)
    journal.write(row(1))
    os.close(journal._fd)
    with pytest.raises(JournalFailed, match="cannot sync"):
        journal.sync()
    with pytest.raises(JournalFailed, match="cannot write"):
        journal.write(row(2))


# The index


def test_the_last_line_of_a_row_counts(tmp_path: Path) -> None:
    """A row that was sent again is what its last line says."""
    path, layout = tmp_path / "journal.jsonl", RowLayout({"a": 2, "b": 0, "c": 1})
    with Journal(path, new=True) as journal:
        journal.note("session", {})
        journal.write(row(2, Outcome.UNPROCESSED))
        journal.write(row(1, Outcome.FAILED, source="c"))
        journal.write(row(2, Outcome.UPDATED))
    with indexed(path, layout) as index:
        known, found = index.results(np.arange(3))
    assert known.tolist() == [False, True, True]
    assert list(found) == [row(2, Outcome.UPDATED), row(1, Outcome.FAILED, source="c")]


def test_a_row_that_may_have_been_applied_twice_says_so(tmp_path: Path) -> None:
    """Cut off in one session and updated in the next, it is still ambiguous."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True) as journal:
        journal.write(replace(row(1, Outcome.UNPROCESSED), ambiguous=True))
        journal.write(row(1, Outcome.UPDATED))
        journal.write(row(2, Outcome.UPDATED))
    with indexed(path, RowLayout({"a": 2})) as index:
        _, found = index.results(np.arange(2))
    assert list(found) == [
        replace(row(1, Outcome.UPDATED), ambiguous=True),
        row(2, Outcome.UPDATED),
    ]


def test_an_empty_journal_has_an_index(tmp_path: Path) -> None:
    """A run that was killed before its first line can still be looked at."""
    path = tmp_path / "journal.jsonl"
    path.touch()
    with indexed(path, RowLayout({"a": 3})) as index:
        known, found = index.results(np.arange(3))
    assert known.tolist() == [False] * 3
    assert not len(found)


@MANY
@given(rows=st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_layouts_number_every_row_once(rows: list[int]) -> None:
    """ordinal and locate are each other's inverse, empty inputs included."""
    layout = RowLayout({f"s{i}": count for i, count in enumerate(rows)})
    assert layout.total == sum(rows)
    for ordinal in range(layout.total):
        source, number = layout.locate(ordinal)
        assert layout.ordinal(source, number) == ordinal
    for source, count in layout.rows.items():
        for outside in (0, count + 1):
            with pytest.raises(KeyError):
                layout.ordinal(source, outside)
