"""The views of a run for people and for retries: results, failed, invalid, ..."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from batch_updater.files.lines import format_time
from batch_updater.files.run_dir import temporary_name
from batch_updater.files.tables import (
    RowWriter,
    as_text,
    open_parquet,
    open_text,
    taken_back,
)
from batch_updater.inert import inert_cell
from batch_updater.models import Outcome, Result

RESULT_COLUMNS = (
    "source",
    "row_number",
    "face_set_name",
    "face_id",
    "outcome",
    "error_code",
    "error_msg",
    "error_class",
    "http_status",
    "request_id",
    "attempts",
    "ambiguous",
    "latency_ms",
    "started_at",
    "finished_at",
    "payload_sha256",
)
FAILED_COLUMNS = (
    "_error_code",
    "_error_msg",
    "_http_status",
    "_request_id",
    "_attempts",
    "_error_class",
)
INVALID_COLUMNS = ("_rule", "_column", "_message")
VIEWS_OF_INPUT = ("failed.csv", "missing.csv", "invalid.csv", "unprocessed.csv")
_TYPES = {
    "row_number": "int64",
    "http_status": "int32",
    "attempts": "int32",
    "ambiguous": "bool",
    "latency_ms": "float64",
}
_OURS = frozenset(FAILED_COLUMNS + INVALID_COLUMNS)


def result_row(result: Result, *, with_payload: bool) -> list[Any]:
    """Return a result as the columns of results.csv."""
    row = [
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
        _milliseconds(result.latency),
        _time(result.started_at),
        _time(result.finished_at),
        result.payload_sha256,
    ]
    return [*row, result.payload] if with_payload else row


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _time(seconds: float | None) -> str:
    return "" if seconds is None else format_time(seconds)


class _InertRows:
    """Writes cells that no spreadsheet takes for formulas; numbers stay as they are."""

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows

    def writerow(self, row: Sequence[Any], /) -> None:
        self._rows.writerow(_inert(row))


def _inert(row: Sequence[Any]) -> list[Any]:
    return [inert_cell(cell) if isinstance(cell, str) else cell for cell in row]


class Views:
    """
    Writes every view of a run in one pass over its rows, in input order.

    `failed.csv`, `invalid.csv` and `unprocessed.csv` repeat the input's own
    columns, unchanged and first; columns that an earlier run of ours added are
    dropped, so that a failed.csv of a failed.csv looks like the first. The columns
    that are ours cannot act in a spreadsheet.

    Args:
        columns: the input's own columns; of several inputs, all of them.
    """

    def __init__(
        self,
        results: RowWriter,
        open_view: "OpenView",
        columns: Sequence[str],
        *,
        values: bool,
    ) -> None:
        self._results = results
        self._open_view = open_view
        self._values = values
        self._own = own_columns(columns)
        self._writers: dict[str, RowWriter] = {}
        self._header: tuple[str, ...] = ()
        self._positions: list[int | None] = []

    def write(
        self, result: Result, header: tuple[str, ...], cells: Sequence[object]
    ) -> None:
        """Write one row; header and cells are the input's, empty if it is gone."""
        self._results.writerow(result_row(result, with_payload=self._values))
        if not header:
            return
        match result.outcome:
            case Outcome.FAILED:
                self._write_view("failed", header, cells, _why(result))
            case Outcome.INVALID | Outcome.DUPLICATE:
                facts = [result.rule, result.column, result.error_msg]
                self._write_view("invalid", header, cells, facts)
            case Outcome.MISSING:
                self._write_view("missing", header, cells, _why(result))
            case Outcome.UNPROCESSED | Outcome.DRIFTED:
                self._write_view("unprocessed", header, cells, [])
            case Outcome.UPDATED | Outcome.UNCHANGED | Outcome.EXPORTED:
                pass

    def begin(self, view: str) -> None:
        """Open a view and write its header, unless that is done."""
        if view not in self._writers:
            self._writers[view] = self._open_view(view)
            self._writers[view].writerow([*self._own, *_ADDED_COLUMNS[view]])

    def _write_view(
        self,
        view: str,
        header: tuple[str, ...],
        cells: Sequence[object],
        facts: list[Any],
    ) -> None:
        self.begin(view)
        if header != self._header:
            self._header = header
            self._positions = align(self._own, header)
        own = ["" if i is None else as_text(cells[i]) for i in self._positions]
        self._writers[view].writerow([*own, *_inert(facts)])


