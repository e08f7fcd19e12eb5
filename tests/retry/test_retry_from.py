"""failed.csv out and back: what a spreadsheet may do to it, and what it may not."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bench import Bench, Record, face, fault

Table = list[dict[str, str]]

IDS = ("00123456", "1234567890123456789", "12345678", "1e500000", "face0005", "MAR1")
TEAMS = ("007", "true", "1234567890123456789", "1-2", "plain", "1e5")


def table() -> Table:
    """Return rows whose ids and texts a spreadsheet would take for something else."""
    pairs = zip(IDS, TEAMS, strict=True)
    return [
        {
            "note": f"line, {n}",
            "face_id": face_id,
            "external_fields.team": team,
            "external_image_id": f"img-{n}",
        }
        for n, (face_id, team) in enumerate(pairs, 1)
    ]


@pytest.fixture
def failed(bench: Bench) -> Bench:
    """A run in `job` whose every row has failed, for values that FRS refuses."""
    rows = [*table(), {**table()[0], "face_id": "fine0001", "note": "no trouble"}]
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    bench.emulator.script(
        [
            fault("respond", name=face_id, code="FRS.0402", face_id=face_id)
            for face_id in IDS
        ]
    )
    assert bench.run(source, "--same-failures", "off").code == 1
    bench.all_fired()
    bench.emulator.script([])
    return bench


def edit(
    change: Callable[[Table], object] = lambda rows: None,
    *,
    columns: Sequence[str] = (),
    delimiter: str = ",",
    quoted: bool = False,
    end: str = "",
    encoding: str = "utf-8",
) -> str:
    """Write failed.csv as it comes back from a spreadsheet; return the file's name."""
    rows = Record(Path("job")).view("failed")
    change(rows)
    text = io.StringIO()
    names = list(columns or rows[0])
    writer = csv.DictWriter(
        text,
        names,
        delimiter=delimiter,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
        extrasaction="ignore",
    )
    writer.writeheader()
    writer.writerows(rows)
    Path("edited.csv").write_bytes((text.getvalue() + end).encode(encoding))
    return "edited.csv"


def retry(bench: Bench, name: str, *more: str) -> tuple[int, str]:
    """Give the edited file to a retry of `job` into `second`."""
    flags = ("--from", name, "--run-dir", "second", *more)
    ended = bench.command("retry", "job", *flags)
    return ended.code, ended.err


def refused(bench: Bench, name: str, *more: str) -> str:
    """Return what a retry says that sends nothing and leaves no directory."""
    seen = bench.emulator.witness.requests
    code, said = retry(bench, name, *more)
    assert code == 2, said
    assert bench.emulator.witness.requests == seen
    assert not Path("second").exists()
    return said


OURS = ("_error_code", "_error_msg", "_http_status", "_request_id", "_attempts")
OWN = ("note", "face_id", "external_fields.team", "external_image_id")


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"encoding": "utf-8-sig"},
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"delimiter": ";", "encoding": "utf-8-sig", "quoted": True},
        {"delimiter": ";", "end": ";" * 9 + "\r\n" + ";" * 9 + "\r\n"},
        {"end": "\r\n\r\n"},
        {"columns": OWN},
        {"columns": (*OURS, *reversed(OWN))},
        {"columns": ("_error_class", *OWN[1:])},
    ],
    ids=str,
)
def test_what_a_spreadsheet_may_do(failed: Bench, how: dict[str, object]) -> None:
    """Marks, quotes, delimiters, empty lines and the order of columns do no harm."""

    def mend(rows: Table) -> None:
        rows[4]["external_fields.team"] = "mended"
        del rows[0]

    code, said = retry(failed, edit(mend, **how))  # type: ignore[arg-type]
    assert code == 0, said
    record = failed.record("second")
    assert record.outcomes == {"updated": 5}
    assert [row["face_id"] for row in record.results] == list(IDS[1:])
    for n in range(1, 6):
        expected = "mended" if n == 4 else TEAMS[n]
        assert failed.stored(IDS[n])["team"] == expected
    assert failed.stored(IDS[0]) == {}


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_another_encoding_is_named_and_taken(failed: Bench, encoding: str) -> None:
    """A file in another encoding is refused with the flag that helps, and read with it."""

    def mend(rows: Table) -> None:
        rows[0]["note"] = "Grün"

    name = edit(mend, encoding=encoding)
    assert "--encoding" in refused(failed, name)
    code, said = retry(failed, name, "--encoding", encoding)
    assert code == 0, said
    assert failed.record("second").outcomes == {"updated": 6}


