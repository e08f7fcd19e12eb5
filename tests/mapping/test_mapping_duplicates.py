"""Rows of the same face, against a dictionary that keeps every id."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.mapping.duplicates import (
    Refused,
    Suspects,
    hash_id,
    hash_ids,
    repeated,
)
from batch_updater.models import OnDuplicate

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _array(ids: list[str]) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    array = np.empty(len(ids), dtype=object)
    array[:] = ids
    return array


def _settle(ids: list[str], chunk: int, policy: OnDuplicate) -> Refused:
    parts = [ids[i : i + chunk] for i in range(0, len(ids), chunk)]
    suspects = Suspects(repeated([hash_ids(_array(part)) for part in parts]))
    for i, part in enumerate(parts):
        ordinals = np.arange(len(part), dtype=np.int64) + i * chunk
        suspects.add(_array(part), ordinals)
    return suspects.settle(policy)


def _by_hand(ids: list[str], policy: OnDuplicate) -> dict[int, int]:
    rows: dict[str, list[int]] = {}
    for row, face_id in enumerate(ids):
        rows.setdefault(face_id, []).append(row)
    refused: dict[int, int] = {}
    for same in rows.values():
        if len(same) < 2 or policy is OnDuplicate.IN_ORDER:
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


FACE_IDS = st.one_of(
    st.sampled_from(["a", "b", "NA", "00123456", "123456", "张三", ""]),
    st.text("ab\x00", max_size=3),
    st.text(st.characters(codec="utf-8"), max_size=4),
)


@MANY
@given(
    ids=st.lists(FACE_IDS, max_size=40),
    chunk=st.integers(1, 10),
    policy=st.sampled_from(OnDuplicate),
)
def test_refused_rows_are_those_a_dictionary_finds(
    ids: list[str], chunk: int, policy: OnDuplicate
) -> None:
    """Every policy refuses the rows, for the reasons, that a plain count would."""
    refused = _settle(ids, chunk, policy)
    assert refused.within(0, len(ids)) == _by_hand(ids, policy)
    assert refused.ordinals.tolist() == sorted(refused.ordinals.tolist())


@MANY
@given(
    ids=st.lists(st.sampled_from("abcd"), max_size=30),
    start=st.integers(0, 30),
    size=st.integers(0, 10),
)
def test_a_chunk_gets_its_own_refusals(ids: list[str], start: int, size: int) -> None:
    """What is asked for a range of rows is that part of the whole."""
    refused = _settle(ids, 7, OnDuplicate.ERROR)
    whole = refused.within(0, len(ids))
    part = {row: why for row, why in whole.items() if start <= row < start + size}
    assert refused.within(start, start + size) == part


@MANY
@given(ids=st.lists(FACE_IDS, min_size=1, max_size=10))
def test_one_id_hashes_as_among_others(ids: list[str]) -> None:
    """The hash of an id does not depend on its company (in-order relies on it)."""
    assert [hash_id(i) for i in ids] == hash_ids(_array(ids)).tolist()


def test_repeated_hashes_are_sorted_and_single() -> None:
    """Each repeated hash is told once, over all chunks together."""
    parts = [np.array([3, 1, 2], np.uint64), np.array([3, 1, 3], np.uint64)]
    assert repeated(parts).tolist() == [1, 3]


@pytest.mark.parametrize("policy", list(OnDuplicate))
def test_nothing_to_settle(policy: OnDuplicate) -> None:
    """No rows, and no repeated rows, refuse nothing."""
    assert len(repeated([])) == 0
    assert len(Suspects(repeated([])).settle(policy).ordinals) == 0
    assert len(_settle(["a", "b"], 1, policy).ordinals) == 0
