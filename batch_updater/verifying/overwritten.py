"""
Values that a later row of the same face has written over: they are there no more.

Told by hashes of face and field together, which lie on disk; what is looked at at one
time is a bucket of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from batch_updater.files.spill import BUCKETS, Column, Spill
from batch_updater.mapping.comparison import fields_of, update_of
from batch_updater.mapping.duplicates import Hashes, hash_again, hash_ids
from batch_updater.models import RowLayout, Task
from batch_updater.selection import Ordinals, Selection

_LEAST_WIDTH = 1 << 16  # rows to a bucket


def _keys(task: Task) -> list[str]:
    # No field's name has a space in it, whatever an id has.
    return [f"{name} {task.update.face_id}" for name in fields_of(task.update)]


def _hashed(keys: Sequence[str]) -> Hashes:
    return hash_ids(np.array(keys, dtype=object))


class Values:
    """The values that rows write, by face and field: 25 bytes each, on disk."""

    def __init__(self, spill: Spill | None = None) -> None:
        self._spill = spill or Spill(("u8", "u8", "i8", "u1"))

    def take(self, tasks: Iterable[Task], layout: RowLayout) -> None:
        """Take the values of rows."""
        keys: list[str] = []
        rows: list[int] = []
        counts: list[int] = []
        for task in tasks:
            own = _keys(task)
            keys += own
            rows += [layout.ordinal(task.source, task.row_number)] * len(own)
            counts += [len(own)] * len(own)
        if keys:
            texts = np.array(keys, dtype=object)
            first = hash_ids(texts)
            self._spill.add(
                (first >> np.uint64(56)).astype(np.uint8),
                first,
                hash_again(texts),
                np.array(rows, np.int64),
                np.array(counts, np.uint8),
            )

    def overwritten(self, total: int) -> "Overwritten":
        """Return those of which a later row names the same field of the same face."""
        found = Overwritten(total)
        for bucket in range(BUCKETS):
            if blocks := [*self._spill.read(bucket)]:
                found.add(*_not_the_last(blocks))
        return found


def _not_the_last(
    blocks: Sequence[tuple[Column, ...]],
) -> tuple[Ordinals, Hashes, Column]:
    first, second, rows, counts = map(np.concatenate, zip(*blocks, strict=True))
    order = np.lexsort((rows, second, first))
    a, b = first[order], second[order]
    others = order[:-1][(a[1:] == a[:-1]) & (b[1:] == b[:-1])]
    return rows[others], first[others], counts[others]


class Overwritten:
    """
    Which values of which rows are there no more: 17 bytes each, on disk.

    Args:
        total: rows of all inputs.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._width = max(_LEAST_WIDTH, -(-total // BUCKETS))
        self._spill = Spill(("i8", "u8", "u1"))
        self._open = -1
        self._columns: tuple[Column, ...] = ()

    def add(self, rows: Ordinals, keys: Hashes, counts: Column) -> None:
        """
        Add values.

        Args:
            rows: which row each is from.
            keys: the hash of face and field.
            counts: how many values its row has in all.
        """
        self._spill.add((rows // self._width).astype(np.uint8), rows, keys, counts)

    def whole(self) -> Selection:
        """Return the rows of which no value is there any more."""
        found = Selection.none(self._total)
        for bucket in range(BUCKETS):
            rows, _, counts = self._bucket(bucket)
            each, at, gone = np.unique(rows, return_index=True, return_counts=True)
            found.add(each[gone == counts[at]])
        return found

    def left_of(self, task: Task, row: int) -> Task:
        """Return a row's task with what is there of it."""
        rows, keys, _ = self._bucket(row // self._width)
        first, last = np.searchsorted(rows, [row, row + 1])
        if first == last:
            return task
        gone = np.isin(_hashed(_keys(task)), keys[first:last]).tolist()
        fields = fields_of(task.update).items()
        left = dict(f for f, out in zip(fields, gone, strict=True) if not out)
        return replace(task, update=update_of(task.update.face_id, left))

    def _bucket(self, bucket: int) -> tuple[Column, ...]:
        if bucket != self._open:
            columns = tuple(self._read(bucket))
            order = np.argsort(columns[0], kind="stable")
            self._columns = tuple(column[order] for column in columns)
            self._open = bucket
        return self._columns

    def _read(self, bucket: int) -> Iterator[Column]:
        blocks = [*self._spill.read(bucket)]
        nothing = (np.empty(0, "i8"), np.empty(0, "u8"), np.empty(0, "u1"))
        return (np.concatenate(c) for c in zip(*(blocks or [nothing]), strict=True))