DAMAGED = [
    ("00123456", "123456", "leading zeros are gone"),
    ("1234567890123456789", "1.23457E+18", "scientific notation"),
    ("1234567890123456789", "1,23457E+18", "scientific notation"),
    ("1234567890123456789", "1234567890123450000", "digits after the 15th"),
    ("1234567890123456789", "1234567890123456800", "digits after the 15th"),
    ("12345678", "12345678.0", "taken for a fraction"),
    ("12345678", " 12345678", "spaces"),
    ("MAR1", "1-Mar", "became a date; it may have been MAR1"),
    ("face0005", "2026-11-24", "looks like a date"),
    ("face0005", "", "did not fail"),
    ("face0005", "fine0001", "did not fail"),
]


def test_damaged_face_ids(failed: Bench) -> None:
    """An id that is none of those that failed is refused, with its row and the cause."""
    for old, new, said in DAMAGED:

        def damage(rows: Table, old: str = old, new: str = new) -> None:
            [row] = [row for row in rows if row["face_id"] == old]
            row["face_id"] = new

        told = refused(failed, edit(damage))
        number = IDS.index(old) + 1
        assert f"row {number} ({number + 1} in a spreadsheet)" in told
        assert said in told
        assert "as text" in told


TAKEN_FOR_OTHERS = [
    ("007", "7"),
    ("true", "TRUE"),
    ("1234567890123456789", "1.23457E+18"),
    ("1234567890123456789", "1234567890123450000"),
    ("1-2", "2-Jan"),
    ("1e5", "100000"),
]


def test_damaged_values(failed: Bench) -> None:
    """A text that a spreadsheet took for something else is refused; values stay masked."""
    for old, new in TAKEN_FOR_OTHERS:
        number = TEAMS.index(old) + 1

        def damage(rows: Table, number: int = number, new: str = new) -> None:
            rows[number - 1]["external_fields.team"] = new

        name = edit(damage)
        told = refused(failed, name)
        assert f"row {number} ({number + 1} in a spreadsheet)" in told
        assert f"face {IDS[number - 1]}" in told
        assert "column 'external_fields.team'" in told
        assert f"({len(old)} characters became {len(new)})" in told
        assert f"{old!r} became {new!r}" in refused(failed, name, "--include-values")


def test_a_value_that_is_meant_goes_with_run(failed: Bench) -> None:
    """Who means what looks like damage gives the file to run, which believes it."""

    def change(rows: Table) -> None:
        rows[0]["external_fields.team"] = "7"

    name = edit(change)
    refused(failed, name)
    assert failed.run(name, "--run-dir", "second").code == 0
    assert failed.stored(IDS[0])["team"] == "7"


def test_mended_values_are_no_damage(failed: Bench) -> None:
    """Other values are what mending is for: text, numbers, dates, an emptied cell."""
    mended = ("008", "false", "123456789012345678", "", "2026-11-24", "x")

    def mend(rows: Table) -> None:
        for row, team in zip(rows, mended, strict=True):
            row["external_fields.team"] = team

    code, said = retry(failed, edit(mend))
    assert code == 0, said
    for face_id, team in zip(IDS, mended, strict=True):
        assert failed.stored(face_id).get("team", "") == team


def test_a_lost_column(failed: Bench) -> None:
    """A column that the run sends has to be there; others may go."""
    for lost, said in (
        ("face_id", "names no column 'face_id'"),
        ("external_fields.team", "no column 'external_fields.team'"),
    ):
        columns = [column for column in OWN if column != lost]
        assert said in refused(failed, edit(columns=columns))


def test_a_column_more_is_not_sent(failed: Bench) -> None:
    """Columns are those of the run: a new one feeds no field, whatever its name."""

    def add(rows: Table) -> None:
        for row in rows:
            row["external_fields.age"] = "5"

    code, said = retry(failed, edit(add))
    assert code == 0, said
    assert "age" not in failed.stored(IDS[0])


def test_rows_given_twice(failed: Bench) -> None:
    """A row that was copied is refused: it failed once."""
    told = refused(failed, edit(lambda rows: rows.append(rows[4])))
    assert "1 row of this face failed, but the file has 2" in told


NO_FILES = [
    (b"", "empty"),
    (b"\r\n", "empty"),
    (b"PK\x03\x04workbook", "Excel workbook"),
    (b"face_id,external_fields.team,external_image_id\r\n", "no rows"),
    (b"face_id,external_fields.team,external_image_id\r\n,,\r\n", "no rows"),
    (b'face_id,external_fields.team,external_image_id\r\n"a,b', "never closed"),
    (b"face_id|x\r\n", "external_image_id"),
    (b"a,b\r\n1,2\r\n", "names no column"),
    (
        b"face_id,external_fields.team,external_image_id,face_id\r\n",
        "2 columns are called 'face_id'",
    ),
]


