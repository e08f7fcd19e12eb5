"""Rows that are sent without a look at all of them first: --no-check-ahead."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from bench import Bench, Row, assert_every_row_once, face, fault, make_rows
from pyarrow import parquet as pq

FLAGS = ("--no-check-ahead", "--on-duplicate", "in-order")


def _write(bench: Bench, rows: Sequence[Row], name: str = "faces.parquet") -> str:
    table = pa.Table.from_pylist([dict(row) for row in rows])
    pq.write_table(table, bench.folder / name, row_group_size=7)
    return name


def _dirty(count: int) -> list[dict[str, str]]:
    """Return rows of which each third breaks a rule, and each face stands twice."""
    rows = make_rows(count)
    for number, row in enumerate(rows):
        row["face_id"] = face(number // 2)
        if number % 3 == 0:
            row["external_fields.age"] = "old"
    return rows


def test_rows_are_checked_when_their_turn_comes(bench: Bench) -> None:
    """Refused rows are results, faces go in order, and nobody says that all was checked."""
    rows = _dirty(30)
    bench.seed([face(n) for n in range(15)])
    ended = bench.run(_write(bench, rows), *FLAGS)
    assert ended.code == 1
    assert "not checked 30 rows: each is looked at when its turn comes" in ended.err
    assert "checked     " not in ended.err
    assert_every_row_once(bench.record(), {"faces.parquet": rows})
    assert bench.record().outcomes == {"updated": 20, "invalid": 10}
    assert bench.record().codes == {"integer": 10}
    for n in range(15):
        sent = [r for r in rows if r["face_id"] == face(n) and "old" not in r.values()]
        ages = [int(row["external_fields.age"]) for row in sent]
        assert bench.stored(face(n))["age"] == ages[-1]


def test_a_stopped_run_is_resumed_and_retried(bench: Bench) -> None:
    """A resume looks no further ahead than the run did; a retry finds the later rows."""
    rows = _dirty(60)
    bench.seed([face(n) for n in range(30)])
    stop = fault("respond", name="stop", code="FRS.0202", after=12, times=0)
    bench.emulator.script([fault("respond", code="FRS.0018", every=5, times=0), stop])
    few = ("--max-attempts", "1", "--concurrency", "4")
    assert bench.run(_write(bench, rows), *FLAGS, *few).code == 3
    bench.emulator.script([fault("respond", code="FRS.0018", every=7, times=0)])
    ended = bench.command("resume", "job")
    assert ended.code == 1
    assert "not checked 60 rows" in ended.err
    assert_every_row_once(bench.record(), {"faces.parquet": rows})
    assert bench.record().outcomes["failed"] > 0
    bench.emulator.script([])
    ended = bench.command("retry", "job", "--run-dir", "again")
    assert ended.code == 0
    assert "checked     60 rows" in ended.err
    told = bench.command("results", "job", "--family", "--output", "json").json
    assert told["outcomes"]["updated"] == 40
    last = {row["face_id"]: row for row in rows if row["external_fields.age"] != "old"}
    for face_id, row in last.items():
        assert bench.stored(face_id)["age"] == int(row["external_fields.age"])


def test_a_limit_counts_over_files(bench: Bench) -> None:
    """--limit takes the first rows of all files, and the others are not expected."""
    rows = make_rows(20)
    bench.seed([row["face_id"] for row in rows])
    first, second = _write(bench, rows[:10]), _write(bench, rows[10:], "b.parquet")
    assert bench.run(first, second, *FLAGS, "--limit", "13").code == 0
    assert bench.record().outcomes == {"updated": 13}


@pytest.mark.parametrize(
    ("flags", "said", "hint"),
    [
        ((), "--on-duplicate error cannot hold", "--on-duplicate in-order"),
        (("--on-duplicate", "last"), "--on-duplicate last cannot hold", "in-order"),
        (
            ("--on-duplicate", "in-order", "--on-invalid", "stop"),
            "--on-invalid stop looks at all rows first",
            "Leave out --no-check-ahead",
        ),
        (
            ("--on-duplicate", "in-order", "--dry-run"),
            "--dry-run only looks at the rows",
            "Leave out --no-check-ahead",
        ),
    ],
)
def test_what_needs_a_look_at_all_rows(
    bench: Bench, flags: tuple[str, ...], said: str, hint: str
) -> None:
    """What cannot hold without one is refused before anything is asked or sent."""
    source = _write(bench, make_rows(3))
    ended = bench.run(source, "--no-check-ahead", *flags)
    assert ended.code == 2
    assert said in ended.err
    assert hint in ended.err
    assert not bench.emulator.witness.by_operation
    assert not bench.record().path.exists()


def test_only_parquet_says_how_many_rows_it_has(bench: Bench) -> None:
    """Any other format would have to be read first, and is refused by name."""
    ended = bench.run(bench.prepare(3), *FLAGS)
    assert ended.code == 2
    assert "takes Parquet alone, and faces.csv is csv" in ended.err


def test_a_file_without_rows(bench: Bench) -> None:
    """Nothing to send is an error of the input, as ever."""
    table = pa.table({"face_id": pa.array([], pa.string()), "external_image_id": []})
    pq.write_table(table, bench.folder / "none.parquet")
    ended = bench.run("none.parquet", *FLAGS)
    assert ended.code == 2
    assert "none.parquet: there are no rows" in ended.err


def test_damage_is_found_on_the_way(bench: Bench) -> None:
    """What was read before it is sent and on record; the message says what happened."""
    rows = make_rows(40)
    bench.seed([row["face_id"] for row in rows])
    path = Path(bench.folder / _write(bench, rows))
    places = [
        pq.ParquetFile(path).metadata.row_group(5).column(i).data_page_offset
        for i in range(3)
    ]
    content = bytearray(path.read_bytes())
    for place in places:
        content[place : place + 20] = b"\xff" * 20
    path.write_bytes(content)
    ended = bench.run(path.name, *FLAGS)
    assert ended.code == 4
    assert "which was not checked ahead, cannot be read: faces.parquet" in ended.err
    assert "the Parquet data is damaged" in ended.err
