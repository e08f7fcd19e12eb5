"""A state made again from journals, and one that is forgotten."""

from pathlib import Path

import pytest
from books import TYPES, Book, go_on, keep, known, open_book, opened, opened_store

from batch_updater.errors import RunDirectoryError, StateError
from batch_updater.files.state_rows import FORGOTTEN
from batch_updater.states.rebuilding import Volume, forget, rebuild

AGE = "external_fields.age"


def again(folder: Path, *books: Book) -> None:
    """Make the state again from runs."""
    with opened_store(folder) as store:
        rebuild(store, [Volume(book.directory, book.manifest) for book in books])


def told(folder: Path, name: str, **ages: int) -> Book:
    """A run that has ended, which gave these ages to faces."""
    book = open_book(folder, name)
    keep(folder, book)
    book.sending(dict(enumerate(ages, 1)))
    for row, (face_id, age) in enumerate(ages.items(), 1):
        book.result(row, face_id, {AGE: age}, at=book.clock())
    book.end()
    book.close()
    return book


def test_the_same_comes_out(tmp_path: Path) -> None:
    """The state is a view of journals: in whatever order they are named."""
    one = told(tmp_path, "a", f1=1, f2=2)
    two = told(tmp_path, "b", f2=3, f3=4)
    before = known(tmp_path, "f1", "f2", "f3")
    assert before == {"f1": {AGE: 1}, "f2": {AGE: 3}, "f3": {AGE: 4}}
    for path in (tmp_path / "state").iterdir():
        path.unlink()
    again(tmp_path, two, one)
    assert known(tmp_path, "f1", "f2", "f3") == before
    with opened(tmp_path) as state:
        assert state.facts.declared == TYPES


def test_a_run_that_was_killed_stays_in_doubt(tmp_path: Path) -> None:
    """What a run had handed out when it was killed is not known afterwards either."""
    one = told(tmp_path, "a", f1=1, f2=2)
    two = open_book(tmp_path, "b")
    keep(tmp_path, two)
    two.journal.note("state", {})
    two.sending({1: "f1"})
    two.close()
    again(tmp_path, one, two)
    assert known(tmp_path, "f1", "f2") == {"f2": {AGE: 2}}


def test_a_plain_run_that_was_killed_is_refused(tmp_path: Path) -> None:
    """Its journal does not say what it was sending: it is resumed first."""
    one = told(tmp_path, "a", f1=1, f2=2)
    two = open_book(tmp_path, "b")
    two.close()
    with pytest.raises(RunDirectoryError, match="was killed") as caught:
        again(tmp_path, one, two)
    assert "resume" in caught.value.hint
    assert known(tmp_path, "f1") == {"f1": {AGE: 1}}  # nothing was changed
    two = go_on(two)
    two.end({"name": "window_over"})
    two.close()
    with pytest.raises(RunDirectoryError, match="was killed"):
        again(tmp_path, one, two)
    two = go_on(two)
    two.result(1, "f1", at=two.clock())
    two.end()
    two.close()
    again(tmp_path, one, two)
    assert known(tmp_path, "f1", "f2") == {"f2": {AGE: 2}}


def test_rows_without_values(tmp_path: Path) -> None:
    """A run that kept no state makes the faces that it changed unknown."""
    one = told(tmp_path, "a", f1=1, f2=2)
    two = open_book(tmp_path, "b")
    two.result(1, "f1", at=two.clock())
    two.end()
    two.close()
    again(tmp_path, one, two)
    assert known(tmp_path, "f1", "f2") == {"f2": {AGE: 2}}


def test_a_run_that_is_gone_is_asked_for(tmp_path: Path) -> None:
    """Older journals say nothing of what a run did whose journal is not there."""
    one = told(tmp_path, "a", f1=1)
    two = open_book(tmp_path, "b")
    keep(tmp_path, two)
    two.journal.note("state", {})
    two.result(1, "f1", {AGE: 2}, at=two.clock())
    two.close()
    place = tmp_path / "elsewhere"
    two.directory.path.rename(place)
    with pytest.raises(StateError, match="not among these") as caught:
        again(tmp_path, one)
    assert "state forget" in caught.value.hint
    moved = Book(type(two.directory)(place), two.journal, two.manifest)
    again(tmp_path, one, moved)
    assert known(tmp_path, "f1") == {"f1": {AGE: 2}}


def test_a_run_that_goes_on_is_refused(tmp_path: Path) -> None:
    """A journal that is being written says only half of it."""
    one = open_book(tmp_path, "a")
    keep(tmp_path, one)
    with pytest.raises(RunDirectoryError, match="in use"):
        again(tmp_path, one)
    one.close()


def test_forgetting(tmp_path: Path) -> None:
    """Nothing is known any more, the file is small, and no run keeps it."""
    told(tmp_path, "a", **{f"f{n}": n for n in range(2000)})
    assert known(tmp_path, "f1") == {"f1": {AGE: 1}}
    (path,) = (tmp_path / "state").iterdir()
    assert b"f1999" in path.read_bytes()
    size = path.stat().st_size
    with opened_store(tmp_path) as store:
        forget(store)
        assert store.noted(FORGOTTEN)
        assert store.sessions() == []
    assert known(tmp_path, "f1") == {}
    assert path.stat().st_size < size / 2
    assert b"f1999" not in path.read_bytes()
    with opened(tmp_path) as state:
        assert not state.is_kept
    told(tmp_path, "b", f1=1)
    with opened(tmp_path) as state:
        assert state.is_kept


def test_forgetting_while_a_run_goes_on(tmp_path: Path) -> None:
    """What is under way stays in doubt, although all else is forgotten."""
    one = open_book(tmp_path, "a")
    keep(tmp_path, one)
    one.sending({1: "f1", 2: "f2"})
    one.result(1, "f1", {AGE: 1}, at=one.clock())
    with opened_store(tmp_path) as store:
        forget(store)
    assert known(tmp_path, "f1", "f2") == {}
    told(tmp_path, "b", f2=2, f3=3)
    assert known(tmp_path, "f1", "f2", "f3") == {"f3": {AGE: 3}}
    one.result(3, "f1", {AGE: 4}, at=one.clock())
    assert known(tmp_path, "f1", "f3") == {"f1": {AGE: 4}, "f3": {AGE: 3}}
    one.close()
