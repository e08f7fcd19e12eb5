"""The data file: what was stored is found again, and damage is never written over."""

import asyncio
import logging
import sqlite3
import stat
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from shutil import rmtree

import pytest

from batch_updater.emulator import Emulator, EmulatorSettings
from batch_updater.emulator.state.changes import Changes
from batch_updater.emulator.state.face_set import FaceSet
from batch_updater.emulator.state.face_sets import State
from batch_updater.emulator.state.picture import portraits
from batch_updater.emulator.state.storage import DataError, DataFile

SCOPE = ("project", "v2")
CHANGE = "UPDATE face SET external_fields = ?"


def furnished() -> State:
    """Return a state with all kinds of values in it."""
    state = State(changes=Changes())
    fields = {"text": "string", "long": "long", "flag": "boolean", "double": "double"}
    people = state.add_face_set("people", external_fields=fields, capacity=20_000)
    state.add_face_set("nobody")
    values = {"text": "\u5f20\n\u2028 \x85'", "long": 2**63 - 1, "flag": True}
    seeds: list[dict[str, object]] = [
        {"face_id": "a", "external_image_id": "image", "external_fields": values},
        {"face_id": "b", "external_fields": {"double": 0.1}},
    ]
    state.seed_faces("people", seeds)
    state.add_faces(people, portraits(b"emulator-faces=3"), {"text": "c"})
    return state


def write(path: Path, state: State) -> None:
    """Write what changed in a state to a file."""
    with closing(DataFile(path)) as file:
        file.write([(SCOPE, state.take_changes())])


def read(path: Path) -> dict[str, FaceSet]:
    """Return what a file holds, as a state holds it."""
    with closing(DataFile(path)) as file:
        return {face_set.name: face_set for _, face_set in file.read()}


def spoil(path: Path, *statements: str) -> None:
    """Change a data file behind the emulator's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def holds(path: Path, text: bytes) -> bool:
    """Say whether a text stands in a file."""
    return text in path.read_bytes()


def in_order(face_sets: dict[str, FaceSet]) -> list[tuple[str, list[str]]]:
    """Return names and face ids, in which a dict's equality sees no order."""
    return [(name, list(each.faces)) for name, each in face_sets.items()]


def test_round_trip(tmp_path: Path) -> None:
    """What is read equals what was written, in every value and in order."""
    path, state = tmp_path / "data", furnished()
    write(path, state)
    assert read(path) == state.face_sets
    assert in_order(read(path)) == in_order(state.face_sets)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_scopes_are_kept_apart(tmp_path: Path) -> None:
    """Face sets of one name in two projects, or two versions, stay two."""
    scopes = [("p1", "v2"), ("p1", "v1"), ("p2", "v2")]
    with closing(DataFile(tmp_path / "data")) as file:
        file.write([(scope, furnished().take_changes()) for scope in scopes])
        found = [(scope, face_set.name) for scope, face_set in file.read()]
    assert found == [(scope, name) for scope in scopes for name in ("people", "nobody")]


def _change_faces(state: State) -> None:
    state.seed_faces("people", [{"face_id": "a"}, {"face_id": "new"}])
    state.remove_face(state.face_sets["people"], "b")


def _replace_a_set(state: State) -> None:
    state.delete_face_set("people")
    state.add_face_set("people", external_fields={"other": "string"})
    seed = {"face_id": "z", "external_fields": {"other": "x"}}
    state.seed_faces("people", [seed])


def _make_and_drop(state: State) -> None:
    state.add_face_set("passing")
    state.seed_faces("passing", [{"face_id": "a"}])
    state.delete_face_set("passing")


CHANGES: dict[str, Callable[[State], object]] = {
    "faces": _change_faces,
    "declaration": lambda state: state.extend_face_set("people", {"more": "long"}),
    "deleted": lambda state: state.delete_face_set("people"),
    "replaced": _replace_a_set,
    "passing": _make_and_drop,
}


