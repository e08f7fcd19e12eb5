"""Run directories and the views of a run."""

import csv
import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from batch_updater.errors import RunDirectoryError
from batch_updater.files.batch import Batch
from batch_updater.files.results import (
    FAILED_COLUMNS,
    INVALID_COLUMNS,
    RESULT_COLUMNS,
    Views,
    aligned,
    open_invalid,
    open_views,
    own_columns,
)
from batch_updater.files.run_dir import (
    RunDirectory,
    create_run_directory,
    open_run_directory,
    replace_file,
)
from batch_updater.files.tables import as_text
from batch_updater.models import Attempt, ErrorClass, Outcome, Result

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def result(outcome: Outcome, row: int = 1) -> Result:
    return Result(
        source="a.csv",
        row_number=row,
        face_set_name="set",
        face_id="00123456",
        outcome=outcome,
        error_code="FRS.0303" if outcome is Outcome.FAILED else "",
        error_msg="no, \u201cnot\u201d\nthere",
        error_class=ErrorClass.PERMANENT if outcome is Outcome.FAILED else None,
        http_status=400 if outcome is Outcome.FAILED else None,
        request_id="r1",
        attempts=(Attempt(1.5, 0.25, 500), Attempt(3.0, 0.1234567, 400, "FRS.0303")),
        payload_sha256="ab",
        rule="integer" if outcome is Outcome.INVALID else "",
        column="age" if outcome is Outcome.INVALID else "",
        payload="{}",
    )


Row = tuple[Result, tuple[str, ...], Sequence[object]]


def write(folder: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    with open_views(folder, columns, parquet=False, values=False) as views:
        for line in rows:
            write_row(views, columns, *line)


def write_row(
    views: Views,
    columns: Sequence[str],
    told: Result,
    header: Sequence[str],
    cells: Sequence[object],
) -> None:
    """Write one row; header and cells are the input's, empty if it is gone."""
    texts = [as_text(cell) for cell in cells]
    cells_of_it = partial(aligned, own_columns(columns), header, [texts])
    views.write(Batch.of([told]), (lambda _: cells_of_it()) if header else None)


HEADER = ("face_id", "name", "external_fields")
CELLS = ("00123456", "张三, \n\u201ca\u201d", '{"a": 1}')


def test_views_by_outcome(tmp_path: Path) -> None:
    """Each row is in results, and in the view that its outcome asks for."""
    rows: list[Row] = [
        (result(outcome, row), HEADER, CELLS) for row, outcome in enumerate(Outcome, 1)
    ]
    write(tmp_path, HEADER, rows)
    assert [line[4] for line in read_csv(tmp_path / "results.csv")] == [
        "outcome",
        *Outcome,
    ]
    assert len(read_csv(tmp_path / "failed.csv")) == 1 + 1
    assert len(read_csv(tmp_path / "invalid.csv")) == 1 + 2
    assert len(read_csv(tmp_path / "drifted.csv")) == 1 + 1
    assert len(read_csv(tmp_path / "unprocessed.csv")) == 1 + 1
    for view in ("results", "failed", "drifted", "invalid", "unprocessed"):
        assert (tmp_path / f"{view}.csv").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".*"))


def test_columns_of_the_views(tmp_path: Path) -> None:
    """The input's own columns come first and unchanged, then why."""
    rows: list[Row] = [
        (result(Outcome.FAILED), HEADER, CELLS),
        (result(Outcome.INVALID), HEADER, CELLS),
        (result(Outcome.UNPROCESSED), HEADER, CELLS),
    ]
    write(tmp_path, HEADER, rows)
    message = "no, \u201cnot\u201d\\nthere"
    assert read_csv(tmp_path / "failed.csv") == [
        [*HEADER, *FAILED_COLUMNS],
        [*CELLS, "FRS.0303", message, "400", "r1", "2", "permanent"],
    ]
    assert read_csv(tmp_path / "invalid.csv") == [
        [*HEADER, *INVALID_COLUMNS],
        [*CELLS, "integer", "age", message],
    ]
    assert read_csv(tmp_path / "unprocessed.csv") == [list(HEADER), list(CELLS)]
    assert read_csv(tmp_path / "results.csv")[1] == [
        "a.csv", "1", "set", "00123456", "failed", "FRS.0303", message, "permanent",
        "400", "r1", "2", "False", "123.457", "1970-01-01T00:00:01.500000Z",
        "1970-01-01T00:00:03.123457Z", "ab",
    ]  # fmt: skip


def test_a_failed_csv_of_a_failed_csv(tmp_path: Path) -> None:
    """Columns that an earlier run of ours added are dropped, so the form stays."""
    write(tmp_path, HEADER, [(result(Outcome.FAILED), HEADER, CELLS)])
    first = read_csv(tmp_path / "failed.csv")
    header, cells = tuple(first[0]), tuple(first[1])
    for outcome, view in ((Outcome.FAILED, "failed"), (Outcome.INVALID, "invalid")):
        write(tmp_path, header, [(result(outcome), header, cells)])
        again = read_csv(tmp_path / f"{view}.csv")
        added = FAILED_COLUMNS if view == "failed" else INVALID_COLUMNS
        assert again[0] == [*HEADER, *added]
        assert again[1][:3] == list(CELLS)


