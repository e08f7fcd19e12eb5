"""
What the state said of the faces of rows when a plan began.

The state goes on while a plan is read, and is another one when the plan is made again
later; so what the plan goes by is kept beside its journal.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from batch_updater.errors import RunDirectoryError
from batch_updater.files.disk import sync_directory, sync_file
from batch_updater.files.private import replace_private
from batch_updater.files.run_dir import temporary_name
from batch_updater.files.tables import taken_back

_SCHEMA = pa.schema([("row", pa.int64()), ("fields", pa.string())])
_AT_ONCE = 8192  # rows


class KnownRows:
    """Reads them in the order of the rows."""

    def __init__(self, rows: Iterator[tuple[int, str]]) -> None:
        self._rows = rows
        self._next = next(self._rows, None)

    def within(self, start: int, stop: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (row, fields) of start <= row < stop, which comes after all before."""
        while self._next is not None and self._next[0] < stop:
            row, fields = self._next
            if row >= start:
                yield row, json.loads(fields)
            self._next = next(self._rows, None)


@contextmanager
def open_known_rows(path: Path) -> Iterator[KnownRows]:
    """
    Open what the state said; nothing when the file is not there.

    Raises:
        RunDirectoryError: it is not what we wrote, here or while it is read.
    """
    if not path.exists():
        yield KnownRows(iter(()))
        return
    with closing(_rows_in(path)) as rows:
        yield KnownRows(rows)


def _rows_in(path: Path) -> Generator[tuple[int, str], None, None]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            if file.schema_arrow != _SCHEMA:
                raise _damaged(path)
            for batch in file.iter_batches(_AT_ONCE, use_threads=False):
                rows, fields = (column.to_pylist() for column in batch.columns)
                yield from zip(rows, fields, strict=True)
    except pa.ArrowException:
        raise _damaged(path) from None


def _damaged(path: Path) -> RunDirectoryError:
    return RunDirectoryError(
        f"{path} is damaged",
        hint="Put it back as the plan wrote it, or plan again.",
    )


def write_known_rows(
    path: Path, known: Iterator[tuple[Sequence[int], Sequence[Mapping[str, Any]]]]
) -> None:
    """
    Write what the state says (0600), in one step.

    Args:
        known: rows in order with the fields of their faces, some thousand at a time.
    """
    temporary = temporary_name(path)
    with taken_back([temporary]):
        with (
            replace_private(temporary) as file,
            pq.ParquetWriter(
                file, _SCHEMA, compression="zstd", write_page_checksum=True
            ) as writer,
        ):
            for rows, fields in known:
                texts = [json.dumps(each) for each in fields]
                writer.write(pa.record_batch([rows, texts], schema=_SCHEMA))
        sync_file(temporary)
        temporary.replace(path)
        sync_directory(path.parent)
