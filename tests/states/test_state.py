"""What a state says of faces, and what it keeps to itself."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from books import (
    NOON,
    OWNER,
    TYPES,
    go_on,
    keep,
    known,
    open_book,
    opened,
    opened_store,
)

from batch_updater.errors import StateError
from batch_updater.files.state_rows import UNSURE
from batch_updater.files.state_store import StateStore
from batch_updater.models import FieldType, Outcome
from batch_updater.states.catching_up import catch_up
from batch_updater.states.faces import LINGERING
from batch_updater.states.keeping import Keeper
from batch_updater.states.opening import State, open_state, state_directory
from batch_updater.states.places import StatePlace
from batch_updater.states.registering import Beginning

AGE, TEAM, IMAGE = "external_fields.age", "external_fields.team", "external_image_id"


def test_a_recorded_success_is_known(tmp_path: Path) -> None:
    """What was sent is known once its success is on record, with its moment."""
    book = open_book(tmp_path, "a")
    keep(tmp_path, book)
    book.sending({1: "f1"})
    book.result(1, "f1", {AGE: 12, IMAGE: "p-1"})
    with opened(tmp_path) as state:
        assert state.catch_up() == []
        (found,) = state.look_up(["f1", "f2"]).items()
    assert found[0] == "f1"
    assert found[1].fields == {AGE: 12, IMAGE: "p-1"}
    assert found[1].at == NOON
    book.close()


def test_facts(tmp_path: Path) -> None:
    """A state says whose it is, what the face set declared, and how much it knows."""
    book = open_book(tmp_path, "a")
    keep(tmp_path, book)
    book.result(1, "f1", {AGE: 12})
    book.result(2, "f2", {AGE: 13}, ambiguous=True)
    book.close()
    with opened(tmp_path) as state:
        state.catch_up()
        facts = state.facts
    assert (facts.endpoint, facts.project_id) == (OWNER.endpoint, OWNER.project_id)
    assert facts.face_set_name == OWNER.face_set_name
    assert (facts.declared, facts.faces) == (TYPES, 1)


@pytest.mark.parametrize("resumed", [False, True])
def test_what_was_handed_out_is_in_doubt(tmp_path: Path, resumed: bool) -> None:
    """A run that is killed just after its first request left may have changed the face."""
    first = open_book(tmp_path, "a")
    keep(tmp_path, first)
    first.sending({1: "f1", 2: "f2"})
    first.result(1, "f1", {AGE: 1})
    first.result(2, "f2", {AGE: 1})
    first.end()
    first.close()
    second = open_book(tmp_path, "b")
    keep(tmp_path, second)
    second.sending({1: "f1", 2: "f2"})
    second.close()
    assert known(tmp_path, "f1", "f2") == {}
    if resumed:
        second = go_on(second)
        keep(tmp_path, second)
        second.sending({1: "f1", 2: "f2"})
        second.result(1, "f1", {AGE: 2})
        second.result(2, "f2", {AGE: 3}, outcome=Outcome.FAILED)
        second.end()
        second.close()
        # The second may have been applied before, whatever became of it now.
        assert known(tmp_path, "f1", "f2") == {"f1": {AGE: 2}}


def test_a_row_that_failed_changes_nothing(tmp_path: Path) -> None:
    """A row that was refused leaves what was known, so it comes up again."""
    book = open_book(tmp_path, "a")
    keep(tmp_path, book)
    book.sending({1: "f1"})
    book.result(1, "f1", {AGE: 1})
    book.sending({2: "f1"})
    book.result(2, "f1", {AGE: 2}, outcome=Outcome.FAILED, error_code="FRS.0012")
    assert known(tmp_path, "f1") == {"f1": {AGE: 1}}
    book.close()


@pytest.mark.parametrize(
    "facts",
    [
        {"outcome": Outcome.FAILED, "error_code": "FRS.0403"},
        {"outcome": Outcome.DRIFTED},
        {"ambiguous": True},
        {"outcome": Outcome.FAILED, "ambiguous": True},
        {"payload": ""},
    ],
)
def test_what_makes_a_face_unknown(tmp_path: Path, facts: dict[str, object]) -> None:
    """A face that is gone, has drifted, or may have been changed is known no more."""
    book = open_book(tmp_path, "a")
    keep(tmp_path, book)
    book.result(1, "f1", {AGE: 1})
    assert known(tmp_path, "f1") == {"f1": {AGE: 1}}
    book.result(2, "f1", {AGE: 2}, **facts)  # type: ignore[arg-type]
    assert known(tmp_path, "f1") == {}
    book.close()


@pytest.mark.parametrize("merges", [False, True])
def test_fields_that_were_not_sent(tmp_path: Path, merges: bool) -> None:
    """Whether FRS keeps them is not known, unless merging is taken for granted."""
    book = open_book(tmp_path, "a")
    keep(tmp_path, book, merges=merges)
    book.result(1, "f1", {AGE: 1, TEAM: "red", IMAGE: "p-1"})
    book.result(2, "f1", {AGE: 2})
    kept = {TEAM: "red"} if merges else {}
    assert known(tmp_path, "f1") == {"f1": {AGE: 2, IMAGE: "p-1", **kept}}
    book.close()


def test_two_runs_at_once(tmp_path: Path) -> None:
    """Of two runs at the same time nobody knows whose value was the last one."""
    one, two = open_book(tmp_path, "a"), open_book(tmp_path, "b")
    keep(tmp_path, one)
    keep(tmp_path, two)
    for book, age in ((two, 2), (one, 1)):
        book.sending({1: "f1", 2: "f2"})
        book.result(1, "f1", {AGE: age})
        book.result(2, "f2", {AGE: 7})
        book.end()
        book.close()
    assert known(tmp_path, "f1", "f2") == {"f2": {AGE: 7}}


def test_a_later_run_is_believed(tmp_path: Path) -> None:
    """A run that began once the other's values were taken in has the last word."""
    for name, age in (("a", 1), ("b", 2), ("c", 3)):
        book = open_book(tmp_path, name)
        keep(tmp_path, book)
        book.result(1, "f1", {AGE: age}, at=NOON - age)  # whatever the clock says
        book.end()
        book.close()
    assert known(tmp_path, "f1") == {"f1": {AGE: 3}}


