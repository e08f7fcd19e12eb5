"""What every reader gives: some rows as a frame, and where they came from."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from batch_updater.models import FieldType


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """
    How inputs are to be read.

    Args:
        delimiter: between the cells of CSV and TSV; None goes by the format.
        encoding: of text formats, as Python names it.
        chunk_rows: most rows in a chunk of JSON Lines or Parquet; a chunk of CSV
            or TSV ends with the block that reaches as many.
        block_bytes: text is read in blocks of at most this size, which no line
            may exceed.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    chunk_rows: int = 8192
    block_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """
    The columns of a source.

    Args:
        names: as written; may be empty or occur twice.
        types: what the column's own type means for a custom field; None where
            the source has no types (text) or one that has no counterpart.
    """

    names: tuple[str, ...]
    types: tuple[FieldType | None, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """
    Consecutive rows of one source.

    Args:
        source: ``Input.name``.
        first_row: row number of the frame's first row, 1-based.
        header: column names as written, by position. The same for every chunk
            of CSV and Parquet; for JSON Lines it may grow at its end from one
            chunk to the next.
        frame: columns labelled 0, 1, ... by position; index 0, 1, ....
            Arrow-backed (CSV: strings, an empty cell is ``""``; Parquet: its
            own types); for JSON Lines ``object`` with Python values, None for
            a key that is absent or null.
    """

    source: str
    first_row: int
    header: tuple[str, ...]
    frame: pd.DataFrame


def arrow_chunk(
    source: str, first_row: int, header: tuple[str, ...], batch: Any
) -> Chunk:
    """A chunk that shares the memory of a record batch (names do not matter)."""
    numbered = pa.RecordBatch.from_arrays(
        batch.columns, names=[str(i) for i in range(batch.num_columns)]
    )
    frame: pd.DataFrame = numbered.to_pandas(types_mapper=pd.ArrowDtype)
    frame.columns = pd.RangeIndex(len(header))
    return Chunk(source, first_row, header, frame)
