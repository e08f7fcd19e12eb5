"""The views of a run for people and for retries: results, failed, invalid, ..."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from batch_updater.files.batch import Batch, spread
from batch_updater.files.csv_columns import (
    flags,
    fractions,
    inert_cells,
    inert_texts,
    numbers,
    stamps,
    write_columns,
)
from batch_updater.files.private import replace_private
from batch_updater.files.run_dir import temporary_name
from batch_updater.files.tables import (
    RowWriter,
    open_parquet,
    open_text,
    taken_back,
)
from batch_updater.models import Outcome

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
VIEWS_OF_INPUT = (
    *("failed.csv", "missing.csv", "drifted.csv", "invalid.csv"),
    "unprocessed.csv",
)
_TYPES = {
    "row_number": "int64",
    "http_status": "int32",
    "attempts": "int32",
    "ambiguous": "bool",
    "latency_ms": "float64",
}
_OURS = frozenset(FAILED_COLUMNS + INVALID_COLUMNS)

Own = Callable[[list[int]], Iterable[Sequence[str]]]


def result_columns(batch: Batch, *, with_payload: bool) -> list[Any]:
    """Return results as the columns of results.parquet, and of results.csv."""
    attempts = batch.attempts()
    tried, last = attempts.counts > 0, attempts.last
    started = stamps(attempts.started[attempts.first])
    finished = stamps(attempts.started[last] + attempts.latency[last])
    columns = [
        batch["source"],
        batch["row_number"],
        batch.texts("face_set_name"),
        batch.texts("face_id"),
        batch["outcome"],
        _either(batch.texts("error_code"), batch.texts("rule")),
        batch.texts("error_msg"),
        batch.texts("error_class"),
        batch["http_status"],
        batch.texts("request_id"),
        pa.array(attempts.counts, pa.int32()),
        pa.array(batch.flags("ambiguous")),
        spread(pa.array(attempts.latency[last] / 1000), tried),
        pc.fill_null(spread(started, tried), ""),
        pc.fill_null(spread(finished, tried), ""),
        batch.texts("payload_sha256"),
    ]
    return [*columns, batch.texts("payload")] if with_payload else columns


def _either(texts: Any, others: Any) -> Any:
    return pc.if_else(pc.equal(texts, ""), others, texts)


class ResultsWriter(Protocol):
    """Where the lines of results go."""

    def write(self, columns: Sequence[Any], /) -> object:
        """Write lines: their columns, as result_columns returns them."""


class _CsvResults:
    """Writes results of which no cell is a formula; numbers stay as they are."""

    def __init__(self, file: IO[bytes], names: Sequence[str]) -> None:
        self._file = file
        file.write(",".join(names).encode() + b"\r\n")

    def write(self, columns: Sequence[Any], /) -> None:
        write_columns(self._file, [_cells(column) for column in columns])


def _cells(column: Any) -> Any:
    if pa.types.is_string(column.type):
        return inert_cells(column)
    if pa.types.is_boolean(column.type):
        return flags(column)
    return fractions(column) if pa.types.is_floating(column.type) else numbers(column)


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
        results: ResultsWriter,
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

    def write(self, batch: Batch, own: Own | None) -> None:
        """
        Write some rows.

        Args:
            own: returns the input's own cells of rows at these places of the batch,
                in the order of own_columns; None when the input is gone.
        """
        self._results.write(result_columns(batch, with_payload=self._values))
        if own is None:
            return
        for view, outcomes in _OUTCOMES.items():
            shown = pc.is_in(batch["outcome"], pa.array(outcomes, pa.string()))
            places = np.flatnonzero(shown.to_numpy(zero_copy_only=False))
            if len(places):
                self.begin(view)
                facts = _facts_of(view, batch.take(places))
                for cells, why in zip(own(places.tolist()), facts, strict=True):
                    self._writers[view].writerow([*cells, *why])

    def begin(self, view: str) -> None:
        """Open a view and write its header, unless that is done."""
        if view not in self._writers:
            self._writers[view] = self._open_view(view)
            self._writers[view].writerow([*self._own, *_ADDED_COLUMNS[view]])


_OUTCOMES: Mapping[str, tuple[Outcome, ...]] = {
    "failed": (Outcome.FAILED,),
    "missing": (Outcome.MISSING,),
    "drifted": (Outcome.DRIFTED,),
    "invalid": (Outcome.INVALID, Outcome.DUPLICATE),
    "unprocessed": (Outcome.UNPROCESSED,),
}
_ADDED_COLUMNS = {
    "failed": FAILED_COLUMNS,
    "missing": FAILED_COLUMNS,
    "drifted": FAILED_COLUMNS,
    "invalid": INVALID_COLUMNS,
    "unprocessed": (),
}


def _facts_of(view: str, batch: Batch) -> Iterable[tuple[Any, ...]]:
    """Return for each row what a view adds to the input's own cells."""
    if view == "unprocessed":
        return [()] * len(batch)
    if view == "invalid":
        return zip(*_texts(batch, "rule", "column", "error_msg"), strict=True)
    code, message, request, kind = _texts(
        batch, "error_code", "error_msg", "request_id", "error_class"
    )
    statuses, attempts = batch["http_status"].to_pylist(), batch.attempts().counts
    return zip(code, message, statuses, request, attempts.tolist(), kind, strict=True)


def _texts(batch: Batch, *names: str) -> Iterator[list[str]]:
    return (inert_texts(batch.texts(name)).to_pylist() for name in names)


def own_columns(header: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that are the input's own, without those that we added."""
    return tuple(name for name in header if name not in _OURS)


def aligned(
    own: Sequence[str], header: Sequence[str], rows: Iterable[Sequence[str]]
) -> Iterator[Sequence[str]]:
    """Yield rows with one header as rows of own columns; what is absent is empty."""
    if tuple(own) == tuple(header):
        yield from rows
        return
    places = align(own, header)
    for row in rows:
        yield ["" if place is None else row[place] for place in places]


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

        path = temporary_name(directory / f"results.{'parquet' if parquet else 'csv'}")
        made.append(path)
        results: ResultsWriter
        if parquet:
            results = stack.enter_context(open_parquet(path, facts, _TYPES))
        else:
            results = _CsvResults(stack.enter_context(replace_private(path)), facts)
        yield Views(results, open_csv, columns or (), values=values)
        stack.close()  # whole, before the first one is replaced
        _replace_views(directory, made, kept)


class _Nowhere:
    def write(self, columns: Sequence[Any], /) -> None:
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
