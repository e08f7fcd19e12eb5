"""The file that an export makes: whole, or not there."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from batch_updater.files.disk import sync_directory, sync_file
from batch_updater.files.run_dir import temporary_name
from batch_updater.files.tables import (
    RowWriter,
    TextRows,
    open_parquet,
    open_text,
    taken_back,
)


@contextmanager
def open_snapshot(path: Path, types: Mapping[str, str]) -> Iterator[RowWriter]:
    """
    Open a snapshot under another name; it is renamed when the block ends well.

    Args:
        path: CSV, or Parquet when it is called so.
        types: every column's name in order, and its type as Arrow calls it.
    """
    temporary = temporary_name(path)
    with taken_back([temporary]):
        if path.suffix == ".parquet":
            with open_parquet(temporary, list(types), types) as writer:
                yield writer
        else:
            with open_text(temporary) as file:
                rows = csv.writer(file)
                rows.writerow(types)
                yield TextRows(rows)
        sync_file(temporary)
        temporary.replace(path)
        sync_directory(path.parent)
