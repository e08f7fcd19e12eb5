"""
A plan as a Parquet file: a row for each row of the input, and what it is about.

The file is for reading by anybody, and for sending by `apply` only as it was written.
So what it is about stands in its metadata with a checksum of all rows before it, and
with one of itself; a file that was edited, cut short or written again by another
program does not have both.
"""

import hashlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet as pq

from batch_updater.errors import InputError
from batch_updater.files.disk import sync_directory, sync_file
from batch_updater.files.private import replace_private
from batch_updater.files.run_dir import temporary_name
from batch_updater.files.tables import taken_back

PLAN_FORMAT = 1
"""Grows when an older version would misread what a newer one writes."""

_KEY = b"batch_updater.plan"
_GROUP = 20_000  # rows
_CHANGE = pa.struct(
    [("field", pa.string()), ("old", pa.string()), ("new", pa.string())]
)
PLAN_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row_number", pa.int64()),
        ("face_set_name", pa.string()),
        ("face_id", pa.string()),
        ("status", pa.string()),
        ("changes", pa.list_(_CHANGE)),
        ("update", pa.string()),
        ("before", pa.string()),
        ("seen_in", pa.string()),
        ("error_code", pa.string()),
        ("error_msg", pa.string()),
        ("kept", pa.list_(pa.string())),
    ]
)
"""
The columns of a plan.

`source` and `row_number` are those of the input. `changes` has old and new values as
JSON; old is null when the face has no such field, or when `seen_in` is null and so
nobody knows. `update` is what the row wants as JSON, without the face id; only a row
to change has one. `before` is the whole face as FRS wrote it, where it was read.
`seen_in` says where what the face holds was seen: listing, face, state, or run, in what
the run wrote that a rollback takes back. `error_code` is the broken rule of an invalid
row, and the service's code of a face that is missing or could not be read. `kept` names
the fields that a rollback cannot take back.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """
    What a plan is about.

    Args:
        kind: `plan` or `rollback`.
        created_at: when planning began, UTC ISO-8601.
        project_id: as the service knows it; empty when nobody has been asked.
        declared: types of the face set's custom fields.
        face_number: faces the face set said to hold, or how many the state knows.
        inputs: name, path, size, sha256 and rows of each.
        settings: what planning was told, as run.json has it.
        counts: rows by status.
        parent: the run directory that a rollback takes back, or empty.
    """

    kind: str
    tool_version: str
    created_at: str
    endpoint: str
    project_id: str
    face_set_name: str
    declared: Mapping[str, str]
    face_number: int
    against: str
    inputs: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    parent: str = ""


class PlanWriter:
    """Writes a plan's rows; `facts` may be replaced until the file is closed."""

    def __init__(self, file: IO[bytes], facts: PlanFacts) -> None:
        self.facts = facts
        self._waiting: list[pa.RecordBatch] = []
        self._rows = _Hashed(file)
        self._writer = pq.ParquetWriter(
            self._rows, PLAN_SCHEMA, compression="zstd", write_page_checksum=True
        )

    def write(self, rows: pa.RecordBatch) -> None:
        """Write some rows; they go to disk in groups of some thousand."""
        self._waiting.append(rows)
        if sum(each.num_rows for each in self._waiting) >= _GROUP:
            self._write_group()

    def close(self) -> None:
        """Write what the plan is about, and end the file."""
        self._write_group()
        content = _as_json({"format": PLAN_FORMAT, **asdict(self.facts)})
        told = {
            "facts": content,
            "facts_sha256": hashlib.sha256(content.encode()).hexdigest(),
            "rows_bytes": self._rows.size,
            "rows_sha256": self._rows.digest.hexdigest(),
        }
        self._writer.add_key_value_metadata({_KEY: _as_json(told).encode()})
        self._writer.close()

    def abandon(self) -> None:
        """Let go of a file that nobody wants any more."""
        self._rows.deaf = True
        self._writer.close()  # it would close itself later, and then tell of it

    def _write_group(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting = []


class _Hashed:
    """A file that keeps the checksum of what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0
        self.closed = False
        self.deaf = False

    def write(self, block: Any) -> int:
        raw = memoryview(block)
        if self.deaf:
            return len(raw)
        self.digest.update(raw)
        self.size += len(raw)
        return self._file.write(raw)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self.size

    def close(self) -> None:
        self.closed = True  # whoever opened the file closes it


def _as_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, sort_keys=True)


@contextmanager
def open_plan(path: Path, facts: PlanFacts) -> Iterator[PlanWriter]:
    """Open a plan (0600) under another name; it is renamed when the block ends well."""
    temporary = temporary_name(path)
    with taken_back([temporary]):
        with replace_private(temporary) as file:
            writer = PlanWriter(file, facts)
            try:
                yield writer
                writer.close()
            except BaseException:
                writer.abandon()
                raise
        sync_file(temporary)
        temporary.replace(path)
        sync_directory(path.parent)


def read_plan(path: Path) -> PlanFacts:
    """
    Return what a plan is about, once it is sure that nothing of it was changed.

    Raises:
        InputError: it is no plan, was made by a newer version, was cut short, or is
            not as it was written.
    """
    try:
        with pq.ParquetFile(path) as file:
            told = (file.metadata.metadata or {}).get(_KEY)
            schema, count = file.schema_arrow.remove_metadata(), file.metadata.num_rows
        facts, rows = _facts_in(told, path)
        _check_rows(rows, path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except pa.ArrowException as error:
        raise InputError(
            f"{path} is no Parquet file, or was cut short ({error})", hint=_AGAIN
        ) from None
    if schema != PLAN_SCHEMA or count != sum(facts.counts.values()):
        raise _changed(path)
    return facts


_AGAIN = "Plan again; nothing was sent."


def _facts_in(told: bytes | None, path: Path) -> tuple[PlanFacts, tuple[int, str]]:
    """Return what the metadata says, and the size and checksum of the rows."""
    if told is None:
        raise InputError(
            f"{path} is no plan, or another program has written it again: it does not "
            "say what it is about",
            hint=f"A plan is sent only as it was made. {_AGAIN}",
        )
    try:
        outer = json.loads(told)
        content = outer["facts"]
        whole = hashlib.sha256(content.encode()).hexdigest() == outer["facts_sha256"]
        facts = json.loads(content)
        _refuse_newer(facts, path)
        if not whole or facts.pop("format") != PLAN_FORMAT:
            raise _changed(path)
        rows = int(outer["rows_bytes"]), str(outer["rows_sha256"])
        return _read_facts(facts), rows
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _changed(path) from None


def _refuse_newer(facts: Mapping[str, Any], path: Path) -> None:
    written = facts["format"]
    if type(written) is int and written > PLAN_FORMAT:
        raise InputError(
            f"{path} is in format {written}, and this version of batch-updater reads "
            f"up to {PLAN_FORMAT}",
            hint=f"Use the version that made it ({facts.get('tool_version')!s:.40}) or "
            "a later one, or plan again.",
        )


def _read_facts(facts: Mapping[str, Any]) -> PlanFacts:
    settings = {name: tuple(given) for name, given in facts["settings"].items()}
    inputs = tuple(facts["inputs"])
    return replace(PlanFacts(**facts), inputs=inputs, settings=settings)


def _check_rows(rows: tuple[int, str], path: Path) -> None:
    digest, (left, sha256) = hashlib.sha256(), rows
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
        footer = file.read()
    # What follows the rows is the footer and its size, and nothing else.
    size = int.from_bytes(footer[-8:-4], "little")
    if digest.hexdigest() != sha256 or len(footer) != size + 8:
        raise _changed(path)


def _changed(path: Path) -> InputError:
    return InputError(
        f"{path} is not as it was written: somebody has edited it, or it is damaged",
        hint="A plan is sent only as it was made: change the input instead, and plan "
        "again with "
        + shlex.join(["batch-updater", "plan", "INPUT...", "-o"])
        + f" {shlex.quote(os.fspath(path))}.",
    )


def read_rows(
    path: Path, rows: int = 8192, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a plan, or some columns, in batches of no more than so many."""
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as file:
        yield from file.iter_batches(rows, columns=columns, use_threads=False)
