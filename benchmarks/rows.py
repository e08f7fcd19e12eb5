"""
Believable rows in files, of any number, made in little memory and time.

Written by a process of its own: a child's peak memory counts what its parent had when
it was started.
"""

from collections.abc import Iterator
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

_BATCH = 100_000
_MANY = 20  # columns that nobody maps

CLEAN = "clean"
KINDS = (
    CLEAN,
    "1 % invalid",
    "10 % invalid",
    "text with spaces",
    "10 % duplicates",
    "every face twice",
    "20 more columns",
)


def write_apart(path: Path, rows: int, kind: str = CLEAN) -> None:
    """Write a CSV or Parquet file, by what its name ends in."""
    process = get_context("spawn").Process(target=_write, args=(path, rows, kind))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{path} could not be written")


def _write(path: Path, rows: int, kind: str) -> None:
    import pyarrow.csv as arrow_csv  # noqa: PLC0415  (not in the process that measures)
    import pyarrow.parquet as pq  # noqa: PLC0415

    batches = _batches(rows, kind)
    first = next(batches)
    if path.suffix == ".parquet":
        writer = pq.ParquetWriter(path, first.schema)
    else:
        options = arrow_csv.WriteOptions(quoting_style="none", quoting_header="none")
        writer = arrow_csv.CSVWriter(path, first.schema, write_options=options)
    with writer:
        for table in chain([first], batches):
            writer.write_table(table)


def _batches(rows: int, kind: str) -> Iterator[Any]:
    for start in range(0, rows, _BATCH):
        yield _batch(start, min(start + _BATCH, rows), kind)


def _batch(start: int, stop: int, kind: str) -> Any:
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    numbers = np.arange(start, stop)
    columns = {
        "face_id": _texts(_faces(numbers, kind), 8),
        "external_image_id": _image_ids(numbers, kind),
        "external_fields.id": _texts(numbers, 11, "3000186"),
        "external_fields.timestamp": pa.array(numbers),
        "external_fields.score": pa.array(numbers % 800 / 8),
        "note": _texts(numbers % 1000, 3, "x y "),
    }
    if kind == "text with spaces":
        columns["external_fields.place"] = columns["note"]
    if kind == "20 more columns":
        columns |= {f"c{i}": _texts(numbers % 997, 3, f"{i} ") for i in range(_MANY)}
    return pa.table(columns)


def _faces(numbers: Any, kind: str) -> Any:
    if kind == "every face twice":
        return numbers // 2
    if kind == "10 % duplicates":  # a row in twenty has the face of the one before
        return numbers - (numbers % 20 == 7)
    return numbers


def _image_ids(numbers: Any, kind: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    good = _texts(numbers, 1, "img-")
    if not kind.endswith("invalid"):
        return good
    bad = numbers % 100 < int(kind.split(maxsplit=1)[0])
    return pc.if_else(pa.array(bad), _texts(numbers, 1, "img "), good)


def _texts(numbers: Any, width: int, before: str = "") -> Any:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(before, digits, "")
