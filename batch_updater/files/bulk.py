"""
Reading a journal in bulk: many lines at once, as columns.

Arrow reads what looks exactly like a line of ours. Whatever looks otherwise is read
again by `replay`, which alone judges what a line means and what is damage.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby, pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from batch_updater.files.batch import SCHEMA, Batch, Whole
from batch_updater.files.replay import Record, damage, open_journal, parse_line
from batch_updater.models import ErrorClass, Outcome, Result, RowLayout

_BLOCK = 1 << 20  # bytes
_THREADS = 2
_BEGIN = b'{"kind":"result",'
_BEGIN_BYTES = np.frombuffer(_BEGIN, dtype=np.uint8)
_NULL = re.compile(rb'(?<!\\)"\s*:\s*null')  # of a member, not in a payload's text
_STAMP = len("2026-11-25T00:00:00.000000Z")
_LATEST = 253_370_764_800_000_000 - 100 * 366 * 86_400_000_000  # a century before 9999
_LINE_ATTEMPTS = pa.list_(
    pa.struct(
        [
            ("started_at", pa.string()),
            ("latency_ms", pa.float64()),
            ("http_status", pa.int64()),
            ("error_code", pa.string()),
            ("ambiguous", pa.bool_()),
        ]
    )
)
_LINE = pa.schema(
    [
        ("kind", pa.string()),
        *(SCHEMA.field(name) for name in SCHEMA.names if name != "attempts"),
        ("attempts", _LINE_ATTEMPTS),
    ]
)
ALL: tuple[str, ...] = tuple(SCHEMA.names)
_SAID = {
    "outcome": pa.array([*Outcome], pa.string()),
    "error_class": pa.array([*ErrorClass, None], pa.string()),
}
_NEEDED = ("source", "row_number", "outcome")


@dataclass(frozen=True, slots=True)
class Lines:
    """
    Consecutive lines of a journal, each of them a result.

    Args:
        number: of the first line, from 1.
        offsets: where each line starts, in bytes.
    """

    batch: Batch
    path: Path
    number: int
    offsets: Whole

    def __len__(self) -> int:
        return len(self.offsets)

    def ordinals(self, layout: RowLayout) -> Whole:
        """
        Return the position of the row that each line is about.

        Raises:
            RunDirectoryError: there is no such row.
        """
        sources = self.batch["source"].dictionary_encode()
        names = sources.dictionary.to_pylist()
        firsts = np.array([layout.start(name) for name in names], dtype=np.int64)
        counts = np.array([layout.rows.get(name, 0) for name in names], dtype=np.int64)
        which = sources.indices.to_numpy()
        numbers = self.batch["row_number"].to_numpy()
        self.refuse((numbers < 1) | (numbers > counts[which]))
        ordinals: Whole = firsts[which] + numbers - 1
        return ordinals

    def refuse(self, bad: npt.NDArray[np.bool_]) -> None:
        """Raise RunDirectoryError that names the first of the lines that are bad."""
        if bad.any():
            raise damage(self.path, self.number + int(bad.argmax()))


def read_bulk(path: Path, columns: Sequence[str] = ALL) -> Iterator[Record | Lines]:
    """
    Yield every whole line of a journal, results by many, all else one by one.

    Args:
        columns: of results; of what is not among them only the syntax is checked,
            which is twice as fast.

    Raises:
        RunDirectoryError: a line in the middle is not what we write.
    """
    reader = BulkReader(path, columns)
    waiting: deque[Future[list[Record | Lines]]] = deque()
    with open_journal(path) as file, ThreadPoolExecutor(_THREADS) as pool:
        try:
            for block in whole_lines(file):
                waiting.append(pool.submit(reader.read, *block))
                if len(waiting) > _THREADS:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def whole_lines(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """
    Yield whole lines, where they start, and the number of the first.

    From where the file stands, which is the start of a line; lines are counted there.
    """
    parts: list[bytes] = []
    offset, number = file.tell(), 1
    while block := file.read(_BLOCK):
        end = block.rfind(b"\n") + 1
        parts.append(block[:end] if end else block)
        if not end:
            continue  # of a long line
        data = b"".join(parts)
        yield data, offset, number
        offset, number = offset + len(data), number + data.count(b"\n")
        parts = [block[end:]]


class BulkReader:
    """Reads lines as columns."""

    def __init__(self, path: Path, columns: Sequence[str] = ALL) -> None:
        self._path = path
        self._columns = tuple(columns)
        self._whole = self._columns == ALL
        names = ("kind", *ALL) if self._whole else self._columns
        self._parse = pj.ParseOptions(
            explicit_schema=pa.schema([_LINE.field(name) for name in names]),
            unexpected_field_behavior="error" if self._whole else "ignore",
        )

    def read(self, data: bytes, offset: int, number: int) -> list[Record | Lines]:
        """
        Return what whole lines tell.

        Args:
            offset: where they start in the file.
            number: of the first line.
        """
        edges = line_edges(data)
        read: list[Record | Lines] = []
        for first, last in _runs(look_like_results(data, edges)):
            part = data[edges[first] : edges[last]]
            offsets = offset + edges[first:last]
            batch = self.parse(part, last - first)
            if batch is None:
                read += self._carefully(part, offsets.tolist(), number + first)
            else:
                read.append(Lines(batch, self._path, number + first, offsets))
        return read

    def parse(self, data: bytes, count: int) -> Batch | None:
        """Return lines as columns, or None when one may not be what we write."""
        if not data.startswith(_BEGIN):
            return None
        try:
            table = pj.read_json(
                pa.BufferReader(data),
                parse_options=self._parse,
                read_options=pj.ReadOptions(use_threads=False, block_size=len(data)),
            )
            if table.num_rows != count or not self._is_sound(data):
                return None
            columns = table.combine_chunks().to_batches()[0]
            columns.validate(full=True)
            return self._checked(columns)
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return None

    def _is_sound(self, data: bytes) -> bool:
        # Arrow takes any bytes for text that is not asked for, and nulls for nothing.
        if not self._whole and not data.isascii():
            data.decode()
        return b"null" not in data or not _NULL.search(data)

    def _checked(self, columns: Any) -> Batch | None:
        if any(columns.column(name).null_count for name in _NEEDED):
            return None
        arrays = {name: columns.column(name) for name in self._columns}
        for name, said in _SAID.items():
            if name in arrays and not pc.all(pc.is_in(arrays[name], said)).as_py():
                return None
        if "attempts" in arrays:
            attempts = _checked_attempts(arrays["attempts"])
            if attempts is None:
                return None
            arrays["attempts"] = attempts
        return Batch(pa.RecordBatch.from_pydict(arrays))

    def _carefully(
        self, data: bytes, offsets: Sequence[int], number: int
    ) -> Iterator[Record | Lines]:
        lines = BytesIO(data)  # ends lines at line feeds alone
        records = (
            Record(offset, parse_line(line, self._path, n), self._path, n)
            for n, (line, offset) in enumerate(zip(lines, offsets, strict=True), number)
        )
        read = ((r, r.result() if r.kind == "result" else None) for r in records)
        for are_results, group in groupby(read, lambda pair: pair[1] is not None):
            if are_results:
                yield _lines_of(list(group), self._columns)
            else:
                yield from (record for record, _ in group)


def _lines_of(
    read: Sequence[tuple[Record, Result | None]], columns: Sequence[str]
) -> Lines:
    """Return consecutive lines that were read one by one."""
    first, offsets = read[0][0], np.array([record.offset for record, _ in read])
    batch = batch_of(read).only(columns)
    return Lines(batch, first.path, first.number, offsets)


def batch_of(read: Sequence[tuple[Record, Result | None]]) -> Batch:
    """
    Return results that were read one by one.

    Raises:
        RunDirectoryError: a value on a line is larger than any that we write.
    """
    try:
        return Batch.of(result for _, result in read if result)
    except (TypeError, ValueError, OverflowError):
        for pair in read if len(read) > 1 else ():
            batch_of([pair])
        raise read[0][0].damage() from None


def line_edges(data: bytes) -> Whole:
    """Return where whole lines begin, and where the last one ends."""
    array = np.frombuffer(data, dtype=np.uint8)
    edges: Whole = np.r_[0, np.flatnonzero(array == 0x0A) + 1]
    return edges


def look_like_results(data: bytes, edges: Whole) -> npt.NDArray[np.bool_]:
    """Return which lines begin and end as results do, so that each is one object."""
    array = np.frombuffer(data, dtype=np.uint8)
    starts, ends = edges[:-1], edges[1:]
    alike: npt.NDArray[np.bool_] = ends - starts > len(_BEGIN) + 2
    heads = array[starts[alike][:, None] + np.arange(len(_BEGIN))] == _BEGIN_BYTES
    alike[alike] = heads.all(axis=1)
    alike &= array[np.maximum(ends - 2, 0)] == ord("}")
    return alike


def _runs(flags: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield [start, stop) of equal neighbours."""
    breaks = np.flatnonzero(flags[1:] != flags[:-1]) + 1
    edges = [0, *breaks.tolist(), len(flags)]
    yield from pairwise(edges)


