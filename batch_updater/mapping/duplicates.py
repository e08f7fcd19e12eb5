"""
Rows that update the same face, found without keeping the ids.

Every id is kept as a 64-bit hash (8 bytes a row). Only ids whose hash repeats are
looked at again, by a second, independent hash; equality of both is equality.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from batch_updater.models import OnDuplicate
from batch_updater.selection import Ordinals, Selection

Hashes = npt.NDArray[np.uint64]

_SECOND_KEY = "batch-updater-02"  # pandas wants exactly 16 bytes


def hash_ids(ids: npt.NDArray[Any]) -> Hashes:
    """Return a 64-bit hash for each id of an array of str."""
    return pd.util.hash_array(ids, categorize=False)


def hash_id(face_id: str) -> int:
    """Return the hash of one id, as hash_ids gives it."""
    return int(hash_ids(np.array([face_id], dtype=object))[0])


def repeated(parts: list[Hashes]) -> Hashes:
    """Return the hashes that stand more than once in all parts together, sorted."""
    if not parts:
        return np.empty(0, dtype=np.uint64)
    hashes = np.concatenate(parts)
    hashes.sort()
    again = hashes[1:][hashes[1:] == hashes[:-1]]
    return np.unique(again)


def is_among(hashes: Hashes, face_id: str) -> bool:
    """Return whether an id's hash stands in a sorted array; 8 bytes an id."""
    hashed = np.uint64(hash_id(face_id))
    place = int(np.searchsorted(hashes, hashed))
    return place < len(hashes) and bool(hashes[place] == hashed)


@dataclass(frozen=True, slots=True)
class Refused:
    """
    Rows not to be sent because of another row.

    Args:
        ordinals: positions in the whole input, from 0, sorted.
        because: for each, the position of the row that it conflicts with.
    """

    ordinals: Ordinals
    because: Ordinals

    def within(self, start: int, stop: int) -> dict[int, int]:
        """Return {ordinal: ordinal it conflicts with} for start <= ordinal < stop."""
        a, b = np.searchsorted(self.ordinals, [start, stop])
        pairs = zip(self.ordinals[a:b], self.because[a:b], strict=True)
        return {int(row): int(other) for row, other in pairs}


NO_REFUSALS = Refused(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(slots=True)
class Suspects:
    """Gathers the rows whose first hash repeats, and settles them."""

    hashes: Hashes
    _first: list[Hashes] = field(default_factory=list)
    _second: list[Hashes] = field(default_factory=list)
    _ordinals: list[Ordinals] = field(default_factory=list)

    def add(self, ids: npt.NDArray[Any], ordinals: Ordinals) -> None:
        """Take the rows of a chunk; ids and ordinals belong together."""
        first = hash_ids(ids)
        suspect = np.isin(first, self.hashes)
        self._first.append(first[suspect])
        self._second.append(
            pd.util.hash_array(ids[suspect], hash_key=_SECOND_KEY, categorize=False)
        )
        self._ordinals.append(ordinals[suspect])

    def settle(self, policy: OnDuplicate) -> Refused:
        """Return the rows that the policy does not let through."""
        if policy is OnDuplicate.IN_ORDER:
            return NO_REFUSALS
        ordinals, starts = self._by_face()
        if not len(ordinals):
            return NO_REFUSALS
        return _refuse(ordinals, starts, policy)

    def later(self, chosen: Selection) -> Ordinals:
        """Return the rows after a chosen row of their face that are not chosen too."""
        ordinals, starts = self._by_face()
        if not len(ordinals):
            return ordinals
        taken = chosen.at(ordinals).astype(np.int64)
        seen = np.cumsum(taken) - taken  # chosen ones before each, of any face
        before_face = seen[np.flatnonzero(starts)][np.cumsum(starts) - 1]
        return np.sort(ordinals[(seen > before_face) & (taken == 0)])

    def _by_face(self) -> tuple[Ordinals, npt.NDArray[np.bool_]]:
        """Return the ordinals face by face, and where another face begins."""
        if not self._ordinals:
            return np.empty(0, np.int64), np.empty(0, np.bool_)
        first = np.concatenate(self._first)
        second = np.concatenate(self._second)
        ordinals = np.concatenate(self._ordinals)
        order = np.lexsort((ordinals, second, first))
        first, second, ordinals = first[order], second[order], ordinals[order]
        change = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        return ordinals, np.r_[True, change][: len(ordinals)]


def _refuse(
    ordinals: Ordinals, starts: npt.NDArray[np.bool_], policy: OnDuplicate
) -> Refused:
    group = np.cumsum(starts) - 1
    heads = np.flatnonzero(starts)
    tails = np.r_[heads[1:], len(ordinals)] - 1
    size = (tails - heads + 1)[group]
    head, tail = ordinals[heads][group], ordinals[tails][group]
    if policy is OnDuplicate.FIRST:
        out, because = ordinals != head, head
    elif policy is OnDuplicate.LAST:
        out, because = ordinals != tail, tail
    else:
        out, because = size > 1, np.where(ordinals == head, tail, head)
    chosen, reason = ordinals[out], because[out]
    by_row = np.argsort(chosen)
    return Refused(chosen[by_row], reason[by_row])
