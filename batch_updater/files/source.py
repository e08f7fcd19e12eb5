"""Reading any input: rows in chunks, whatever the format."""

from collections.abc import Iterator

import pyarrow as pa

from batch_updater.files import json_lines, parquet, text_csv
from batch_updater.files.chunk import Chunk, Header, ReadOptions
from batch_updater.files.csv_faults import delimiter_hint
from batch_updater.files.formats import PLAN_COLUMNS
from batch_updater.files.inputs import Input, InputFormat
from batch_updater.files.parquet import count_rows

__all__ = [
    "Chunk",
    "Header",
    "ReadOptions",
    "count_rows",
    "delimiter_hint",
    "read",
    "read_header",
]

# After so many, what is free goes back to the system: pieces of it add up otherwise.
_CHUNKS = 16


def read(
    source: Input, options: ReadOptions, *, verify: bool = False
) -> Iterator[Chunk]:
    """
    The rows of an input, in order, in bounded memory.

    An input with a header and no rows gives no chunk. Chunks of JSON Lines may
    bring new columns: bind columns by name again when ``Chunk.header`` changes.

    Args:
        verify: look twice at what readers of CSV disagree about; meant for
            the first pass over a file.

    Raises:
        InputError: while iterating, as soon as something cannot be read; the
            rows before it have been given by then.
    """
    for number, chunk in enumerate(_chunks(source, options, verify=verify), 1):
        yield chunk
        if not number % _CHUNKS:
            pa.default_memory_pool().release_unused()
    pa.default_memory_pool().release_unused()


def _chunks(source: Input, options: ReadOptions, *, verify: bool) -> Iterator[Chunk]:
    match source.format:
        case InputFormat.CSV | InputFormat.TSV:
            return text_csv.read(source, options, verify=verify)
        case InputFormat.JSONL:
            return json_lines.read(source, options)
        case InputFormat.PARQUET:
            return parquet.read(source, options)
        case InputFormat.PLAN:
            return parquet.read(source, options, PLAN_COLUMNS)


def read_header(source: Input, options: ReadOptions) -> Header:
    """The columns of an input; of JSON Lines, those of its first chunk."""
    match source.format:
        case InputFormat.CSV | InputFormat.TSV:
            return _untyped(text_csv.read_names(source, options))
        case InputFormat.JSONL:
            return _untyped(json_lines.read_names(source, options))
        case InputFormat.PARQUET:
            return parquet.read_header(source)
        case InputFormat.PLAN:
            return _untyped(PLAN_COLUMNS)


def _untyped(names: tuple[str, ...]) -> Header:
    return Header(names, (None,) * len(names))
