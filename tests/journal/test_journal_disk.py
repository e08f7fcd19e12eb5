"""The journal on bad disks: full, broken, not synced, and after a power loss."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.errors import JournalFailed, RunDirectoryError
from batch_updater.files.disk import (
    RESERVE,
    Disk,
    Reserve,
    room_for,
    sync_directory,
    write_zeros,
)
from batch_updater.files.journal import Journal
from batch_updater.files.lock import locked
from batch_updater.files.replay import replay
from batch_updater.files.run_dir import create_run_directory, replace_file
from batch_updater.models import Outcome, Result

# A busy machine is no fault of what is tested.
MANY = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    ],
)
PAGE = 4096


def row(number: int, message: str = "") -> Result:
    return Result(
        source="a",
        row_number=number,
        face_set_name="set",
        face_id="iexEBb6t",
        outcome=Outcome.UPDATED,
        error_msg=message,
    )


def rows_in(path: Path) -> list[int]:
    return [r.facts["row_number"] for r in replay(path) if r.kind == "result"]


def failing(number: int) -> Callable[..., Any]:
    """Return a system call that fails like this, always."""

    def call(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


class SmallDisk:
    """A disk with so many bytes left; what is reserved on it comes back once."""

    def __init__(self, path: Path, room: int) -> None:
        self._reserve = path.with_name(RESERVE)
        self._room = room

    def write(self, fd: int, data: bytes, place: int) -> int:
        """Write as much as there is room for."""
        held = self._reserve.stat().st_size if self._reserve.exists() else 0
        free = self._room - held - place
        if free <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(fd, data[:free], place)


# Full


def test_a_full_disk_gives_its_reserve(tmp_path: Path) -> None:
    """What is written after the disk is full is whole, as far as the reserve goes."""
    path = tmp_path / "journal.jsonl"
    disk = Disk(write=SmallDisk(path, 20_000).write)
    with Journal(path, new=True, disk=disk) as journal:
        journal.keep_room(8_000)
        done = 0
        while journal.trouble is None:
            done += 1
            journal.write(row(done))
        assert "No space left on device" in journal.trouble.message
        assert f"Make room, then: batch-updater resume {tmp_path}" in (
            journal.trouble.hint
        )
        assert not (tmp_path / RESERVE).exists()
        for _ in range(30):  # in flight when it happened
            done += 1
            journal.write(row(done))
        journal.note("end", {})
    assert rows_in(path) == list(range(1, done + 1))
    assert 10_000 < path.stat().st_size < 20_000


def test_a_reserve_that_is_used_up(tmp_path: Path) -> None:
    """When even the reserve is full, a line is refused whole, and nothing is torn."""
    path = tmp_path / "journal.jsonl"
    disk = Disk(write=SmallDisk(path, 3_000).write)
    with Journal(path, new=True, disk=disk) as journal:
        journal.keep_room(1_000)
        done = 0
        with suppress(JournalFailed):
            for number in range(1, 100):
                journal.write(row(number))
                done = number
        with pytest.raises(JournalFailed, match="No space left"):
            journal.write(row(done + 1, "x" * 200))
        assert path.read_bytes()[-1:] == b"\n"
    assert 0 < done < 99
    assert rows_in(path) == list(range(1, done + 1))


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EFBIG])
def test_what_no_reserve_helps_against(tmp_path: Path, number: int) -> None:
    """An error that is not about room leaves the reserve alone, and is told."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True, disk=Disk(write=failing(number))) as journal:
        journal.keep_room(1_000)
        with pytest.raises(JournalFailed, match=os.strerror(number)) as caught:
            journal.write(row(1))
        assert journal.trouble is caught.value
        assert (tmp_path / RESERVE).exists()
    assert not (tmp_path / RESERVE).exists()
    assert path.read_bytes() == b""


def test_a_write_that_fails_half_way(tmp_path: Path) -> None:
    """Half a line is never before another one, whatever failed in between."""
    path = tmp_path / "journal.jsonl"
    calls: list[int] = []

    def write(fd: int, data: bytes, place: int) -> int:
        calls.append(place)
        if len(calls) == 3:  # the rest of the second line
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.pwrite(fd, data[:40] if len(calls) == 2 else data, place)

    with Journal(path, new=True, disk=Disk(write=write)) as journal:
        journal.write(row(1))
        with pytest.raises(JournalFailed):
            journal.write(row(2))
        journal.write(row(3))
    assert rows_in(path) == [1, 3]


