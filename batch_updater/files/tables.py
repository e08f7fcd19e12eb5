"""Rows to files that people and programs open: CSV and Parquet."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Protocol, TextIO

from batch_updater.files.private import replace_private


class RowWriter(Protocol):
    """Where lines of a view go."""

    def writerow(self, row: Sequence[Any], /) -> object:
        """Write one line."""


def as_text(value: object) -> str:
    """Return a cell as CSV carries it: text unchanged, JSON for everything nested."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        return as_json(value)
    return str(value)


def as_json(value: object) -> str:
    """Return a value as JSON on one line, readable in any script."""
    return json.dumps(value, ensure_ascii=False, default=str)


class TextRows:
    """Writes every cell as CSV carries it, where the writer would say `True`."""

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows

    def writerow(self, row: Sequence[Any], /) -> None:
        """Write one line."""
        self._rows.writerow([as_text(cell) for cell in row])


@contextmanager
def taken_back(made: list[Path]) -> Iterator[None]:
    """Leave no half view behind: on a full disk it would be in the way."""
    try:
        yield
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def open_text(path: Path) -> TextIO:
    """Open a private text file (0600) for writing."""
    return TextIOWrapper(replace_private(path), encoding="utf-8", newline="")


@contextmanager
def open_parquet(
    path: Path, columns: Sequence[str], types: Mapping[str, str]
) -> Iterator["ParquetWriter"]:
    """
    Open a private Parquet file (0600) for rows.

    Args:
        types: of columns, as Arrow calls them; all others are text.
    """
    with replace_private(path) as file:
        writer = ParquetWriter(file, columns, types)
        try:
            yield writer
        finally:
            writer.close()


class ParquetWriter:
    """Rows to Parquet in groups, so that memory does not grow with them."""

    _GROUP = 20_000

    def __init__(
        self, file: IO[bytes], columns: Sequence[str], types: Mapping[str, str]
    ) -> None:
        import pyarrow as pa  # noqa: PLC0415  (150 ms that CSV users need not pay)
        import pyarrow.parquet as pq  # noqa: PLC0415

        kinds = {name: pa.type_for_alias(kind) for name, kind in types.items()}
        self._schema = pa.schema(
            [(name, kinds.get(name, pa.string())) for name in columns]
        )
        self._table, self._concat = pa.table, pa.concat_tables
        self._writer = pq.ParquetWriter(file, self._schema)
        self._rows: list[Sequence[Any]] = []
        self._tables: list[Any] = []
        self._waiting = 0

    def writerow(self, row: Sequence[Any], /) -> None:
        """Write one row."""
        self._rows.append(row)
        if len(self._rows) >= self._GROUP:
            self._flush_rows()

    def write(self, columns: Sequence[Any], /) -> None:
        """Write rows: their columns, as Arrow arrays or as lists."""
        table = self._table(list(columns), schema=self._schema)
        self._tables.append(table)
        self._waiting += table.num_rows
        while self._waiting >= self._GROUP:
            self._write_group()

    def close(self) -> None:
        """Write what is left, and what the file is made of."""
        self._flush_rows()
        if self._waiting:
            self._write_group()
        self._writer.close()

    def _flush_rows(self) -> None:
        if self._rows:
            self.write([list(column) for column in zip(*self._rows, strict=True)])
            self._rows = []

    def _write_group(self) -> None:
        waiting = self._concat(self._tables)
        self._writer.write_table(waiting.slice(0, self._GROUP), self._GROUP)
        rest = waiting.slice(self._GROUP)
        self._tables, self._waiting = [rest], rest.num_rows