def test_a_run_directory_that_is_gone(tmp_path: Path) -> None:
    """While a journal is not there nothing is known, and it is said what helps."""
    one = open_book(tmp_path, "a")
    keep(tmp_path, one)
    one.result(1, "f1", {AGE: 1})
    one.close()
    one.directory.path.rename(tmp_path / "elsewhere")
    with opened(tmp_path) as state:
        (remark,) = state.catch_up()
        assert "state rebuild" in remark
        assert "state forget" in remark
        assert (state.look_up(["f1"]), state.facts.faces) == ({}, 0)
    (tmp_path / "elsewhere").rename(one.directory.path)
    assert known(tmp_path, "f1") == {"f1": {AGE: 1}}


def test_a_run_that_was_taken_in_may_go(tmp_path: Path) -> None:
    """What a run that is over has done is in the state: its directory is not needed."""
    one = open_book(tmp_path, "a")
    keep(tmp_path, one)
    one.result(1, "f1", {AGE: 1})
    one.end()
    one.close()
    assert known(tmp_path, "f1") == {"f1": {AGE: 1}}
    one.directory.path.rename(tmp_path / "elsewhere")
    assert known(tmp_path, "f1") == {"f1": {AGE: 1}}


def test_another_face_set_of_the_same_name(tmp_path: Path) -> None:
    """Faces of a face set that was deleted are not those of its successor."""
    one = open_book(tmp_path, "a")
    keep(tmp_path, one)
    one.result(1, "f1", {AGE: 1})
    one.end()
    one.close()
    two = open_book(tmp_path, "b")
    keep(tmp_path, two, face_set_id="set2")
    assert known(tmp_path, "f1") == {}
    two.close()