def test_a_reserve_is_really_there(tmp_path: Path) -> None:
    """The reserve takes blocks of the disk, with the system's call and without it."""
    for disk in (Disk(), Disk(allocate=write_zeros)):
        reserve = Reserve(tmp_path / RESERVE, disk)
        reserve.take(200_000)
        status = (tmp_path / RESERVE).stat()
        assert status.st_size == 200_000
        assert status.st_blocks * 512 >= 200_000
        assert status.st_mode & 0o777 == 0o600
        assert reserve.give_back()
        assert not reserve.give_back()


def test_a_reserve_there_is_no_room_for(tmp_path: Path) -> None:
    """A disk that is full already is told of before anything is sent."""
    reserve = Reserve(tmp_path / RESERVE, Disk(allocate=failing(errno.ENOSPC)))
    with pytest.raises(OSError, match="No space left"):
        reserve.take(1_000)
    assert not list(tmp_path.iterdir())


def test_the_reserve_grows_with_what_is_in_flight() -> None:
    """Room for every request in flight and the end, and never more than 4 MiB."""
    assert room_for(1) < room_for(32) < 1 << 20
    assert room_for(4096) == room_for(100_000) == 4 << 20


# Not synced


def test_a_sync_that_failed_is_never_trusted_again(tmp_path: Path) -> None:
    """The kernel forgets what it could not write: a later sync proves nothing."""
    path = tmp_path / "journal.jsonl"
    answers = iter([None, errno.EIO, None])

    def sync(fd: int) -> None:
        if number := next(answers):
            raise OSError(number, os.strerror(number))

    with Journal(path, new=True, disk=Disk(sync=sync)) as journal:
        journal.write(row(1))
        journal.sync()
        journal.write(row(2))
        journal.write(row(3))
        with pytest.raises(JournalFailed, match="power loss: 2") as caught:
            journal.sync()
        journal.write(row(4))
        journal.sync()
        assert journal.trouble is caught.value
    assert rows_in(path) == [1, 2, 3, 4]


def test_a_resume_writes_once_more_what_it_believes(tmp_path: Path) -> None:
    """Lines a failed sync may have left in memory alone are on disk before the first row is sent."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True) as journal:
        for number in range(1, 400):
            journal.write(row(number))
    whole = path.read_bytes()
    written, synced = bytearray(len(whole)), []

    def write(fd: int, data: bytes, place: int) -> int:
        written[place : place + len(data)] = data
        return os.pwrite(fd, data, place)

    disk = Disk(write=write, sync=lambda fd: synced.append(bytes(written)))
    Journal(path, disk=disk).close()
    assert synced == [whole]
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "disk",
    [
        Disk(write=failing(errno.EROFS)),
        Disk(sync=failing(errno.EIO)),
    ],
)
def test_a_journal_that_cannot_be_gone_on_with(tmp_path: Path, disk: Disk) -> None:
    """A disk that takes nothing is told before anything is sent."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True) as journal:
        journal.write(row(1))
    with pytest.raises(RunDirectoryError, match="nothing was sent"):
        Journal(path, disk=disk)
    Journal(path).close()  # and the lock is not held by what failed


# Power loss


def read_or_mend(path: Path) -> list[int]:
    """Return the rows of a journal, cut as its hint says when it is damaged."""
    try:
        return rows_in(path)
    except RunDirectoryError as damage:
        (kept,) = re.findall(r"head -n (\d+) COPY", damage.hint)
    lines = path.read_bytes().split(b"\n")[: int(kept)]
    path.write_bytes(b"".join(each + b"\n" for each in lines))
    return rows_in(path)


@MANY
@given(data=st.data())
def test_a_power_loss(tmp_path: Path, data: st.DataObject) -> None:
    """
    Whatever a power loss leaves of unsynced writes, synced lines are read back.

    Past the last sync a file may end anywhere, and pages that were not written yet
    are zeros. Either what is read is a beginning of what was written, or the line
    is named from which on nothing can be trusted, and it comes after the last sync.
    """
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    safe = [0, 0]  # bytes and rows

    def sync(fd: int) -> None:
        safe[:] = [os.fstat(fd).st_size, written]

    written = 0
    steps = data.draw(st.lists(st.integers(0, 3000), min_size=1, max_size=12))
    journal = Journal(path, new=True, disk=Disk(sync=sync))
    for number, step in enumerate(steps, 1):
        if step % 4 == 0:
            journal.sync()
        journal.write(row(number, "x" * step))
        written = number
    size, known = safe  # closing would sync
    whole = path.read_bytes()
    journal.close()

    image = bytearray(whole[: data.draw(st.integers(size, len(whole)))])
    for start in range(size - size % PAGE, len(image), PAGE):
        if data.draw(st.booleans()):
            begin = max(start, size)
            end = min(start + PAGE, len(image))
            image[begin:end] = bytes(end - begin)
    image += data.draw(st.sampled_from([b"", bytes(5000), b"\xff{garbage"]))
    path.write_bytes(image)

    read = read_or_mend(path)
    assert read == list(range(1, len(read) + 1))
    assert len(read) >= known
    with Journal(path) as journal:
        journal.write(row(99))
    assert rows_in(path) == [*read, 99]


