"""Rows of the same face, against a dictionary that keeps every id."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.files.spill import Spill
from batch_updater.intake.repeats import Refused, Seen, Suspects
from batch_updater.mapping.duplicates import hash_again, hash_ids, repeated
from batch_updater.models import OnDuplicate
from batch_updater.selection import Ordinals, Selection

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
FACE_IDS = st.one_of(
    st.sampled_from(["a", "b", "NA", "00123456", "123456", "张三", ""]),
    st.text("ab\x00", max_size=3),
    st.text(st.characters(codec="utf-8"), max_size=4),
)


def _array(ids: list[str]) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    array = np.empty(len(ids), dtype=object)
    array[:] = ids
    return array


def _spill(*kinds: str) -> Spill:
    """Spill all but a few rows to disk."""
    return Spill(kinds, run_rows=5)


def _suspects(ids: list[str], chunk: int) -> tuple[Suspects, Selection]:
    """Go through the rows twice, as a survey does."""
    parts = [ids[i : i + chunk] for i in range(0, len(ids), chunk)]
    seen, suspects = Seen(_spill("u8", "i8")), Suspects(_spill("u8", "u8", "i8"))
    for i, part in enumerate(parts):
        seen.take(_array(part), np.arange(len(part), dtype=np.int64) + i * chunk)
    again = seen.repeated(len(ids))
    rows = again.positions()
    suspects.take(_array([ids[row] for row in rows.tolist()]), rows)
    return suspects, again


def _settle(ids: list[str], chunk: int, policy: OnDuplicate) -> Refused:
    refused = Refused(len(ids), _spill("i8", "i8"))
    _suspects(ids, chunk)[0].settle(policy, refused)
    return refused


def _by_hand(ids: list[str], policy: OnDuplicate) -> dict[int, int]:
    rows: dict[str, list[int]] = {}
    for row, face_id in enumerate(ids):
        rows.setdefault(face_id, []).append(row)
    refused: dict[int, int] = {}
    for same in rows.values():
        if len(same) < 2:
            continue
        head, tail = same[0], same[-1]
        match policy:
            case OnDuplicate.FIRST:
                refused |= dict.fromkeys(same[1:], head)
            case OnDuplicate.LAST:
                refused |= dict.fromkeys(same[:-1], tail)
            case _:
                refused |= dict.fromkeys(same[1:], head) | {head: tail}
    return refused


REFUSING = [policy for policy in OnDuplicate if policy is not OnDuplicate.IN_ORDER]


@MANY
@given(
    ids=st.lists(FACE_IDS, max_size=40),
    chunk=st.integers(1, 10),
    policy=st.sampled_from(REFUSING),
)
def test_refused_rows_are_those_a_dictionary_finds(
    ids: list[str], chunk: int, policy: OnDuplicate
) -> None:
    """Every policy refuses the rows, for the reasons, that a plain count would."""
    refused = _settle(ids, chunk, policy)
    expected = _by_hand(ids, policy)
    assert refused.within(0, len(ids)) == expected
    assert len(refused) == len(expected)
    assert list(refused.first(3)) == sorted(expected.items())[:3]
    assert refused.pairs().tolist() == [list(p) for p in sorted(expected.items())]


@MANY
@given(ids=st.lists(FACE_IDS, max_size=40), chunk=st.integers(1, 10))
def test_repeated_rows_are_known_by_a_bit(ids: list[str], chunk: int) -> None:
    """In order, a row is kept apart exactly when its face stands more than once."""
    again = _suspects(ids, chunk)[1]
    assert list(again) == [i for i, each in enumerate(ids) if ids.count(each) > 1]


@MANY
@given(
    ids=st.lists(st.sampled_from("abcd"), max_size=30),
    start=st.integers(0, 30),
    size=st.integers(1, 10),
)
def test_a_chunk_gets_its_own_refusals(ids: list[str], start: int, size: int) -> None:
    """What is asked for a range of rows is that part of the whole."""
    refused = _settle(ids, 7, OnDuplicate.ERROR)
    whole = refused.within(0, max(len(ids), 1))
    part = {row: why for row, why in whole.items() if start <= row < start + size}
    assert refused.within(start, start + size) == part


@MANY
@given(
    ids=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40),
    data=st.data(),
)
def test_later_rows_of_chosen_faces(ids: list[str], data: st.DataObject) -> None:
    """What goes along is every row after a chosen one of its face, and nothing else."""
    flags = st.lists(st.booleans(), min_size=len(ids), max_size=len(ids))
    chosen = data.draw(flags)
    suspects, _ = _suspects(ids, 7)
    expected = [
        i
        for i, face_id in enumerate(ids)
        if not chosen[i] and any(chosen[j] and ids[j] == face_id for j in range(i))
    ]
    assert list(suspects.later(Selection.of(chosen))) == expected


def test_nothing_to_settle() -> None:
    """No rows, and no repeated rows, refuse nothing and are later than nothing."""
    assert not Seen().repeated(0).any()
    assert not Suspects().later(Selection.all(3)).any()
    for policy in REFUSING:
        assert not len(_settle([], 1, policy))
        assert not len(_settle(["a", "b"], 1, policy))
        assert not list(_settle(["a", "b"], 1, policy).first(10))


def test_repeated_hashes_are_sorted_and_single() -> None:
    """Each repeated hash is told once, over all chunks together."""
    parts = [np.array([3, 1, 2], np.uint64), np.array([3, 1, 3], np.uint64)]
    assert repeated(parts).tolist() == [1, 3]
    assert not len(repeated([]))


def test_the_hashes_are_independent() -> None:
    """Ids that one hash would confuse are told apart by the other."""
    ids = _array([f"{i:08d}" for i in range(1000)])
    both = np.r_[hash_ids(ids), hash_again(ids)]
    assert len(np.unique(both)) == 2000


def _faces(n: int, kind: str) -> Ordinals:
    rows = np.arange(n)
    return {"pairs": rows // 2, "one": rows * 0, "single": rows}[kind]


@pytest.mark.parametrize("kind", ["pairs", "one", "single"])
def test_far_apart_rows_of_many(kind: str) -> None:
    """Of rows over many buckets and runs, whatever stands twice is found: all or none."""
    total = 150_000  # more than two buckets of refusals
    numbers = _faces(total, kind)
    refused = Refused(total)
    suspects = Suspects()
    for start in range(0, total, 8192):
        part = numbers[start : start + 8192]
        ids = _array([f"{number:08d}" for number in part.tolist()])
        suspects.take(ids, start + np.arange(len(ids)))
    suspects.settle(OnDuplicate.ERROR, refused)
    if kind == "single":
        assert not len(refused)
        return
    assert len(refused) == total
    for start in (0, 65_000, 131_071, total - 10):
        within = refused.within(start, start + 10)
        assert list(within) == list(range(start, start + 10))
        for row, other in within.items():
            assert other == ({0: total - 1}.get(row, 0) if kind == "one" else row ^ 1)


def test_nothing_is_left_open() -> None:
    """The files go when nobody needs them any more, and have no name before."""
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208  (no paths wanted)
    refused = _settle([*"abcdefgh"] * 9, 7, OnDuplicate.LAST)
    assert len(os.listdir("/proc/self/fd")) == len(before) + 1  # noqa: PTH208
    assert len(refused) == 64
    del refused
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