def test_several_headers_are_merged(tmp_path: Path) -> None:
    """Rows of inputs with other columns find their places; what is absent is empty."""
    columns = ("face_id", "a", "b", "c")
    rows: list[Row] = [
        (result(Outcome.FAILED, 1), ("face_id", "a", "b"), ("1", "A", "B")),
        (result(Outcome.FAILED, 2), ("c", "face_id"), ("C", "2")),
        (result(Outcome.FAILED, 3), ("face_id", "a", "b"), ("3", None, "B")),
    ]
    write(tmp_path, columns, rows)
    assert [line[:4] for line in read_csv(tmp_path / "failed.csv")] == [
        ["face_id", "a", "b", "c"],
        ["1", "A", "B", ""],
        ["2", "", "", "C"],
        ["3", "", "B", ""],
    ]


def test_namesakes_keep_their_order(tmp_path: Path) -> None:
    """Unused columns may share a name; each keeps its own cells."""
    header = ("note", "face_id", "note", "")
    write(
        tmp_path,
        header,
        [(result(Outcome.FAILED), header, ("first", "1", "second", "none"))],
    )
    assert read_csv(tmp_path / "failed.csv")[1][:4] == ["first", "1", "second", "none"]


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


@MANY
@given(cells=st.lists(st.lists(TEXT, min_size=2, max_size=2), min_size=1, max_size=5))
def test_cells_of_text_survive(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]
) -> None:
    """Quotes, commas, line ends and every alphabet come back as they were."""
    folder = tmp_path_factory.mktemp("views")
    rows: list[Row] = [
        (result(Outcome.UNPROCESSED, i), ("a", "b"), line)
        for i, line in enumerate(cells, 1)
    ]
    write(folder, ("a", "b"), rows)
    assert read_csv(folder / "unprocessed.csv")[1:] == cells


def test_without_the_input_only_results_are_made(tmp_path: Path) -> None:
    """Views that need the input's columns are not made when it is gone."""
    write(tmp_path, (), [(result(Outcome.FAILED), (), ())])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv"]


def test_stale_views_disappear(tmp_path: Path) -> None:
    """A view that has no row any more, or another format, is removed."""
    write(tmp_path, HEADER, [(result(Outcome.FAILED), HEADER, CELLS)])
    with open_views(tmp_path, HEADER, parquet=True, values=False) as views:
        write_row(views, HEADER, result(Outcome.UPDATED), HEADER, CELLS)
    assert [path.name for path in tmp_path.iterdir()] == ["results.parquet"]


def test_views_are_replaced_only_when_whole(tmp_path: Path) -> None:
    """When making the views fails, the old ones stay."""
    write(tmp_path, HEADER, [(result(Outcome.FAILED), HEADER, CELLS)])
    before = (tmp_path / "failed.csv").read_bytes()
    failed = Batch.of([result(Outcome.FAILED)])
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(ValueError, match="longer"))
        views = stack.enter_context(
            open_views(tmp_path, HEADER, parquet=False, values=False)
        )
        write_row(views, HEADER, result(Outcome.INVALID), HEADER, CELLS)
        views.write(failed, lambda _: [])
    assert (tmp_path / "failed.csv").read_bytes() == before
    assert not (tmp_path / "invalid.csv").exists()


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_results_as_parquet(tmp_path: Path, values: bool, rows: int) -> None:
    """results.parquet has the columns of results.csv with types of their own."""
    with open_views(tmp_path, HEADER, parquet=True, values=values) as views:
        for number in range(rows):
            outcome = Outcome.FAILED if number else Outcome.UPDATED
            write_row(views, HEADER, result(outcome, number + 1), HEADER, CELLS)
    path = tmp_path / "results.parquet"
    assert path.stat().st_mode & 0o777 == 0o600
    table = pq.read_table(path)
    assert table.column_names == [*RESULT_COLUMNS, *(["payload"] if values else [])]
    assert table.num_rows == rows
    types = {field.name: field.type for field in table.schema}
    assert types.pop("row_number") == pa.int64()
    assert types.pop("http_status") == types.pop("attempts") == pa.int32()
    assert types.pop("ambiguous") == pa.bool_()
    assert types.pop("latency_ms") == pa.float64()
    assert set(types.values()) == {pa.string()}
    if rows:
        first = table.to_pylist()[0]
        assert first["face_id"] == "00123456"
        assert (first["http_status"], first["latency_ms"]) == (None, 123.457)


