"""Rows chosen as bits mean what an array of one flag a row means."""

import json
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch_updater.selection import Flags, Selection

MANY = settings(max_examples=200, deadline=None)
# Some blocks of rows, so that what spans them is met as well.
BLOCKS = 200_000


def _flags(total: int, runs: list[tuple[int, int]]) -> Flags:
    flags = np.zeros(total, dtype=np.bool_)
    for start, length in runs:
        flags[start : start + length] = True
    return flags


def few() -> st.SearchStrategy[Any]:
    """Some flags for a few rows."""
    return st.lists(st.booleans(), max_size=40).map(
        lambda flags: np.array(flags, dtype=np.bool_)
    )


def many() -> st.SearchStrategy[Any]:
    """Some flags for many rows, in runs that end anywhere."""
    runs = st.lists(
        st.tuples(st.integers(0, BLOCKS), st.integers(0, BLOCKS)), max_size=5
    )
    return st.builds(_flags, st.integers(0, BLOCKS), runs)


flags_of_rows = st.one_of(few(), many())


@MANY
@given(flags=flags_of_rows)
@example(flags=np.ones(65_536, np.bool_))
def test_bits_are_flags(flags: Flags) -> None:
    """What is chosen, how many, in which order, whether any: as the flags have it."""
    selection = Selection.of(flags)
    assert len(selection) == len(flags)
    assert selection.count() == flags.sum()
    assert selection.any() == flags.any()
    assert list(selection) == np.flatnonzero(flags).tolist()
    assert selection.positions().tolist() == np.flatnonzero(flags).tolist()
    rows = np.arange(len(flags))[::-7]
    assert np.array_equal(selection.at(rows), flags[rows])
    assert all(selection[row] == flags[row] for row in rows[:50].tolist())


@MANY
@given(flags=flags_of_rows, data=st.data())
def test_a_range_is_a_slice(flags: Flags, data: st.DataObject) -> None:
    """A range of rows has the flags that a slice has, beyond the end as well."""
    start = data.draw(st.integers(0, len(flags)))
    stop = data.draw(st.integers(start, len(flags) + 20))
    within = Selection.of(flags).within(start, stop)
    assert np.array_equal(within, flags[start:stop])


@MANY
@given(flags=flags_of_rows)
def test_selections_read_back_equal(flags: Flags) -> None:
    """Rows are kept as ranges that mean the same rows again, and are few."""
    ranges = list(Selection.of(flags).ranges())
    assert Selection.of_ranges(ranges, len(flags)) == Selection.of(flags)
    assert json.loads(json.dumps(ranges)) == ranges
    ends = [position for pair in ranges for position in pair]
    assert ends == sorted(ends)
    assert all(b[0] - a[1] > 1 for a, b in pairwise(ranges))


@MANY
@given(pair=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_sets_are_joined_and_parted(pair: list[tuple[bool, bool]]) -> None:
    """Or, and, without, and not are those of the flags; the operands stay."""
    a, b = (np.array([p[i] for p in pair], dtype=np.bool_) for i in (0, 1))
    left, right = Selection.of(a), Selection.of(b)
    assert (left | right) == Selection.of(a | b)
    assert (left & right) == Selection.of(a & b)
    assert (left - right) == Selection.of(a & ~b)
    assert ~left == Selection.of(~a)
    assert (~left).count() == (~a).sum()
    assert (left, right) == (Selection.of(a), Selection.of(b))
    assert left != [*a]
    assert Selection.none(len(a)) != Selection.none(len(a) + 1)


@MANY
@given(flags=few().filter(len), data=st.data())
def test_rows_are_added_and_taken_away(flags: Flags, data: st.DataObject) -> None:
    """One row, some in any order and twice, or a range; a copy does not change."""
    rows = st.integers(0, len(flags) - 1)
    selection = Selection.of(flags)
    before = selection.copy()
    added = np.array(data.draw(st.lists(rows, max_size=9)), dtype=np.int64)
    expected = flags.copy()
    expected[added] = True
    selection.add(added)
    for row in data.draw(st.lists(rows, max_size=3)):
        selection[row] = chosen = data.draw(st.booleans())
        expected[row] = chosen
    ends = sorted(data.draw(st.tuples(*2 * [st.integers(0, len(flags))])))
    selection.fill(*ends)
    expected[slice(*ends)] = True
    assert selection == Selection.of(expected)
    assert before == Selection.of(flags)


def test_ten_million_rows_take_a_bit_each() -> None:
    """All of ten million rows are 1.25 MB, and counted without spelling them out."""
    everything = Selection.all(10_000_000)
    assert everything._bits.nbytes == 1_250_000
    assert everything.count() == 10_000_000
    assert list(everything.ranges()) == [[0, 9_999_999]]
    assert repr(everything) == "<Selection of 10,000,000 of 10,000,000 rows>"


@MANY
@given(
    total=st.integers(1, 40),
    changes=st.lists(st.lists(st.tuples(st.integers(0, 39), st.booleans()))),
)
def test_the_last_word_about_a_row_counts(
    total: int, changes: list[list[tuple[int, bool]]]
) -> None:
    """Rows are added and taken away in order, several times in one go included."""
    selection, flags = Selection.none(total), np.zeros(total, dtype=np.bool_)
    for each in changes:
        pairs = [(row % total, chosen) for row, chosen in each]
        for row, chosen in pairs:
            flags[row] = chosen
        rows = np.array([row for row, _ in pairs], dtype=np.int64)
        selection.change(rows, np.array([c for _, c in pairs], dtype=np.bool_))
    assert selection == Selection.of(flags)
    assert selection == Selection.unpacked(total, selection.packed())


@given(flags=few(), size=st.integers(0, 60), seed=st.integers(0, 9))
def test_a_sample_is_some_of_the_chosen_rows(
    flags: Flags, size: int, seed: int
) -> None:
    """A sample holds as many rows as asked for, or all; the same chance draws the same."""
    selection = Selection.of(flags)
    sample = selection.sample(size, Random(seed))

    assert sample.count() == min(size, selection.count())
    assert not (sample - selection).any()
    assert selection.sample(size, Random(seed)) == sample


def test_each_row_is_as_likely_in_a_sample() -> None:
    """Over blocks of rows too, each row is drawn about as often as any other."""
    total = 3 << 16
    drawn = Selection.all(total).sample(total // 2, Random(1)).positions()
    by_block = np.bincount(drawn >> 16)

    assert np.abs(by_block - (1 << 15)).max() < 1000
    rows = Counter[int]()
    for seed in range(2000):
        rows.update(Selection.all(5).sample(2, Random(seed)))
    assert all(700 < rows[row] < 900 for row in range(5))
