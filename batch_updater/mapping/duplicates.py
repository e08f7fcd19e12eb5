"""
Rows that update the same face, found by hashes of its id; pure.

An id's 64-bit hash tells which rows may be about the same face. Those are looked at
again by a second, independent hash; equality of both is equality.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from batch_updater.models import OnDuplicate
from batch_updater.selection import Flags, Ordinals

Hashes = npt.NDArray[np.uint64]

_SECOND_KEY = "batch-updater-02"  # pandas wants exactly 16 bytes


def hash_ids(ids: npt.NDArray[Any]) -> Hashes:
    """Return a 64-bit hash for each id of an array of str."""
    return pd.util.hash_array(ids, categorize=False)


def hash_again(ids: npt.NDArray[Any]) -> Hashes:
    """Return a hash for each id that is independent of the first one."""
    return pd.util.hash_array(ids, hash_key=_SECOND_KEY, categorize=False)


def repeated(parts: Iterable[Hashes]) -> Hashes:
    """
    Return the hashes that stand more than once in all parts together, sorted.

    Keeps each different hash once, however often it comes.
    """
    once, again = np.empty(0, np.uint64), np.empty(0, np.uint64)
    for part in parts:
        hashes = np.concatenate([once, part])
        hashes.sort()
        same = hashes[1:] == hashes[:-1]
        if same.any():
            again = np.union1d(again, hashes[1:][same])
            hashes = hashes[np.r_[True, ~same]]
        once = hashes
    return again


@dataclass(frozen=True, slots=True)
class Faces:
    """
    The faces of some rows, and where each of them stands first and last.

    Args:
        first, second: both hashes of a face's id; sorted by them, each pair once.
        head, tail: the least and the greatest position of its rows.
    """

    first: Hashes
    second: Hashes
    head: Ordinals
    tail: Ordinals

    def joined(self, first: Hashes, second: Hashes, ordinals: Ordinals) -> "Faces":
        """Return the faces of these rows and of some more."""
        if not len(ordinals):
            return self
        order, starts = self._sorted(first, second)
        heads = np.flatnonzero(starts)
        alike = order[heads]
        return Faces(
            np.concatenate([self.first, first])[alike],
            np.concatenate([self.second, second])[alike],
            np.minimum.reduceat(np.concatenate([self.head, ordinals])[order], heads),
            np.maximum.reduceat(np.concatenate([self.tail, ordinals])[order], heads),
        )

    def places(self, first: Hashes, second: Hashes) -> Ordinals:
        """Return for each of these rows, all of known faces, where its face stands."""
        order, starts = self._sorted(first, second)
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.cumsum(starts) - 1
        return places[len(self.first) :]

    def _sorted(self, first: Hashes, second: Hashes) -> tuple[Ordinals, Flags]:
        """Return the order by face of known and new, and where another one begins."""
        a = np.concatenate([self.first, first])
        b = np.concatenate([self.second, second])
        order = np.lexsort((b, a))
        a, b = a[order], b[order]
        change = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
        return order, np.r_[True, change][: len(order)]


NO_FACES = Faces(
    np.empty(0, np.uint64),
    np.empty(0, np.uint64),
    np.empty(0, np.int64),
    np.empty(0, np.int64),
)


def refuse(
    ordinals: Ordinals, head: Ordinals, tail: Ordinals, policy: OnDuplicate
) -> tuple[Ordinals, Ordinals]:
    """
    Return the rows that the policy does not let through, and because of which other.

    Args:
        head, tail: for each row the first and the last one of its face.
    """
    if policy is OnDuplicate.FIRST:
        out, because = ordinals != head, head
    elif policy is OnDuplicate.LAST:
        out, because = ordinals != tail, tail
    else:
        out, because = head != tail, np.where(ordinals == head, tail, head)
    return ordinals[out], because[out]
