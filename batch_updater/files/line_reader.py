"""Lines of a journal wherever they stand, many at once."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from batch_updater.errors import RunDirectoryError
from batch_updater.files.batch import Batch, Whole
from batch_updater.files.bulk import BulkReader, batch_of, line_edges
from batch_updater.files.replay import Record, damage, open_journal, parse_line
from batch_updater.models import Result

_GAP = 1 << 14  # bytes that are read rather than passed over
_EXTENT = 1 << 20  # bytes that are read at once
_MORE = 1 << 16
_UNKNOWN = 0


class LineReader:
    """
    Reads results again whose places in a journal are known.

    Lines that stand close together are read in one piece: almost all do, since rows
    end almost in the order of the input.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_journal(path)
        self._bulk = BulkReader(path)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def results(self, offsets: Whole) -> Batch:
        """
        Return the results on the lines that start at these bytes, in this order.

        Raises:
            RunDirectoryError: there is no result.
        """
        if not len(offsets):
            return Batch.of([])
        order = np.argsort(offsets, kind="stable")
        inverse = np.empty_like(order)
        inverse[order] = np.arange(len(order))
        lines = pa.concat_arrays([*self._extents(offsets[order])]).take(
            pa.array(inverse)
        )
        batch = self._bulk.parse(_joined(lines), len(lines))
        return batch or self._carefully(lines.to_pylist(), offsets.tolist())

    def _extents(self, offsets: Whole) -> Iterator[Any]:
        """Yield the lines at offsets that ascend, piece by piece."""
        breaks = (np.diff(offsets) > _GAP) | (np.diff(offsets // _EXTENT) > 0)
        for part in np.split(offsets, np.flatnonzero(breaks) + 1):
            yield self._lines(part)

    def _lines(self, offsets: Whole) -> Any:
        start, last = int(offsets[0]), int(offsets[-1])
        data = self._read(start, last)
        edges = line_edges(data).astype(np.int32)
        places = np.searchsorted(edges, offsets - start)
        if (edges[places] != offsets - start).any():
            raise damage(self._path, self._number(start))
        buffers = [None, pa.py_buffer(edges), pa.py_buffer(data)]
        lines = pa.Array.from_buffers(pa.binary(), len(edges) - 1, buffers)
        return lines.take(pa.array(places))

    def _read(self, start: int, last: int) -> bytes:
        """Return whole lines from a place on until the end of the one at another."""
        fd, size = self._file.fileno(), last - start + _MORE
        data = os.pread(fd, size, start)
        while (end := data.find(b"\n", last - start) + 1) == 0:
            more = os.pread(fd, size, start + len(data))
            if not more:
                raise damage(self._path, self._number(last))
            data += more
        return data[:end]

    def _carefully(self, lines: Sequence[bytes], offsets: Sequence[int]) -> Batch:
        pairs = list(zip(lines, offsets, strict=True))
        try:
            return batch_of([self._read_one(*pair, _UNKNOWN) for pair in pairs])
        except RunDirectoryError:
            for line, offset in pairs:  # which of them, and where
                batch_of([self._read_one(line, offset, self._number(offset))])
            raise

    def _read_one(self, line: bytes, offset: int, number: int) -> tuple[Record, Result]:
        facts = parse_line(line, self._path, number)
        record = Record(offset, facts, self._path, number)
        return record, record.result()

    def _number(self, offset: int) -> int:
        """Return the number of the line at an offset, from 1."""
        number, place = 1, 0
        while data := os.pread(
            self._file.fileno(), min(_EXTENT, offset - place), place
        ):
            number, place = number + data.count(b"\n"), place + len(data)
        return number


def _joined(lines: Any) -> bytes:
    """Return lines as they would stand one after the other."""
    edges = np.frombuffer(lines.buffers()[1], dtype=np.int32)[lines.offset :]
    data = lines.buffers()[2]
    return bytes(memoryview(data)[edges[0] : edges[len(lines)]])