@pytest.mark.parametrize("kind", CHANGES)
def test_changes_are_written(tmp_path: Path, kind: str) -> None:
    """Whatever changes after a writing, the next one brings the file up to date."""
    path, state = tmp_path / "data", furnished()
    write(path, state)
    CHANGES[kind](state)
    write(path, state)
    assert read(path) == state.face_sets
    assert sorted(in_order(read(path))) == sorted(in_order(state.face_sets))


def test_no_file_is_no_face_set(tmp_path: Path) -> None:
    """A data file that does not exist yet, or is empty, is not an error."""
    (tmp_path / "empty").touch()
    assert read(tmp_path / "data") == read(tmp_path / "empty") == {}


def test_failed_writing_changes_nothing(tmp_path: Path) -> None:
    """When one change of a batch cannot be written, none of the batch is."""
    path, state = tmp_path / "data", furnished()
    write(path, state)
    before = read(path)
    state.delete_face_set("nobody")
    changes = state.take_changes()
    with closing(DataFile(path)) as file:
        file._connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON face_set "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
        with pytest.raises(DataError, match="cannot be written: the disk is full"):
            file.write([(SCOPE, changes), (SCOPE, furnished().take_changes())])
    assert read(path) == before


async def test_start_that_fails_lets_go(tmp_path: Path) -> None:
    """An emulator that cannot listen leaves its data file to the next one."""
    settings = EmulatorSettings(data=tmp_path / "data")
    async with Emulator() as other:
        taken = EmulatorSettings(data=tmp_path / "data", port=other.port)
        with pytest.raises(OSError, match="in use"):
            await Emulator(taken).start()
        async with Emulator(settings) as second:
            assert second.state.face_sets == {}


HALF = 2000
DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:HALF]),
    "zeros": lambda path: path.write_bytes(
        path.read_bytes()[:HALF] + bytes(len(path.read_bytes()) - HALF)
    ),
    "text": lambda path: path.write_text("nothing of ours, but long enough" * 100),
    "lines": lambda path: path.write_text('{"format": "state 1"}\n'),
    "json": lambda path: spoil(path, "UPDATE face SET external_fields = '{'"),
    "list": lambda path: spoil(path, "UPDATE face SET external_fields = '[]'"),
    "box": lambda path: spoil(path, "UPDATE face SET bounding_box = '[1, 2]'"),
    "looks": lambda path: spoil(path, "UPDATE face SET fingerprint = 7"),
    "type": lambda path: spoil(
        path, """UPDATE face_set SET external_fields = '{"a": {"type": "lang"}}'"""
    ),
    "no type": lambda path: spoil(
        path, """UPDATE face_set SET external_fields = '{"a": {}}'"""
    ),
    "no table": lambda path: spoil(path, "DROP TABLE face"),
    "foreign": lambda path: spoil(path, "PRAGMA application_id = 7"),
    "newer": lambda path: spoil(path, "PRAGMA user_version = 2"),
}
SAYS = {"foreign": "another program's", "newer": "newer version .format 2, known is 1"}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_damaged_file(tmp_path: Path, kind: str) -> None:
    """A damaged, foreign or newer file stops the start, says so, and stays as it is."""
    path = tmp_path / "data"
    write(path, furnished())
    DAMAGE[kind](path)
    broken = path.read_bytes()
    emulator = Emulator(EmulatorSettings(data=path))
    said = f"{path}.*{SAYS.get(kind, 'is damaged')}.*move it away, or name another one"
    with pytest.raises(DataError, match=said):
        await emulator.start()
    await emulator.stop()
    assert path.read_bytes() == broken


async def test_missing_folder(tmp_path: Path) -> None:
    """A data file in a folder that does not exist is refused at the start."""
    emulator = Emulator(EmulatorSettings(data=tmp_path / "no" / "data"))
    with pytest.raises(DataError, match="folder does not exist"):
        await emulator.start()