def test_a_type_that_changed(tmp_path: Path) -> None:
    """A field that is declared otherwise now is known of no face."""
    one = open_book(tmp_path, "a")
    keep(tmp_path, one)
    one.result(1, "f1", {AGE: 1, TEAM: "red"})
    one.end()
    one.close()
    two = open_book(tmp_path, "b")
    keep(tmp_path, two, declared={**TYPES, "age": FieldType.STRING})
    assert known(tmp_path, "f1") == {"f1": {TEAM: "red"}}
    two.close()


def test_somebody_elses_state(tmp_path: Path) -> None:
    """A copy of another project's state is refused, with what to do."""
    with open_state(tmp_path, "https://x", "one", "staff"):
        pass
    (mine,) = tmp_path.iterdir()
    with open_state(tmp_path, "https://x", "two", "staff"):
        pass
    (other,) = set(tmp_path.iterdir()) - {mine}
    mine.replace(other)
    with (
        pytest.raises(StateError, match="project one") as caught,
        open_state(tmp_path, "https://x", "two", "staff"),
    ):
        pass
    assert "put the file back" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0x"]
)
def test_a_damaged_state(tmp_path: Path, content: bytes) -> None:
    """What is no database is said to be damaged, with what to do."""
    with open_state(tmp_path, "https://x", "one", "staff"):
        pass
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    with (
        pytest.raises(StateError, match="damaged") as caught,
        open_state(tmp_path, "https://x", "one", "staff"),
    ):
        pass
    assert "state forget" in caught.value.hint


def test_a_newer_state(tmp_path: Path) -> None:
    """A state that a later version made is left alone, with what to do."""
    with opened_store(tmp_path) as store:
        path = store.path
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(StateError, match="version 2") as caught, opened(tmp_path):
        pass
    assert "later one" in caught.value.hint


def test_somebody_elses_database(tmp_path: Path) -> None:
    """A database that is none of ours stays as it is."""
    with opened_store(tmp_path) as store:
        path = store.path
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    content = path.read_bytes()
    with pytest.raises(StateError, match="no state of batch-updater"), opened(tmp_path):
        pass
    assert path.read_bytes() == content


def test_no_room(tmp_path: Path) -> None:
    """On a full disk nothing changes, and it is said that there is no room."""
    book = open_book(tmp_path, "a")
    keep(tmp_path, book)
    for row in range(1, 500):
        book.result(row, f"f{row}", {AGE: row, TEAM: "red" * 20})
    with opened_store(tmp_path) as store:
        store._db.execute("PRAGMA max_page_count = 20")
        with pytest.raises(StateError, match="no room is left") as caught:
            catch_up(store)
    assert "Make room" in caught.value.hint
    assert len(known(tmp_path, "f1", "f499")) == 2
    book.close()


def test_a_state_that_is_in_use(tmp_path: Path) -> None:
    """Another process is waited for, but not for ever."""
    place = StatePlace(tmp_path / "state", OWNER)
    with opened_store(tmp_path) as store, store.transaction():
        other = StateStore(place.path, OWNER, patience=0)
        with pytest.raises(StateError, match="in use"), other.transaction():
            pass
        other.close()


def test_a_clock_that_was_wrong(tmp_path: Path) -> None:
    """A run that was killed stays in doubt, whatever stamps a run beside it has."""
    one, two = open_book(tmp_path, "a"), open_book(tmp_path, "b")
    keep(tmp_path, one)
    keep(tmp_path, two)
    one.sending({1: "f1"})
    two.sending({1: "f1"})
    two.result(1, "f1", {AGE: 2}, at=4e9)  # as if it came long after the kill
    one.close()
    assert known(tmp_path, "f1") == {}
    two.end()
    two.close()
    three = open_book(tmp_path, "c")
    keep(tmp_path, three)
    three.result(1, "f1", {AGE: 3}, at=4e9)
    assert known(tmp_path, "f1") == {"f1": {AGE: 3}}
    three.close()