def test_files_that_are_none(failed: Bench) -> None:
    """What is no failed.csv is refused with a sentence, never a traceback."""
    for content, said in NO_FILES:
        Path("edited.csv").write_bytes(content)
        assert said in refused(failed, "edited.csv"), content


def test_no_such_file(failed: Bench) -> None:
    """A file that is not there is named; so is stdin, which cannot be read twice."""
    assert "nowhere.csv" in refused(failed, "nowhere.csv")
    assert "-:" in refused(failed, "-")


def test_flags_that_do_not_go_together(failed: Bench) -> None:
    """Rows are chosen in one way, and the run's own input is read as it was."""
    for flags, said in (
        (("--from", "job/failed.csv", "--class", "transient"), "--class"),
        (("--from", "job/failed.csv", "--code", "FRS.0402"), "--code"),
        (("--delimiter", ";"), "--from"),
        (("--encoding", "utf-16"), "--from"),
    ):
        ended = failed.command("retry", "job", "--run-dir", "second", *flags)
        assert ended.code == 2
        assert said in ended.err


def test_the_retry_keeps_what_it_sends(failed: Bench) -> None:
    """The rows stand in the retry's directory: it resumes when the file is gone."""
    name = edit(columns=tuple(reversed(OWN)), delimiter=";")
    failed.emulator.script([fault("respond", code="FRS.0202", after=2, times=0)])
    code, said = retry(failed, name)
    assert code == 3, said
    failed.emulator.script([])
    Path(name).unlink()
    Path("second").rename("moved")
    ended = failed.command("resume", "moved")
    assert ended.code == 0, ended.err
    record = failed.record("moved")
    assert [row["face_id"] for row in record.results] == list(IDS)
    assert {row["source"] for row in record.results} == {"mended.csv"}
    assert (Path("moved") / "mended.csv").stat().st_mode & 0o777 == 0o600


def test_the_settings_are_those_of_the_run(bench: Bench) -> None:
    """Mapping, limit and delimiter of the run do not get in the way of the file."""
    rows = [{"who": face(n), "years": str(n)} for n in range(1, 6)]
    bench.seed([row["who"] for row in rows])
    text = "who|years\n" + "".join(f"{r['who']}|{r['years']}\n" for r in rows)
    Path("faces.csv").write_text(text, "utf-16")
    bench.emulator.script([fault("respond", code="FRS.0402", times=3)])
    flags = ["--delimiter", "|", "--encoding", "utf-16", "--limit", "2"]
    flags += ["--face-id", "who", "--field", "age=years", "--same-failures", "off"]
    assert bench.run("faces.csv", *flags).code == 1
    (first, second) = bench.record().view("failed")
    first["years"] = "77"
    bench.write("edited.csv", [first, second])
    code, said = retry(bench, "edited.csv")
    assert code == 1, said
    assert bench.record("second").outcomes["failed"] == 1
    ended = bench.command("retry", "second", "--run-dir", "third")
    assert ended.code == 0, ended.err
    assert (bench.stored(face(1))["age"], bench.stored(face(2))["age"]) == (77, 2)


def test_long_numbers_that_lost_digits(bench: Bench) -> None:
    """Digits that a number field lost are missed too; another spelling of it is not."""
    bench.emulator.state.add_face_set("numbers", external_fields={"n": "long"})
    numbers = ["1234567890123456789", "20", "1234567890123456789"]
    raw = [{"face_id": face(n)} for n in range(3)]
    bench.emulator.state.seed_faces("numbers", raw)
    rows = [
        {"face_id": face(n), "external_fields.n": text}
        for n, text in enumerate(numbers)
    ]
    bench.write("faces.csv", rows)
    bench.emulator.script([fault("respond", code="FRS.0402", times=3)])
    ended = bench.run("faces.csv", "--face-set", "numbers", "--same-failures", "off")
    assert ended.code == 1
    failed = bench.record().view("failed")
    failed[0]["external_fields.n"] = "1234567890123450000"
    failed[1]["external_fields.n"] = "21"
    bench.write("edited.csv", failed)
    said = refused(bench, "edited.csv")
    assert "row 1 (2 in a spreadsheet)" in said
    assert "row 2" not in said


