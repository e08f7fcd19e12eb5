"""What FRS says of a face set and its faces is taken into a state, where it is newer."""

from pathlib import Path

import pytest
from books import NOON, TYPES, keep, known, open_book, opened, opened_store

from batch_updater.models import FieldType, Outcome
from batch_updater.states.rebuilding import forget
from batch_updater.states.seeing import SeenFace

AGE, TEAM = "external_fields.age", "external_fields.team"
LATER = NOON + 3600


def see(folder: Path, face_id: str, fields: object, at: float = LATER) -> None:
    """Let the state know what a face was seen to hold."""
    with opened(folder) as state:
        state.catch_up()
        state.see({face_id: SeenFace(fields, at)})  # type: ignore[arg-type]


def applied(folder: Path, age: int = 1) -> None:
    """Apply an age to face `a`, in a run that is over."""
    book = open_book(folder, f"run{age}")
    keep(folder, book)
    book.sending({1: "a"})
    book.result(1, "a", {AGE: age})
    book.end()
    book.close()


def test_a_face_that_was_seen_is_known(tmp_path: Path) -> None:
    """Nobody has to have written it."""
    see(tmp_path, "a", {AGE: 1, TEAM: "x"})

    assert known(tmp_path, "a", "b") == {"a": {AGE: 1, TEAM: "x"}}


def test_what_was_seen_later_takes_the_place_of_what_was_applied(
    tmp_path: Path,
) -> None:
    """Somebody else has changed the face: that is what it holds."""
    applied(tmp_path)
    see(tmp_path, "a", {AGE: 7})

    assert known(tmp_path, "a") == {"a": {AGE: 7}}


@pytest.mark.parametrize("after", [-3600, 1, 50])
def test_what_was_applied_since_stays(tmp_path: Path, after: float) -> None:
    """A face seen before it was written, or a moment after, may have shown the old value."""
    applied(tmp_path)
    see(tmp_path, "a", {AGE: 7}, NOON + after)

    assert known(tmp_path, "a") == {"a": {AGE: 1}}


def test_a_face_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    """What was applied to it says nothing any more."""
    applied(tmp_path)
    see(tmp_path, "a", None)

    assert known(tmp_path, "a") == {}


def test_a_row_that_is_under_way_leaves_its_face_in_doubt(tmp_path: Path) -> None:
    """Whether it was seen before or after is not known."""
    book = open_book(tmp_path, "run")
    keep(tmp_path, book)
    book.sending({1: "a"})
    see(tmp_path, "a", {AGE: 7})
    under_way = known(tmp_path, "a")
    book.result(1, "a", {AGE: 7}, at=LATER + 1)
    book.end()
    book.close()

    assert under_way == {}
    assert known(tmp_path, "a") == {"a": {AGE: 7}}


@pytest.mark.parametrize(("after", "held"), [(30, {}), (90, {"a": {AGE: 7}})])
def test_a_doubt_that_is_over_ends(tmp_path: Path, after: float, held: object) -> None:
    """Once an unanswered update cannot be carried out any more, what is seen holds."""
    book = open_book(tmp_path, "run")
    keep(tmp_path, book)
    book.sending({1: "a"})
    book.result(1, "a", {AGE: 8}, Outcome.FAILED, ambiguous=True)
    book.end()
    book.close()
    with opened(tmp_path) as state:
        state.catch_up()
    see(tmp_path, "a", {AGE: 7}, NOON + after)

    assert known(tmp_path, "a") == held


def test_what_is_not_as_expected_is_forgotten_at_once(tmp_path: Path) -> None:
    """A mismatch needs no patience: who knows nothing looks."""
    applied(tmp_path)
    see(tmp_path, "a", None, NOON + 1)

    assert known(tmp_path, "a") == {}


@pytest.mark.parametrize(("seen", "after"), [(7, {}), (8, {"a": {AGE: 8}})])
def test_of_a_run_meanwhile_only_what_both_say_holds(
    tmp_path: Path, seen: int, after: object
) -> None:
    """A run that had begun by then may have written before or after the face was seen."""
    book = open_book(tmp_path, "run")
    keep(tmp_path, book)
    see(tmp_path, "a", {AGE: seen})
    book.sending({1: "a"})
    book.result(1, "a", {AGE: 8}, at=LATER + 5)
    book.end()
    book.close()

    assert known(tmp_path, "a") == after


