"""Parquet: row groups in small batches, with the types the file declares."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from batch_updater.errors import InputError
from batch_updater.files.chunk import Chunk, Header, ReadOptions, arrow_chunk
from batch_updater.files.compression import cannot_read
from batch_updater.files.formats import PARQUET_MAGIC, looks_like
from batch_updater.files.inputs import Input
from batch_updater.models import FieldType

_AGAIN = "Copy or write the file again."
_BUFFER_BYTES = 1 << 16  # for each column


def read(
    source: Input, options: ReadOptions, columns: Sequence[str] | None = None
) -> Iterator[Chunk]:
    """
    The rows in the file's own types, dictionaries and views spelled out.

    Args:
        columns: only these, in the order of the file; None means all.
    """
    row = 1
    with _open(source) as file:
        names = tuple(columns or file.schema_arrow.names)
        for batch in _batches(file, source, options, columns):
            yield arrow_chunk(source.name, row, names, _plain(batch))
            row += batch.num_rows


def read_header(source: Input) -> Header:
    """The columns and what their types are among the types of custom fields."""
    with _open(source) as file:
        schema = file.schema_arrow
        return Header(tuple(schema.names), tuple(map(field_type, schema.types)))


def count_rows(source: Input) -> int:
    """How many rows the file's footer says that it holds."""
    with _open(source) as file:
        return int(file.metadata.num_rows)


def field_type(kind: Any) -> FieldType | None:
    """The custom field type an Arrow type stands for; None if there is none."""
    kind = _value_type(kind)
    for test, found in _FIELD_TYPES:
        if test(kind):
            return found
    return None


def _is_int32(kind: Any) -> bool:
    return kind in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16())


_FIELD_TYPES = (
    (lambda kind: kind == pa.string(), FieldType.STRING),
    (pa.types.is_boolean, FieldType.BOOLEAN),
    (_is_int32, FieldType.INTEGER),
    (pa.types.is_integer, FieldType.LONG),
    (pa.types.is_float32, FieldType.FLOAT),
    (pa.types.is_float64, FieldType.DOUBLE),
)


def _value_type(kind: Any) -> Any:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind


def _plain(batch: Any) -> Any:
    columns = [_plain_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _plain_column(column: Any) -> Any:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = _value_type(column.type)
    return column if column.type == kind else column.cast(kind)


@contextmanager
def _open(source: Input) -> Iterator[Any]:
    try:
        file = pq.ParquetFile(
            source.path,
            # read a row group piece by piece: it may be the whole file
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES,
            page_checksum_verification=True,
        )
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(source, error) from error
    with file:
        yield file


def _batches(
    file: Any, source: Input, options: ReadOptions, columns: Sequence[str] | None
) -> Iterator[Any]:
    row = 1
    try:
        for groups in _row_groups(file.metadata, options.chunk_rows):
            for batch in file.iter_batches(
                options.chunk_rows,
                row_groups=groups,
                columns=columns,
                use_threads=False,
            ):
                batch.validate(full=True)  # or bad text is found by whoever reads it
                yield batch
                row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{source.name}, row {row} or soon after: the Parquet data is damaged "
            f"({error})",
            hint=_AGAIN,
        ) from error


def _row_groups(metadata: Any, rows: int) -> Iterator[list[int]]:
    """
    Yield row groups that are read together: small ones until they fill a chunk.

    Each lot is let go of before the next is opened; read as one, two of them would be
    in memory at every change, and what has been freed between them would stay.
    """
    groups: list[int] = []
    filled = 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        filled += metadata.row_group(group).num_rows
        if filled >= rows:
            yield groups
            groups, filled = [], 0
    if groups:
        yield groups


def _unreadable(source: Input, error: Exception) -> InputError:
    try:
        head, tail = _ends(source.path)
    except OSError as gone:
        return cannot_read(source.name, gone)
    if head != PARQUET_MAGIC:
        look = looks_like(head) or "text or something else"
        return InputError(
            f"{source.name}: is not a Parquet file; it looks like {look}",
            hint="Say --format csv|tsv|jsonl, or name the file by what it is.",
        )
    what = "is damaged" if tail == PARQUET_MAGIC else "is cut short"
    return InputError(f"{source.name}: the Parquet file {what} ({error})", hint=_AGAIN)


def _ends(path: Path) -> tuple[bytes, bytes]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(len(PARQUET_MAGIC))
        stream.seek(max(len(PARQUET_MAGIC), size - len(PARQUET_MAGIC)))
        return head, stream.read()
