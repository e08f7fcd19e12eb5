"""CSV and TSV: read fast by pyarrow, explained and double-checked by csv."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from batch_updater.errors import InputError
from batch_updater.files.chunk import Chunk, ReadOptions, arrow_chunk
from batch_updater.files.csv_faults import count_rows, delimiter_of, field_limit
from batch_updater.files.inputs import Input
from batch_updater.files.text import open_text

_SMALL = 1 << 18  # bytes: pyarrow reads up to 32 blocks ahead, however few fill a chunk


def read(source: Input, options: ReadOptions, *, verify: bool) -> Iterator[Chunk]:
    """
    The rows as text, an empty cell as ``""``; blank lines are no rows.

    Args:
        verify: also refuse what pyarrow would read without complaint although
            it is no proper CSV; for the first time a file is read.
    """
    delimiter, row = delimiter_of(source, options), 1
    for block in (min(_SMALL, options.block_bytes), options.block_bytes):
        with open_text(source, options) as text:
            body: io.BufferedReader = io.BufferedReader(text, options.block_bytes)
            header = _header(body, source, options)
            names = [str(i) for i in range(len(header))]
            batches = _after(row - 1, _batches(body, names, delimiter, block))
            try:
                for batch in _joined(batches, options.chunk_rows):
                    yield arrow_chunk(source.name, row, header, batch)
                    row += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                if block < options.block_bytes:
                    continue  # a line may be longer than a small block
                raise _explained(error, source, options) from error
            # Only quotes and single CRs are read in more than one way, so a file
            # without them (most are) need not be read again.
            if verify and (text.has_quotes or text.has_lone_returns):
                _compare(row - 1, source, options)
            return


def read_names(source: Input, options: ReadOptions) -> tuple[str, ...]:
    """The cells of the header line, exactly as written."""
    with open_text(source, options) as text:
        return _header(io.BufferedReader(text, options.block_bytes), source, options)


def _header(
    body: io.BufferedReader, source: Input, options: ReadOptions
) -> tuple[str, ...]:
    lines = (line.decode() for line in iter(body.readline, b""))
    records = csv.reader(lines, delimiter=delimiter_of(source, options), strict=True)
    try:
        with field_limit(options.block_bytes):
            return tuple(next(filter(None, records)))
    except StopIteration:
        raise InputError(
            f"{source.name}: is empty: there is no header line",
            hint="The first line must name the columns.",
        ) from None
    except csv.Error as error:
        raise _explained(error, source, options) from error


def _batches(
    body: io.BufferedReader, names: Sequence[str], delimiter: str, block: int
) -> Iterator[Any]:
    if not body.peek(1):
        return  # pyarrow would call it an empty file
    with _open(body, names, delimiter, block) as reader:
        yield from reader


def _after(rows: int, batches: Iterator[Any]) -> Iterator[Any]:
    """Yield batches without so many rows at their start."""
    for batch in batches:
        if rows < batch.num_rows:
            yield batch.slice(rows)
        rows = max(0, rows - batch.num_rows)


def _joined(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """Yield batches of so many rows or a few more, the last one of what is left."""
    parts: list[Any] = []
    for batch in batches:
        parts.append(batch)
        if sum(part.num_rows for part in parts) >= rows:
            yield _one(parts)
            parts = []
    if parts:
        yield _one(parts)


def _one(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def _open(
    body: io.BufferedReader, names: Sequence[str], delimiter: str, block: int
) -> Any:
    return arrow_csv.open_csv(
        body,
        arrow_csv.ReadOptions(
            # one thread reads millions of rows a second, and keeps their order
            use_threads=False,
            block_size=block,
            column_names=names,
        ),
        arrow_csv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=True,
            ignore_empty_lines=True,
        ),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            null_values=[],
        ),
    )


def _explained(error: Exception, source: Input, options: ReadOptions) -> InputError:
    # neither pyarrow nor csv names the line and what to do, so look again
    try:
        count_rows(source, options)
    except InputError as explained:
        return explained
    return InputError(
        f"{source.name}: cannot be read as {source.format} ({error})",
        hint="Check --format and --delimiter.",
    )


def _compare(rows: int, source: Input, options: ReadOptions) -> None:
    counted = count_rows(source, options)
    if counted != rows:
        raise InputError(
            f"{source.name}: can be read as {rows} rows or as {counted}",
            hint='Quote cells with line ends in them, and write a quote as "".',
        )