async def test_folder_as_file(tmp_path: Path) -> None:
    """A folder in the place of the data file is refused at the start."""
    emulator = Emulator(EmulatorSettings(data=tmp_path))
    with pytest.raises(DataError, match="cannot be opened"):
        await emulator.start()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_no_room(tmp_path: Path) -> None:
    """A disk that is full is no damage: the message asks for room."""
    with pytest.raises(DataError, match=r"cannot be written .* make room on its disk"):
        DataFile(Path("/dev/full"))


async def test_one_emulator_a_file(tmp_path: Path) -> None:
    """A second emulator on a file in use is refused, and told what to do."""
    settings = EmulatorSettings(data=tmp_path / "data")
    async with Emulator(settings):
        second = Emulator(settings)
        with pytest.raises(DataError, match="in use by another emulator: stop that"):
            await second.start()
        await second.stop()


async def test_lock_outlives_a_second_try(tmp_path: Path) -> None:
    """A refused second emulator leaves the first one's lock against other processes."""
    path = tmp_path / "data"
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute(sys.argv[2])"
    async with Emulator(EmulatorSettings(data=path)):
        with pytest.raises(DataError, match="in use"):
            await Emulator(EmulatorSettings(data=path)).start()
        other = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, str(path), "SELECT * FROM face"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await other.communicate()
    assert b"database is locked" in said


async def test_restart(tmp_path: Path) -> None:
    """A second emulator on the same file starts with the states of the first."""
    settings = EmulatorSettings(data=tmp_path / "data", versions="separate")
    async with Emulator(settings) as first:
        for state in (first.state, first.state_of("other"), first.state_of("x", "v1")):
            state.add_face_set("people")
            state.seed_faces("people", [{"face_id": f"a{len(state.face_sets)}"}])
    async with Emulator(settings) as second:
        assert second.state.face_sets == first.state.face_sets
        other, v1 = second.state_of("other"), second.state_of("x", "v1")
        assert other.face_sets == first.state_of("other").face_sets
        assert v1.face_sets == first.state_of("x", "v1").face_sets
        assert second.state_of("x").face_sets == {}
        added = second.state.add_face_set("more")
        assert added.face_set_id != second.state.face_sets["people"].face_set_id


async def test_saved_while_running(tmp_path: Path) -> None:
    """A change is on disk soon after it, not only at the end."""
    path = tmp_path / "data"
    async with Emulator(EmulatorSettings(data=path)) as emulator:
        emulator.state.add_face_set("people-of-the-test")
        # The running one has locked it: only its bytes can be read.
        async with asyncio.timeout(20):
            while not holds(path, b"people-of-the-test"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_nothing_changed_nothing_written(tmp_path: Path) -> None:
    """Without a change the file is not touched."""
    path = tmp_path / "data"
    write(path, furnished())
    before = path.read_bytes()
    async with Emulator(EmulatorSettings(data=path)):
        pass
    assert path.read_bytes() == before


async def test_seeded_before_the_start(tmp_path: Path) -> None:
    """Face sets given before the start are saved too; the file's own come first."""
    path = tmp_path / "data"
    for name in ("people", "others"):
        emulator = Emulator(EmulatorSettings(data=path))
        emulator.state.add_face_set("people")
        if name == "people":
            emulator.state.seed_faces("people", [{"face_id": "a"}])
        emulator.state.extend_face_set(name, {})
        async with emulator:
            assert list(emulator.state.face_sets["people"].faces) == ["a"]
    assert in_order(read(path)) == [("people", ["a"]), ("others", [])]


async def test_unwritable_file(tmp_path: Path, logged: list[logging.LogRecord]) -> None:
    """A file that cannot be written is reported, and fails the stop."""
    folder = tmp_path / "folder"
    folder.mkdir()
    emulator = Emulator(EmulatorSettings(data=folder / "data"))
    await emulator.start()
    rmtree(folder)
    emulator.state.add_face_set("people")
    async with asyncio.timeout(10):
        while not logged:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
    assert "cannot be written" in logged[0].getMessage()
    with pytest.raises(DataError, match="cannot be written"):
        await emulator.stop()