def test_many_results_as_parquet(tmp_path: Path) -> None:
    """More rows than fit a group are all there, in order."""
    sent, count = result(Outcome.UPDATED), 20_001
    with open_views(tmp_path, (), parquet=True, values=False) as views:
        for _ in range(count):
            write_row(views, (), sent, (), ())
    file = pq.ParquetFile(tmp_path / "results.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [20_000, 1]
    file.close()


def test_results_of_rows_that_were_never_sent(tmp_path: Path) -> None:
    """A row without attempts has no time and no latency; a rule stands as its code."""
    bare = Result(
        source="a",
        row_number=1,
        face_set_name="set",
        face_id="",
        outcome=Outcome.INVALID,
        rule="face_id_missing",
    )
    with open_views(tmp_path, HEADER, parquet=True, values=False) as views:
        write_row(views, HEADER, bare, HEADER, CELLS)
    line = pq.read_table(tmp_path / "results.parquet").to_pylist()[0]
    assert line["error_code"] == "face_id_missing"
    assert (line["attempts"], line["latency_ms"], line["started_at"]) == (0, None, "")


def test_an_invalid_csv_alone(tmp_path: Path) -> None:
    """check writes refused rows in the form of a run's invalid.csv."""
    path = tmp_path / "refused.csv"
    with open_invalid(path, HEADER) as views:
        write_row(views, HEADER, result(Outcome.INVALID), HEADER, CELLS)
    assert [path.name for path in tmp_path.iterdir()] == ["refused.csv"]
    assert read_csv(path)[0] == [*HEADER, *INVALID_COLUMNS]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("00123456", "00123456"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (1234567890123456789, "1234567890123456789"),
        (1.5, "1.5"),
        ({"a": "张", "b": None}, '{"a": "张", "b": null}'),
        ([1, "x"], '[1, "x"]'),
    ],
)
def test_cells_as_text(value: object, text: str) -> None:
    """Typed cells are written so that they can be read again."""
    assert as_text(value) == text


# Run directories


def test_a_new_run_directory_is_private(tmp_path: Path) -> None:
    """The directory that was asked for is made, with its parents, for us only."""
    directory = create_run_directory(tmp_path / "deep" / "run")
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert directory.run_id == "run"
    assert directory.journal == directory.path / "journal.jsonl"
    (tmp_path / "empty").mkdir(mode=0o755)
    directory = create_run_directory(tmp_path / "empty")
    assert directory.path.stat().st_mode & 0o777 == 0o700


def test_run_directories_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unasked, a run lives under runs/, by UTC time and a short id."""
    monkeypatch.chdir(tmp_path)
    names = {create_run_directory(None).path for _ in range(3)}
    assert len(names) == 3
    assert {path.parent for path in names} == {Path("runs")}


def test_directories_that_cannot_be_used(tmp_path: Path) -> None:
    """A directory in use, a file, and a place that is none are refused with a hint."""
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="is not empty") as caught:
        create_run_directory(tmp_path)
    assert caught.value.hint == "Give another --run-dir."  # there is no run in it
    (tmp_path / "run.json").touch()
    with pytest.raises(RunDirectoryError, match="is not empty") as caught:
        create_run_directory(tmp_path)
    assert f"resume {tmp_path}" in caught.value.hint
    for bad in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunDirectoryError, match="cannot make") as caught:
            create_run_directory(bad)
        assert "--run-dir" in caught.value.hint
        with pytest.raises(RunDirectoryError, match="there is no run directory"):
            open_run_directory(bad)


def test_manifests_read_back_equal(tmp_path: Path) -> None:
    """run.json is written in one step, is private, and reads back."""
    directory = open_run_directory(tmp_path)
    directory.write_manifest({"format": 1, "n": 1})
    directory.write_manifest({"format": 1, "n": 2})
    directory.write_json("summary.json", {"a": "张"})
    assert directory.read_manifest() == {"format": 1, "n": 2}
    assert directory.manifest.stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "summary.json").read_bytes()) == {"a": "张"}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"no run directory: run\.json: No such file"),
        (b"", "is damaged"),
        (b'{"format": 1', "is damaged"),
        (b"[]", "is damaged"),
        (b"{}", "is damaged: its format is None"),
        (b'{"format": 0}', "is damaged"),
        (b'{"format": true}', "is damaged"),
        (b'{"format": 2}', "is in format 2, and this version .* up to 1"),
    ],
)
def test_manifests_of_others(tmp_path: Path, content: bytes | None, said: str) -> None:
    """What is not our run.json is refused by name."""
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunDirectoryError, match=said):
        RunDirectory(tmp_path).read_manifest()


def test_spooled_input_moves_in(tmp_path: Path) -> None:
    """What came in on stdin is kept with the run, once."""
    spooled = tmp_path / "spooled"
    spooled.write_text("face_id\n")
    directory = create_run_directory(tmp_path / "run")
    kept = directory.keep(spooled, directory.spool)
    assert kept == directory.spool.absolute()
    assert directory.keep(kept, directory.spool) == kept
    assert kept.read_text() == "face_id\n"
    assert not spooled.exists()


def test_replacing_leaves_no_wider_mode(tmp_path: Path) -> None:
    """A file that others could read is private once it is ours."""
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o644)
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