_ADDED_COLUMNS = {
    "failed": FAILED_COLUMNS,
    "missing": FAILED_COLUMNS,
    "invalid": INVALID_COLUMNS,
    "unprocessed": (),
}


def own_columns(header: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that are the input's own, without those that we added."""
    return tuple(name for name in header if name not in _OURS)


def align(own: Sequence[str], header: Sequence[str]) -> list[int | None]:
    """Return where each own column stands in a header, namesakes in their order."""
    places: dict[str, list[int]] = {}
    for i, name in enumerate(header):
        places.setdefault(name, []).append(i)
    return [places[name].pop(0) if places.get(name) else None for name in own]


class OpenView(Protocol):
    """Opens the CSV of a view when its first row comes."""

    def __call__(self, view: str, /) -> RowWriter:
        """Return the writer of the view with this name."""


def _why(result: Result) -> list[Any]:
    return [
        result.error_code,
        result.error_msg,
        result.http_status,
        result.request_id,
        len(result.attempts),
        str(result.error_class or ""),
    ]


@contextmanager
def open_views(
    directory: Path, columns: Sequence[str] | None, *, parquet: bool, values: bool
) -> Iterator[Views]:
    """
    Open the views of a run directory; each is replaced when the block ends well.

    Args:
        columns: the input's own columns; of several inputs, all of them. None when
            the input is gone: views that need it stay as they are.
        parquet: results.parquet instead of results.csv.
        values: whether results carry the payload.
    """
    facts = [*RESULT_COLUMNS, "payload"] if values else list(RESULT_COLUMNS)
    made: list[Path] = []
    kept = VIEWS_OF_INPUT if columns is None else ()
    with taken_back(made), ExitStack() as stack:

        def open_csv(view: str) -> RowWriter:
            path = temporary_name(directory / f"{view}.csv")
            made.append(path)
            return csv.writer(stack.enter_context(open_text(path)))

        results: RowWriter
        if parquet:
            path = temporary_name(directory / "results.parquet")
            made.append(path)
            results = stack.enter_context(open_parquet(path, facts, _TYPES))
        else:
            results = _InertRows(open_csv("results"))
            results.writerow(facts)
        yield Views(results, open_csv, columns or (), values=values)
        stack.close()  # whole, before the first one is replaced
        _replace_views(directory, made, kept)


class _Nowhere:
    def writerow(self, row: Sequence[Any], /) -> None:
        pass


@contextmanager
def open_invalid(path: Path, columns: Sequence[str]) -> Iterator[Views]:
    """Open one file for refused rows, in the form of invalid.csv."""
    temporary = temporary_name(path)
    with taken_back([temporary]):
        with open_text(temporary) as file:
            views = Views(
                _Nowhere(), lambda view: csv.writer(file), columns, values=False
            )
            views.begin("invalid")  # without refused rows it is still a CSV
            yield views
        temporary.replace(path)


def _replace_views(directory: Path, made: list[Path], kept: Sequence[str]) -> None:
    names = {path.name.removeprefix(".").removesuffix(".new") for path in made}
    for path in made:
        path.replace(directory / path.name.removeprefix(".").removesuffix(".new"))
    views = {"results.csv", "results.parquet", *VIEWS_OF_INPUT}
    for stale in views - names - set(kept):
        (directory / stale).unlink(missing_ok=True)
