"""What kind of file it is: told by its name, or by its first bytes."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Literal

Compression = Literal["gz", "zst"]


class InputFormat(StrEnum):
    """How rows are written in a file; a plan is never said (--format), but applied."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    PLAN = "plan"


ROW_FORMATS = tuple(f for f in InputFormat if f is not InputFormat.PLAN)
"""What --format takes."""

PLAN_COLUMNS = ("source", "row_number", "face_id", "status")
"""The columns of a plan that stand for its rows in views; the others hold values."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A format and what it is wrapped in; None where nothing tells."""

    format: InputFormat | None
    compression: Compression | None


KNOWN_EXTENSIONS = {
    ".csv": InputFormat.CSV,
    ".tsv": InputFormat.TSV,
    ".tab": InputFormat.TSV,
    ".jsonl": InputFormat.JSONL,
    ".ndjson": InputFormat.JSONL,
    ".parquet": InputFormat.PARQUET,
    ".pq": InputFormat.PARQUET,
}
_COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".zst": "zst", ".zstd": "zst"}
_MAGIC_COMPRESSIONS: dict[bytes, Compression] = {
    b"\x1f\x8b": "gz",
    b"\x28\xb5\x2f\xfd": "zst",
}
PARQUET_MAGIC = b"PAR1"
_LOOKS = {
    PARQUET_MAGIC: "a Parquet file",
    b"PARE": "an encrypted Parquet file",
    b"PK\x03\x04": "a zip archive, such as an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "gzip-compressed data",
    b"\x28\xb5\x2f\xfd": "zstd-compressed data",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow file",
}
SNAPSHOT_SUFFIXES = (".csv", ".parquet")
HEAD_BYTES = 64


def kind_of_name(name: str) -> Kind:
    """What the extensions say: ``faces.csv.gz`` is CSV in gzip."""
    path = PurePath(name)
    compression = _COMPRESSIONS.get(path.suffix.lower())
    inner = path.with_suffix("") if compression else path
    return Kind(KNOWN_EXTENSIONS.get(inner.suffix.lower()), compression)


def compression_of(head: bytes) -> Compression | None:
    """What the first bytes say; no text in any encoding begins like this."""
    for magic, compression in _MAGIC_COMPRESSIONS.items():
        if head.startswith(magic):
            return compression
    return None


def format_of(head: bytes) -> InputFormat:
    """A guess from the first plain bytes, for input that has no name."""
    if head.startswith(PARQUET_MAGIC):
        return InputFormat.PARQUET
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return InputFormat.JSONL
    return InputFormat.CSV


def looks_like(head: bytes) -> str:
    """What a file that is not what it should be seems to be, or empty."""
    for magic, words in _LOOKS.items():
        if head.startswith(magic):
            return words
    return ""
