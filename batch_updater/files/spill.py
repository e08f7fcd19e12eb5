"""Columns of numbers put aside in buckets: in memory while they are few, then on disk."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import finalize

import numpy as np
import numpy.typing as npt

from batch_updater.errors import InputError
from batch_updater.files.disk import remedy

BUCKETS = 256

Buckets = npt.NDArray[np.uint8]
Column = npt.NDArray[Any]

_RUN_ROWS = 1 << 15


class Spill:
    """
    Rows of numbers, put into buckets as they come and read bucket by bucket.

    Keeps a run of rows, and 1 KiB for each run before it. Those lie in a file that
    has no name from the start, in TMPDIR: whatever ends the process, nothing stays
    behind. They are read, not mapped: mapped pages would count as memory.

    Args:
        kinds: of what type each column is.
        run_rows: rows that are kept in memory, at most.
        write: tests give a worse disk.

    Raises:
        InputError: from `add`, the disk does not take the file.
    """

    def __init__(
        self,
        kinds: Sequence[npt.DTypeLike],
        *,
        run_rows: int = _RUN_ROWS,
        write: Callable[[int, Any, int], int] = os.pwrite,
    ) -> None:
        self._kinds = [np.dtype(kind) for kind in kinds]
        self._run_rows = run_rows
        self._write = write
        self._rows = 0
        self._fresh: list[tuple[Buckets, tuple[Column, ...]]] = []
        self._kept: _Kept | None = None
        self._runs: list[_Run] = []
        self._fd = -1
        self._end = 0

    def add(self, buckets: Buckets, *columns: Column) -> None:
        """Take rows: the bucket of each, and its numbers, column by column."""
        if self._rows and self._rows + len(buckets) > self._run_rows:
            self._put_away()
        self._fresh.append((buckets, columns))
        self._kept = None
        self._rows += len(buckets)

    def read(self, bucket: int) -> Iterator[tuple[Column, ...]]:
        """Yield a bucket's rows as they came, in blocks of two runs at the most."""
        parts: list[tuple[Column, ...]] = []
        rows = 0
        for run in (*self._runs, self._last()):
            if part := run.part(bucket):
                parts.append(part)
                rows += len(part[0])
            if rows >= self._run_rows:
                yield _joined(parts)
                parts, rows = [], 0
        if parts:
            yield _joined(parts)

    def _last(self) -> "_Kept":
        """Return the rows that are in memory still, sorted."""
        if self._kept:
            return self._kept
        fresh = self._fresh or [(np.empty(0, np.uint8), tuple(self._nothing()))]
        buckets = np.concatenate([buckets for buckets, _ in fresh])
        order = np.argsort(buckets, kind="stable")
        columns = tuple(column[order] for column in _joined([c for _, c in fresh]))
        starts = np.searchsorted(buckets[order], np.arange(BUCKETS + 1)).astype(
            np.int32
        )
        self._fresh = [(buckets[order], columns)]
        self._kept = _Kept(starts, columns)
        return self._kept

    def _nothing(self) -> Iterator[Column]:
        return (np.empty(0, kind) for kind in self._kinds)

    def _put_away(self) -> None:
        run = self._last()
        try:
            if self._fd < 0:
                file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
                finalize(self, file.close)
                self._fd = file.fileno()
            begin = self._end
            for kind, column in zip(self._kinds, run.columns, strict=True):
                self._append(memoryview(column.astype(kind, copy=False).tobytes()))
        except OSError as error:
            raise _no_room(error) from error
        self._runs.append(_Away(run.starts, self._fd, begin, self._kinds))
        self._fresh, self._kept, self._rows = [], None, 0

    def _append(self, data: memoryview) -> None:
        while len(data):
            written = self._write(self._fd, data, self._end)
            self._end += written
            data = data[written:]


class _Run(Protocol):
    """Some rows, sorted by bucket."""

    def part(self, bucket: int) -> tuple[Column, ...]:
        """Return the rows of a bucket, or nothing."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A run in memory, and where in it each bucket starts."""

    starts: npt.NDArray[np.int32]
    columns: tuple[Column, ...]

    def part(self, bucket: int) -> tuple[Column, ...]:
        start, stop = self.starts[bucket : bucket + 2].tolist()
        return tuple(c[start:stop] for c in self.columns) if start < stop else ()


@dataclass(frozen=True, slots=True)
class _Away:
    """A run in a file, column after column."""

    starts: npt.NDArray[np.int32]
    fd: int
    begin: int
    kinds: Sequence[np.dtype[Any]]

    def part(self, bucket: int) -> tuple[Column, ...]:
        start, stop = self.starts[bucket : bucket + 2].tolist()
        return tuple(self._columns(start, stop)) if start < stop else ()

    def _columns(self, start: int, stop: int) -> Iterator[Column]:
        begin, rows = self.begin, int(self.starts[-1])
        for kind in self.kinds:
            size = kind.itemsize
            data = os.pread(self.fd, (stop - start) * size, begin + start * size)
            yield np.frombuffer(data, kind)
            begin += rows * size


def _joined(parts: Sequence[tuple[Column, ...]]) -> tuple[Column, ...]:
    if len(parts) == 1:
        return parts[0]
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _no_room(error: OSError) -> InputError:
    where = tempfile.tempdir or "a folder for temporary files"
    return InputError(
        f"what tells rows of the same face apart cannot be kept in {where}: "
        f"{error.strerror or error}; nothing was sent",
        hint=f"{remedy(error)} there, or name another folder in TMPDIR.",
    )