def test_soon_after_a_kill(tmp_path: Path) -> None:
    """A request of a killed run may still be carried out when the next run writes."""
    one = open_book(tmp_path, "a")
    keep(tmp_path, one, lambda: NOON)
    one.sending({1: "f1"})
    one.close()
    two = open_book(tmp_path, "b")
    keep(tmp_path, two, lambda: NOON)
    two.result(1, "f1", {AGE: 2}, at=NOON + LINGERING - 1)
    assert known(tmp_path, "f1") == {}
    two.result(2, "f1", {AGE: 3}, at=NOON + LINGERING)
    assert known(tmp_path, "f1") == {"f1": {AGE: 3}}
    two.close()


@pytest.mark.parametrize("gone_too_far", [False, True])
def test_a_journal_that_lost_its_end(tmp_path: Path, gone_too_far: bool) -> None:
    """What a resumed run notes where other lines were before is not passed over."""
    one = open_book(tmp_path, "a")
    keep(tmp_path, one)
    one.sending({1: "f1"})
    size = one.directory.journal.stat().st_size
    one.result(1, "f1", {AGE: 1})
    one.close()
    assert known(tmp_path, "f1") == {"f1": {AGE: 1}}
    with one.directory.journal.open("r+b") as journal:  # a power loss
        journal.truncate(size)
    if gone_too_far:
        assert known(tmp_path, "f1") == {"f1": {AGE: 1}}
    again = go_on(one)
    keep(tmp_path, again)
    again.sending({1: "f1"})
    assert known(tmp_path, "f1") == {}
    again.result(1, "f1", {AGE: 1})
    assert known(tmp_path, "f1") == {"f1": {AGE: 1}}
    again.close()


def test_where_states_lie(tmp_path: Path) -> None:
    """In the directory asked for, in XDG_STATE_HOME, or in the home directory."""
    xdg = {"XDG_STATE_HOME": str(tmp_path)}
    assert state_directory(tmp_path / "s", xdg) == tmp_path / "s"
    assert state_directory(None, xdg) == tmp_path / "batch-updater" / "state"
    home = Path("~/.local/state/batch-updater/state").expanduser()
    assert state_directory(None, {}) == home


def test_a_state_is_private(tmp_path: Path) -> None:
    """Values are personal data: the file is for its owner alone."""
    with open_state(tmp_path / "s", "https://x", "one", "staff") as state:
        assert isinstance(state, State)
    (path,) = (tmp_path / "s").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_others_have_taken_in(tmp_path: Path) -> None:
    """Lines are taken in once: again, they would stand over what came after them."""
    one = open_book(tmp_path, "a")
    keeper = Keeper(StatePlace(tmp_path / "state", OWNER))
    keeper.begin(
        Beginning(
            key=one.manifest.key,
            directory=one.directory.path,
            declared=TYPES,
            face_set_id="set1",
            merges=False,
        )
    )
    one.result(1, "f1", {AGE: 1})
    two = open_book(tmp_path, "b")
    keep(tmp_path, two)  # takes in what the first has done so far
    two.result(1, "f1", {AGE: 2})
    two.end()
    two.close()
    assert known(tmp_path, "f1") == {"f1": {AGE: 2}}
    one.result(2, "f2", {AGE: 3})
    keeper.end()
    assert known(tmp_path, "f1", "f2") == {"f1": {AGE: 2}, "f2": {AGE: 3}}
    one.close()


def test_while_a_state_is_made_again(tmp_path: Path) -> None:
    """Who has it open already is told nothing, either, of faces half taken in."""
    book = open_book(tmp_path, "a")
    keep(tmp_path, book)
    book.result(1, "f1", {AGE: 1})
    with opened(tmp_path) as state, opened_store(tmp_path) as store:
        state.catch_up()
        store.note(UNSURE, "it is being made again")
        during = state.look_up(["f1"])
        store.note(UNSURE, "")
        after = state.look_up(["f1"])
    assert (during, [*after]) == ({}, ["f1"])
    book.close()
