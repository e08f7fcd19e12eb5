"""The data file: what was stored is found again, and damage is never written over."""

import asyncio
import stat
from pathlib import Path

import pytest

from batch_updater.emulator import Emulator, EmulatorSettings
from batch_updater.emulator.face import FaceSet
from batch_updater.emulator.state import State
from batch_updater.emulator.storage import DataFile, Snapshot, read_face_sets


def furnished() -> State:
    """Return a state with all kinds of values in it."""
    state = State()
    fields = {"text": "string", "long": "long", "flag": "boolean", "double": "double"}
    state.add_face_set("people", external_fields=fields, capacity=20_000)
    state.add_face_set("nobody")
    values = {"text": "\u5f20\n\u2028 \x85'", "long": 2**63 - 1, "flag": True}
    seeds: list[dict[str, object]] = [
        {"face_id": "a", "external_image_id": "image", "external_fields": values},
        {"face_id": "b", "external_fields": {"double": 0.1}},
    ]
    state.seed_faces("people", seeds)
    return state


def write(path: Path, state: State) -> None:
    """Write a state to a file."""
    DataFile(path).write(Snapshot.of(state.face_sets))


def by_name(face_sets: list[FaceSet]) -> dict[str, FaceSet]:
    """Return face sets as a state holds them."""
    return {each.name: each for each in face_sets}


def test_round_trip(tmp_path: Path) -> None:
    """What is read equals what was written, in every value and in order."""
    path, state = tmp_path / "data", furnished()
    write(path, state)
    assert by_name(read_face_sets(path)) == state.face_sets
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_changed_faces_are_written_again(tmp_path: Path) -> None:
    """The second writing has the new values, though old lines are kept ready."""
    path, state = tmp_path / "data", furnished()
    file = DataFile(path)
    file.write(Snapshot.of(state.face_sets))
    seed = {"face_id": "b", "external_fields": {"double": 0.2}}
    state.seed_faces("people", [seed])
    state.delete_face_set("nobody")
    file.write(Snapshot.of(state.face_sets))
    assert by_name(read_face_sets(path)) == state.face_sets


def test_no_file_is_no_face_set(tmp_path: Path) -> None:
    """A data file that does not exist yet is not an error."""
    assert read_face_sets(tmp_path / "data") == []


def damage(good: bytes) -> dict[str, bytes]:
    """Return ways in which a data file may be broken."""
    lines = good.splitlines(keepends=True)
    return {
        "empty": b"",
        "cut": b"".join(lines[:-1]),
        "torn": good[:-5],
        "longer": good + b"{}\n",
        "foreign": b'{"name": "something else"}\n',
        "list": b"[]\n",
        "binary": b"\xff\xfe",
        "count": good.replace(b'"face_sets":2', b'"face_sets":"2"'),
        "type": good.replace(b'"type":"long"', b'"type":"lang"'),
        "key": good.replace(b'"create_date"', b'"created"'),
        "name": good.replace(b'"face_set_name":"people"', b'"face_set_name":7'),
        "fields": good.replace(b'"external_fields":{}', b'"external_fields":[]', 1),
    }


@pytest.mark.parametrize("kind", list(damage(b"\n")))
async def test_damaged_file(tmp_path: Path, kind: str) -> None:
    """A damaged file stops the start with its name, and stays as it is."""
    path = tmp_path / "data"
    write(path, furnished())
    broken = damage(path.read_bytes())[kind]
    path.write_bytes(broken)
    emulator = Emulator(EmulatorSettings(data=path))
    with pytest.raises(ValueError, match=str(path)):
        await emulator.start()
    await emulator.stop()
    assert path.read_bytes() == broken


async def test_missing_folder(tmp_path: Path) -> None:
    """A data file in a folder that does not exist is refused at the start."""
    emulator = Emulator(EmulatorSettings(data=tmp_path / "no" / "data"))
    with pytest.raises(ValueError, match="folder does not exist"):
        await emulator.start()


async def test_restart(tmp_path: Path) -> None:
    """A second emulator on the same file starts with the state of the first."""
    settings = EmulatorSettings(data=tmp_path / "data")
    async with Emulator(settings) as first:
        first.state.add_face_set("people")
        first.state.seed_faces("people", [{"face_id": "a"}])
    async with Emulator(settings) as second:
        assert second.state.face_sets == first.state.face_sets


async def test_saved_while_running(tmp_path: Path) -> None:
    """A change is on disk soon after it, not only at the end."""
    path = tmp_path / "data"
    async with Emulator(EmulatorSettings(data=path)) as emulator:
        emulator.state.add_face_set("people")
        async with asyncio.timeout(10):
            while not path.exists():  # noqa: ASYNC110 - it is another's file
                await asyncio.sleep(0.01)
        assert by_name(read_face_sets(path)) == emulator.state.face_sets


async def test_nothing_changed_nothing_written(tmp_path: Path) -> None:
    """Without a change the file is not touched."""
    path = tmp_path / "data"
    async with Emulator(EmulatorSettings(data=path)):
        pass
    assert not path.exists()


async def test_seeded_before_the_start(tmp_path: Path) -> None:
    """Face sets given before the start are saved too."""
    path = tmp_path / "data"
    emulator = Emulator(EmulatorSettings(data=path))
    emulator.state.add_face_set("people")
    async with emulator:
        pass
    assert [each.name for each in read_face_sets(path)] == ["people"]


async def test_unwritable_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that cannot be written is reported, and fails the stop."""
    folder = tmp_path / "folder"
    folder.mkdir()
    emulator = Emulator(EmulatorSettings(data=folder / "data"))
    await emulator.start()
    folder.rmdir()
    emulator.state.add_face_set("people")
    async with asyncio.timeout(10):
        while not caplog.records:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
    assert "cannot be written" in caplog.text
    with pytest.raises(FileNotFoundError):
        await emulator.stop()