def test_names_are_synced_too(tmp_path: Path) -> None:
    """A directory can be synced, so that files made in it are there after a power loss."""
    sync_directory(tmp_path)
    with pytest.raises(OSError, match="Not a directory"):
        sync_directory(Path(__file__))


TRACED = """
import os, sys
from pathlib import Path
from batch_updater.files.run_dir import create_run_directory
sync = os.fsync
def told(fd):
    print(os.readlink(f"/proc/self/fd/{fd}"))
    sync(fd)
os.fsync = told
directory = create_run_directory(Path(sys.argv[1]) / "runs" / "one")
directory.write_manifest({"format": 1})
"""


def test_the_directory_of_a_run_is_synced(tmp_path: Path) -> None:
    """The run's directory, its parents, and run.json are durable, each with its name."""
    said = subprocess.run(
        [sys.executable, "-c", TRACED, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert said == [
        str(tmp_path / "runs"),
        str(tmp_path),
        str(tmp_path / "runs" / "one" / ".run.json.new"),
        str(tmp_path / "runs" / "one"),
    ]


def test_replacing_leaves_nothing_behind(tmp_path: Path) -> None:
    """What cannot be replaced stays as it was, and its new form is taken away."""
    (tmp_path / "run.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "run.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


# Beginnings


def test_a_run_that_was_killed_before_it_began(tmp_path: Path) -> None:
    """What a run leaves before run.json is taken over: nothing was sent then."""
    job = tmp_path / "job"
    directory = create_run_directory(job)
    with Journal(directory.journal, new=True) as journal:
        journal.note("session", {"command": "run"})
        journal.note("selection", {"rows": [[0, 4]]})
    for path in directory.beginnings[1:]:
        path.write_bytes(b"{")
    again = create_run_directory(job)
    with Journal(again.journal, new=True) as journal:
        with pytest.raises(RunDirectoryError, match="in use"):
            Journal(again.journal, new=True)
        again.refuse_begun()
        journal.start_over()
        journal.note("session", {"command": "run"})
    assert [record.kind for record in replay(again.journal)] == ["session"]


def test_a_journal_with_outcomes_is_not_taken_over(tmp_path: Path) -> None:
    """A directory that lost its run.json is not begun anew: rows were sent."""
    directory = create_run_directory(tmp_path / "job")
    with Journal(directory.journal, new=True) as journal:
        journal.write(row(1))
    create_run_directory(tmp_path / "job")
    with (
        Journal(directory.journal, new=True) as journal,
        pytest.raises(RunDirectoryError, match=r"whose run\.json is gone"),
    ):
        journal.start_over()
    assert rows_in(directory.journal) == [1]


def test_a_run_that_has_just_begun_is_not_taken_over(tmp_path: Path) -> None:
    """Who finds run.json once it holds the lock came too late, and empties nothing."""
    directory = create_run_directory(tmp_path / "job")
    with Journal(directory.journal, new=True) as journal:
        journal.note("session", {"command": "run"})
    late = create_run_directory(tmp_path / "job")
    directory.write_manifest({"format": 1})
    Journal(late.journal, new=True).close()
    with pytest.raises(RunDirectoryError, match="not empty"):
        late.refuse_begun()
    assert [record.kind for record in replay(directory.journal)] == ["session"]


def test_a_folder_with_other_files_is_not_taken_over(tmp_path: Path) -> None:
    """A stranger's file named like one of ours is no beginning of a run."""
    (tmp_path / "stdin").write_text("not ours")
    with pytest.raises(RunDirectoryError, match="not empty"):
        create_run_directory(tmp_path)


def test_the_lock_is_not_inherited(tmp_path: Path) -> None:
    """A child process that lives on does not keep a run directory locked."""
    path = tmp_path / "journal.jsonl"
    with Journal(path, new=True) as journal:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"],
            stdin=subprocess.PIPE,
            close_fds=False,
        )
        journal.write(row(1))
    with child, locked(path):
        assert child.poll() is None


def test_a_beginning_that_is_a_link_is_not_taken_over(tmp_path: Path) -> None:
    """A journal that leads elsewhere is not ours: what it leads to stays as it is."""
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "journal.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(RunDirectoryError, match="not empty"):
        create_run_directory(tmp_path / "job")
    assert (tmp_path / "other").read_text() == "theirs"