def _checked_attempts(lists: Any) -> Any:
    """Return attempts in the form of SCHEMA, or None when one may not be ours."""
    flat = lists.flatten()
    started, latency = flat.field("started_at"), flat.field("latency_ms")
    if flat.null_count or started.null_count or latency.null_count:
        return None
    stamps = _microseconds(started)
    waited = latency.to_numpy(zero_copy_only=False) * 1000
    with np.errstate(invalid="ignore"):
        whole = np.rint(waited)
        if not (whole / 1000 == latency.to_numpy(zero_copy_only=False)).all():
            return None
    if stamps is None or (np.abs(whole) > 1e15).any():
        return None
    counts = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = np.r_[0, np.cumsum(counts.to_numpy(zero_copy_only=False))]
    rest = [flat.field(name) for name in ("http_status", "error_code", "ambiguous")]
    values = pa.StructArray.from_arrays(
        [pa.array(stamps), pa.array(whole.astype(np.int64)), *rest],
        fields=list(SCHEMA.field("attempts").type.value_type),
    )
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _microseconds(texts: Any) -> Whole | None:
    """Return what stamps mean since the epoch, or None if one is not as we write it."""
    lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    if (lengths != _STAMP).any():
        return None
    if not len(texts):
        return np.empty(0, dtype=np.int64)
    first = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset]
    data = np.frombuffer(texts.buffers()[2], dtype=np.uint8)
    table = data[first : first + len(texts) * _STAMP].reshape(-1, _STAMP).copy()
    if (table[:, 10] != ord("T")).any() or (table[:, -1] != ord("Z")).any():
        return None
    table[:, 10] = ord(" ")
    bare = np.ascontiguousarray(table[:, :-1])
    edges = np.arange(len(texts) + 1, dtype=np.int32) * (_STAMP - 1)
    buffers = [None, pa.py_buffer(edges), pa.py_buffer(bare)]
    strings = pa.Array.from_buffers(pa.string(), len(texts), buffers)
    stamps = strings.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    inside = (stamps >= 0).all() and (stamps < _LATEST).all()
    return np.asarray(stamps) if inside else None