def test_what_a_state_cannot_keep_is_not_known(tmp_path: Path) -> None:
    """Lists, nulls, halves of characters and endless numbers may stand in a face."""
    odd = {"x": [1], "y": None, "z": "\ud800", "n": 10**30, TEAM: "x"}
    see(tmp_path, "a", odd)

    assert known(tmp_path, "a") == {"a": {TEAM: "x"}}


def test_another_type_and_another_face_set(tmp_path: Path) -> None:
    """A field that is declared otherwise is forgotten, and all of an earlier face set."""
    with opened(tmp_path) as state:
        state.renew(TYPES, "set1")
        state.see({"a": SeenFace({AGE: 1, TEAM: "x"}, NOON)})
        state.renew({**TYPES, "age": FieldType.STRING}, "set1")
    other_type = known(tmp_path, "a")
    with opened(tmp_path) as state:
        state.renew(TYPES, "set2")

    assert other_type == {"a": {TEAM: "x"}}
    assert known(tmp_path, "a") == {}


def test_rows_without_a_face_do_not_make_a_face_older(tmp_path: Path) -> None:
    """A plan that says that a face is missing asked nobody: a later write stays later."""
    applied(tmp_path)
    book = open_book(tmp_path, "missing")
    keep(tmp_path, book)
    book.result(*(1, "a", None, Outcome.FAILED), attempts=(), error_code="PLAN.MISSING")
    book.end()
    book.close()
    known(tmp_path)
    see(tmp_path, "a", {AGE: 7}, NOON - 3600)

    assert known(tmp_path, "a") == {}


@pytest.mark.parametrize("first", [0, 1])
def test_the_later_of_two_writes_counts(tmp_path: Path, first: int) -> None:
    """Of runs at the same time, whichever is taken in first."""
    books = [open_book(tmp_path, name) for name in ("one", "two")]
    for book in books:
        keep(tmp_path, book)
    for book in (books[first], books[1 - first]):
        book.result(1, "a", {AGE: 1}, at=NOON + 1000 * books.index(book))
        known(tmp_path)
        book.close()
    see(tmp_path, "a", {AGE: 7}, NOON + 500)

    assert known(tmp_path, "a") == {"a": {AGE: 1}}


def test_a_mismatch_does_not_make_a_face_older(tmp_path: Path) -> None:
    """What was seen before the face was written is passed over afterwards, too."""
    applied(tmp_path)
    see(tmp_path, "a", None, NOON - 3600)
    see(tmp_path, "a", {AGE: 7}, NOON - 1800)

    assert known(tmp_path, "a") == {}


def test_what_was_seen_before_a_state_was_begun(tmp_path: Path) -> None:
    """Who wrote meanwhile had no state to tell it to."""
    for begun in (NOON, NOON + 7200):
        with opened(tmp_path) as state:
            state.renew(TYPES, "set1", lambda moment=begun: moment)  # type: ignore[misc]
            state.see({"a": SeenFace({AGE: 7}, begun - 1)})
            state.see({"b": SeenFace({AGE: 7}, begun + 1)})
        assert known(tmp_path, "a", "b") == {"b": {AGE: 7}}
        with opened_store(tmp_path) as store:
            forget(store)


def test_a_state_that_is_begun_again(tmp_path: Path) -> None:
    """What a run did while it was forgotten is not believed: others may have followed."""
    book = open_book(tmp_path, "run")
    keep(tmp_path, book)
    with opened_store(tmp_path) as store:
        forget(store)
    book.sending({1: "a", 2: "b"})
    book.result(1, "a", {AGE: 1})
    while_forgotten = known(tmp_path, "a", "b")
    with opened(tmp_path) as state:
        state.renew(TYPES, "set1")
        state.see({"b": SeenFace({AGE: 1}, LATER)})

    assert while_forgotten == {}
    assert known(tmp_path, "a", "b") == {}  # of b, a row is still under way
    book.close()


def test_a_face_set_without_custom_fields(tmp_path: Path) -> None:
    """A state is begun whatever the face set declares, until it is forgotten."""
    with opened(tmp_path) as state:
        before = state.is_begun
        state.renew({}, "set1")
        begun = state.is_begun
    with opened_store(tmp_path) as store:
        forget(store)
    with opened(tmp_path) as state:
        after = state.is_begun

    assert (before, begun, after) == (False, True, False)
