"""Numbers put aside come back as they were, by bucket, wherever they lay."""

import errno
import os
import tempfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_updater.errors import InputError
from batch_updater.files.spill import BUCKETS, Spill

ROWS = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1)), max_size=30)


def _add(spill: Spill, rows: list[tuple[int, int]]) -> None:
    buckets = np.array([bucket for bucket, _ in rows], dtype=np.uint8)
    numbers = np.array([number for _, number in rows], dtype=np.uint64)
    spill.add(buckets, numbers, np.arange(len(rows), dtype=np.int64))


@settings(deadline=None)
@given(
    parts=st.lists(ROWS, max_size=8),
    run_rows=st.sampled_from([1, 7, 1000]),
    most=st.integers(1, 50),
)
def test_rows_come_back_by_bucket(
    parts: list[list[tuple[int, int]]], run_rows: int, most: int
) -> None:
    """Every bucket has its rows in the order of coming, also when little is written at once."""

    def write(fd: int, data: Any, offset: int) -> int:
        return os.pwrite(fd, data[:most], offset)

    spill = Spill(("u8", "i8"), run_rows=run_rows, write=write)
    for part in parts:
        _add(spill, part)
    whole = [row for part in parts for row in part]
    for bucket in range(BUCKETS):
        found = [n for numbers, _ in spill.read(bucket) for n in numbers.tolist()]
        assert found == [number for b, number in whole if b == bucket]


def test_few_rows_make_no_file() -> None:
    """As long as they fit in memory, nothing is asked of the disk."""

    def write(fd: int, data: Any, offset: int) -> int:
        raise AssertionError

    spill = Spill(("u8", "i8"), write=write)
    _add(spill, [(7, 1)] * 1000)
    assert sum(len(numbers) for numbers, _ in spill.read(7)) == 1000


def test_a_full_disk_says_where_and_what_to_do() -> None:
    """The folder and TMPDIR are named; nothing was sent."""

    def write(fd: int, data: Any, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    spill = Spill(("u8", "i8"), run_rows=5, write=write)
    _add(spill, [(1, 1)] * 5)
    with pytest.raises(InputError) as caught:
        _add(spill, [(1, 1)])
    assert tempfile.gettempdir() in caught.value.message
    assert "No space left on device; nothing was sent" in caught.value.message
    assert caught.value.hint == ("Make room there, or name another folder in TMPDIR.")


def test_the_file_has_no_name() -> None:
    """After kill -9 nothing is left: there was never anything to see."""
    spill = Spill(("u8", "i8"), run_rows=5)
    _add(spill, [(1, 1)] * 5)
    _add(spill, [(1, 1)] * 5)
    assert os.fstat(spill._fd).st_nlink == 0
    assert os.fstat(spill._fd).st_size == 5 * 16
    assert sum(len(numbers) for numbers, _ in spill.read(1)) == 10
