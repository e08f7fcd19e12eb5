"""Which rows of all inputs something is about: one bit for each of them."""

from collections.abc import Iterable, Iterator, Sequence
from random import Random

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Ordinals = npt.NDArray[np.int64]

_BLOCK = 1 << 16  # rows that are spelled out at once


class Selection:
    """
    A set of rows, by their positions among all rows.

    Takes one bit a row, and never more than a block of flags beside it: ten million
    rows are 1.25 MB.

    Args:
        total: how many rows there are, chosen or not.
        bits: which are chosen, eight rows a byte, the first one in the lowest bit.
    """

    __slots__ = ("_bits", "_total")

    def __init__(self, total: int, bits: npt.NDArray[np.uint8]) -> None:
        self._total = total
        self._bits = bits

    @classmethod
    def none(cls, total: int) -> "Selection":
        """Return the selection of no row."""
        return cls(total, np.zeros((total + 7) // 8, dtype=np.uint8))

    @classmethod
    def all(cls, total: int) -> "Selection":
        """Return the selection of every row."""
        return ~cls.none(total)

    @classmethod
    def of(cls, flags: "Flags | Sequence[bool]") -> "Selection":
        """Return the selection that an array of one flag a row means."""
        array = np.asarray(flags, dtype=np.bool_)
        return cls(len(array), np.packbits(array, bitorder="little"))

    @classmethod
    def of_ranges(cls, ranges: Iterable[Sequence[int]], total: int) -> "Selection":
        """Return the selection of [first, last] ranges, as `ranges` gives them."""
        selection = cls.none(total)
        for first, last in ranges:
            selection.fill(first, last + 1)
        return selection

    @classmethod
    def unpacked(cls, total: int, data: bytes) -> "Selection":
        """Return the selection of so many rows that packed wrote."""
        return cls(total, np.frombuffer(data, dtype=np.uint8).copy())

    def packed(self) -> bytes:
        """Return the bits, eight rows a byte."""
        return self._bits.tobytes()

    def __len__(self) -> int:
        return self._total

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selection):
            return NotImplemented
        return self._total == other._total and np.array_equal(self._bits, other._bits)

    __hash__ = None  # type: ignore[assignment]  # rows are added and taken away

    def __repr__(self) -> str:
        return f"<Selection of {self.count():,} of {self._total:,} rows>"

    def __getitem__(self, row: int) -> bool:
        return bool(self._bits[row >> 3] >> (row & 7) & 1)

    def __setitem__(self, row: int, chosen: bool) -> None:
        bit = np.uint8(1 << (row & 7))
        if chosen:
            self._bits[row >> 3] |= bit
        else:
            self._bits[row >> 3] &= ~bit

    def __or__(self, other: "Selection") -> "Selection":
        return Selection(self._total, self._bits | other._bits)

    def __and__(self, other: "Selection") -> "Selection":
        return Selection(self._total, self._bits & other._bits)

    def __sub__(self, other: "Selection") -> "Selection":
        return Selection(self._total, self._bits & ~other._bits)

    def __invert__(self) -> "Selection":
        bits = ~self._bits
        if unused := -self._total % 8:
            bits[-1] &= 0xFF >> unused
        return Selection(self._total, bits)

    def copy(self) -> "Selection":
        """Return the same rows; changing one of the two leaves the other alone."""
        return Selection(self._total, self._bits.copy())

    def any(self) -> bool:
        """Return whether there is a row."""
        return bool(self._bits.any())

    def count(self) -> int:
        """Return how many rows there are."""
        return int.from_bytes(self._bits.tobytes(), "little").bit_count()

    def fill(self, start: int, stop: int) -> None:
        """Add all rows from start to before stop, which are among the total."""
        for first in range(start, stop, _BLOCK):
            last = min(first + _BLOCK, stop)
            part = self._bits[first >> 3 : (last + 7) >> 3]
            flags = np.zeros(len(part) * 8, dtype=np.bool_)
            flags[first & 7 : (first & 7) + last - first] = True
            part |= np.packbits(flags, bitorder="little")

    def add(self, rows: Ordinals) -> None:
        """Add rows, in any order."""
        np.bitwise_or.at(self._bits, rows >> 3, (1 << (rows & 7)).astype(np.uint8))

    def change(self, rows: Ordinals, chosen: Flags) -> None:
        """Add rows or take them away; the last word about a row counts."""
        blocks = rows // _BLOCK
        for block in np.unique(blocks).tolist():
            which = blocks == block
            part = self._bits[block * _BLOCK >> 3 : (block + 1) * _BLOCK >> 3]
            flags = np.unpackbits(part, bitorder="little")
            flags[rows[which] - block * _BLOCK] = chosen[which]
            part[:] = np.packbits(flags, bitorder="little")

    def at(self, rows: Ordinals) -> Flags:
        """Return for each of these rows whether it is chosen."""
        bits: npt.NDArray[np.uint8] = self._bits[rows >> 3] >> (rows & 7).astype("u1")
        return (bits & 1).view(np.bool_)

    def within(self, start: int, stop: int) -> Flags:
        """Return one flag for each row from start to before stop."""
        part = self._bits[start >> 3 : (stop + 7) >> 3]
        flags = np.unpackbits(part, bitorder="little").view(np.bool_)
        return flags[start & 7 : (start & 7) + min(stop, self._total) - start]

    def blocks(self) -> Iterator[Ordinals]:
        """Yield the chosen rows in order, some thousands at a time."""
        for start in range(0, self._total, _BLOCK):
            stop = min(start + _BLOCK, self._total)
            if self._bits[start >> 3 : (stop + 7) >> 3].any():
                yield start + np.flatnonzero(self.within(start, stop))

    def positions(self) -> Ordinals:
        """Return the chosen rows in order; eight bytes for each of them."""
        return np.concatenate([np.empty(0, np.int64), *self.blocks()])

    def __iter__(self) -> Iterator[int]:
        """Iterate over the chosen rows, in order."""
        for block in self.blocks():
            yield from block.tolist()

    def sample(self, size: int, chance: Random) -> "Selection":
        """
        Return so many of the chosen rows, each as likely as any other; or all of them.

        Goes block by block: each gets as many as it would hold of a draw from all.
        """
        left, wanted = self.count(), size
        taken = Selection.none(self._total)
        random = np.random.default_rng(chance.getrandbits(128))
        for block in self.blocks():
            wanted = min(wanted, left)
            some = int(random.hypergeometric(len(block), left - len(block), wanted))
            taken.add(random.choice(block, some, replace=False))
            left, wanted = left - len(block), wanted - some
        return taken

    def ranges(self) -> Iterator[list[int]]:
        """Yield the chosen rows as [first, last] ranges with gaps between them."""
        open_since: int | None = None
        before = False
        for start in range(0, self._total, _BLOCK):
            stop = min(start + _BLOCK, self._total)
            flags = self.within(start, stop)
            edges = np.flatnonzero(np.diff(np.r_[before, flags]))
            for edge in (start + edges).tolist():
                if open_since is None:
                    open_since = edge
                else:
                    yield [open_since, edge - 1]
                    open_since = None
            before = bool(flags[-1])
        if open_since is not None:
            yield [open_since, self._total - 1]
