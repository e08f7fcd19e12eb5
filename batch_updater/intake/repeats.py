"""
Rows of the same face, over all inputs, in memory that does not grow with them.

Hashes go to disk in buckets, and one bucket is looked at at a time. What is known of
each row is a bit: whether its face may stand more than once.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from batch_updater.files.spill import BUCKETS, Column, Spill
from batch_updater.mapping.duplicates import (
    NO_FACES,
    Faces,
    Hashes,
    hash_again,
    hash_ids,
    refuse,
    repeated,
)
from batch_updater.models import OnDuplicate
from batch_updater.selection import Ordinals, Selection

_LEAST_WIDTH = 1 << 16  # rows to a bucket of refusals


class Seen:
    """
    The ids of all rows that may be sent, as hashes: 16 bytes a row, on disk.

    Args:
        spill: where they go; tests give one that is full sooner.
    """

    def __init__(self, spill: Spill | None = None) -> None:
        self._spill = spill or Spill(("u8", "i8"))

    def take(self, ids: npt.NDArray[np.object_], ordinals: Ordinals) -> None:
        """Take the rows of a chunk; ids and ordinals belong together."""
        hashes = hash_ids(ids)
        self._spill.add(_bucket(hashes), hashes, ordinals)

    def repeated(self, total: int) -> Selection:
        """Return the rows whose id may stand more than once: of equal hashes."""
        rows = Selection.none(total)
        for bucket in range(BUCKETS):
            again = repeated(hashes for hashes, _ in self._spill.read(bucket))
            if len(again):
                for hashes, ordinals in self._spill.read(bucket):
                    rows.add(ordinals[np.isin(hashes, again)])
        return rows


def _bucket(hashes: Hashes) -> npt.NDArray[np.uint8]:
    return (hashes >> np.uint64(56)).astype(np.uint8)


class Refused:
    """
    Rows not to be sent because of another one: 16 bytes each, on disk.

    Args:
        total: rows of all inputs.
    """

    def __init__(self, total: int, spill: Spill | None = None) -> None:
        self._width = max(_LEAST_WIDTH, -(-total // BUCKETS))
        self._spill = spill or Spill(("i8", "i8"))
        self._count = 0
        self._open = -1
        self._rows: tuple[Column, ...] = ()

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Ordinals, because: Ordinals) -> None:
        """Add rows, each with the one that it conflicts with, in any order."""
        self._spill.add((rows // self._width).astype(np.uint8), rows, because)
        self._count += len(rows)

    def within(self, start: int, stop: int) -> dict[int, int]:
        """Return {row: row it conflicts with} for start <= row < stop."""
        found: dict[int, int] = {}
        if not self._count:
            return found
        for bucket in range(start // self._width, (stop - 1) // self._width + 1):
            rows, because = self._bucket(bucket)
            a, b = np.searchsorted(rows, [start, stop])
            found |= zip(rows[a:b].tolist(), because[a:b].tolist(), strict=True)
        return found

    def first(self, most: int) -> Iterator[tuple[int, int]]:
        """Yield the first few, in the order of the input."""
        for bucket in range(BUCKETS if self._count else 0):
            rows, because = self._bucket(bucket)
            pairs = zip(rows[:most].tolist(), because[:most].tolist(), strict=True)
            for pair in pairs:
                yield pair
                most -= 1
            if not most:
                return

    def pairs(self) -> npt.NDArray[np.int64]:
        """Return all of them with what they conflict with, in the order of the input."""
        pairs = np.empty((self._count, 2), dtype=np.int64)
        first = 0
        for bucket in range(BUCKETS if self._count else 0):
            rows, because = self._bucket(bucket)
            pairs[first : first + len(rows)] = np.stack([rows, because], axis=1)
            first += len(rows)
        return pairs

    def _bucket(self, bucket: int) -> tuple[Column, ...]:
        if bucket != self._open:
            blocks = [*self._spill.read(bucket)] or [(np.empty(0, "i8"),) * 2]
            rows, because = (np.concatenate(c) for c in zip(*blocks, strict=True))
            order = np.argsort(rows)
            self._open, self._rows = bucket, (rows[order], because[order])
        return self._rows


class Suspects:
    """The rows that may share a face, by both hashes: 24 bytes each, on disk."""

    def __init__(self, spill: Spill | None = None) -> None:
        self._spill = spill or Spill(("u8", "u8", "i8"))

    def take(self, ids: npt.NDArray[np.object_], ordinals: Ordinals) -> None:
        """Take the rows of a chunk; ids and ordinals belong together."""
        first = hash_ids(ids)
        self._spill.add(_bucket(first), first, hash_again(ids), ordinals)

    def settle(self, policy: OnDuplicate, refused: Refused) -> None:
        """Add the rows that the policy does not let through."""
        for bucket in range(BUCKETS):
            faces = NO_FACES
            for block in self._spill.read(bucket):
                faces = faces.joined(*block)
            for first, second, rows in self._spill.read(bucket):
                at = faces.places(first, second)
                head, tail = faces.head[at], faces.tail[at]
                refused.add(*refuse(rows, head, tail, policy))

    def later(self, chosen: Selection) -> Selection:
        """Return the rows after a chosen row of their face that are not chosen too."""
        later = Selection.none(len(chosen))
        for bucket in range(BUCKETS):
            faces = self._faces_of_chosen(bucket, chosen)
            for first, second, rows in self._spill.read(bucket):
                at = faces.places(first, second)
                later.add(rows[(rows > faces.head[at]) & ~chosen.at(rows)])
        return later

    def _faces_of_chosen(self, bucket: int, chosen: Selection) -> Faces:
        """Return the faces of a bucket, and where each is chosen first."""
        faces, never = NO_FACES, np.int64(len(chosen))
        for first, second, rows in self._spill.read(bucket):
            places = np.where(chosen.at(rows), rows, never)
            faces = faces.joined(first, second, places)
        return faces
