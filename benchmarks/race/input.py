"""The input that all clients send: rows as CSV and Parquet, and the same as bodies."""

import csv
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as pa_csv
from pyarrow import parquet

from batch_updater.frs.protocol import encode_update
from batch_updater.models import FaceUpdate
from benchmarks.nginx.config import FIELDS

_COLUMNS = ("face_id", "external_image_id", *(f"external_fields.{f}" for f in FIELDS))


def make_input(folder: Path, rows: int) -> None:
    """Write rows into a new folder: faces.csv, faces.parquet and bodies.jsonl."""
    folder.mkdir()
    with (folder / "faces.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(_rows(rows))
    with (folder / "bodies.jsonl").open("wb") as bodies:
        for face, image, *values in _rows(rows):
            update = FaceUpdate(
                str(face), str(image), dict(zip(FIELDS, values, strict=True))
            )
            bodies.write(encode_update(update) + b"\n")
    text = {name: pa.string() for name in _COLUMNS if name.endswith("id")}
    table = pa_csv.read_csv(
        folder / "faces.csv", convert_options=pa_csv.ConvertOptions(column_types=text)
    )
    parquet.write_table(table, folder / "faces.parquet", row_group_size=100_000)


def hashes_of(bodies: Path) -> list[str]:
    """Return the SHA-256 of each body in hex, as results.csv has it of a payload."""
    return [sha256(body).hexdigest() for body in bodies.read_bytes().splitlines()]


def _rows(rows: int) -> Iterator[tuple[str | int | float, ...]]:
    for i in range(rows):
        yield (
            f"{i:08d}",
            f"img-{i:08d}",
            1_700_000_000_000 + i,
            i / 8 % 100,
            f"{i:020d}",
        )