def test_parquet_goes_out_as_csv_and_comes_back(bench: Bench) -> None:
    """Rows of a Parquet file come back as text and are compared as failed.csv has them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ages = pa.array([1, None, 3], pa.int32())
    teams = pa.array(["01", "02", None])
    ids = pa.array([face(n) for n in (1, 2, 3)])
    columns = {
        "face_id": ids,
        "external_fields.age": ages,
        "external_fields.team": teams,
    }
    pq.write_table(pa.table(columns), "faces.parquet")
    bench.seed([face(n) for n in (1, 2, 3)])
    bench.emulator.script([fault("respond", code="FRS.0402", times=3)])
    assert bench.run("faces.parquet", "--same-failures", "off").code == 1
    rows = bench.record().view("failed")
    rows[1]["external_fields.team"] = "2"
    bench.write("edited.csv", rows)
    assert "leading zeros" in refused(bench, "edited.csv")
    rows[1]["external_fields.team"] = "03"
    bench.write("edited.csv", rows)
    code, said = retry(bench, "edited.csv")
    assert code == 0, said
    assert bench.stored(face(2)) == {"team": "03"}
    assert bench.stored(face(3)) == {"age": 3}


def in_order(bench: Bench) -> None:
    """Leave a run in `job`: rows 1, 3, 4, 6 are one face, of which 3 and 6 failed."""
    numbers = {1: 1, 2: 2, 3: 1, 4: 1, 5: 5, 6: 1, 7: 1}
    rows = [
        {"face_id": face(n), "external_fields.age": str(row), "note": f"{row}"}
        for row, n in numbers.items()
    ]
    bench.seed([face(n) for n in (1, 2, 5)])
    source = bench.write("faces.csv", rows)
    bench.emulator.script(
        [
            fault("respond", name="3", code="FRS.0402", face_id=face(1), after=1),
            fault("respond", name="6", code="FRS.0402", face_id=face(1), after=3),
        ]
    )
    assert bench.run(source, "--on-duplicate", "in-order").code == 1
    assert [row["note"] for row in bench.record().view("failed")] == ["3", "6"]
    assert bench.stored(face(1))["age"] == 7
    bench.all_fired()
    bench.emulator.script([])


def test_mended_rows_keep_the_order_of_a_face(bench: Bench) -> None:
    """A mended row goes before the later rows of its face, which go along."""
    in_order(bench)
    rows = bench.record().view("failed")
    rows[0]["external_fields.age"] = "33"
    bench.write("edited.csv", rows)
    code, said = retry(bench, "edited.csv")
    assert code == 0, said
    assert "2 rows that did not fail will go along" in said
    ages = [row["note"] for row in _sent(bench)]
    assert ages == ["3", "4", "6", "7"]
    assert bench.stored(face(1))["age"] == 7
    [noted] = [x for x in bench.record("second").journal if x["kind"] == "retry"]
    assert (noted["origin"], noted["later"]) == ([[2, 3], [5, 6]], [[1, 1], [3, 3]])


def _sent(bench: Bench) -> list[dict[str, str]]:
    path = bench.folder / "second" / "mended.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_which_of_several_rows_cannot_be_told(bench: Bench) -> None:
    """Of a face's several failed rows all have to come back, or nobody knows which it is."""
    in_order(bench)
    rows = bench.record().view("failed")
    bench.write("edited.csv", rows[:1])
    said = refused(bench, "edited.csv")
    assert "2 rows of this face failed, but the file has 1" in said


def test_a_retry_of_a_mended_retry(bench: Bench) -> None:
    """Rows of a mended retry that failed again come back, and keep whose rows they are."""
    in_order(bench)
    bench.emulator.script([fault("respond", code="FRS.0402", after=2, times=1)])
    code, said = retry(bench, "job/failed.csv")
    assert code == 1, said
    bench.emulator.script([])
    assert [row["note"] for row in bench.record("second").view("failed")] == ["6"]
    bench.emulator.script([fault("respond", code="FRS.0402", times=1)])
    assert bench.command("retry", "second", "--run-dir", "third").code == 1
    [noted] = [x for x in bench.record("third").journal if x["kind"] == "retry"]
    assert noted["origin"] == [[2, 3], [5, 6]]
    bench.emulator.script([])
    again = ("--from", "third/failed.csv", "--run-dir", "fourth")
    assert bench.command("retry", "third", *again).code == 0
    [noted] = [x for x in bench.record("fourth").journal if x["kind"] == "retry"]
    assert noted["origin"] == [[5, 6]]
    told = bench.command("results", "job", "--family", "--output", "json").json
    assert told["outcomes"]["updated"] == told["read"] == 7
    assert json.loads(Path("job/family/summary.json").read_bytes())["read"] == 7
