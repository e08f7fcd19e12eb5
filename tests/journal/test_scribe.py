"""The scribe: what cannot be recorded is not sent, and what was sent is told."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path

from batch_updater.delivery.feed import Batch, Feed
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.pool import open_pool
from batch_updater.errors import Interrupted, JournalFailed
from batch_updater.files.disk import Disk
from batch_updater.files.journal import Journal
from batch_updater.files.replay import replay
from batch_updater.models import (
    Attempt,
    ErrorClass,
    FaceUpdate,
    Outcome,
    Result,
    Task,
)
from batch_updater.scribe import Scribe

WORKERS = 8


def ended(task: Task, outcome: Outcome = Outcome.UPDATED) -> Result:
    """Return the result of a task that was sent."""
    return Result(
        source=task.source,
        row_number=task.row_number,
        face_set_name=task.face_set_name,
        face_id=task.update.face_id,
        outcome=outcome,
        attempts=(Attempt(1.7e9, 0.1, 200),),
        payload_sha256="of what was sent",
    )


def task(number: int) -> Task:
    return Task(FaceUpdate(f"face{number}", "x"), "set", "a.csv", number)


async def tasks(count: int) -> AsyncGenerator[Batch, None]:
    yield [task(number) for number in range(1, count + 1)]


def recorded(path: Path) -> list[int]:
    return [r.facts["row_number"] for r in replay(path) if r.kind == "result"]


def broken_after(good: int, number: int) -> Callable[[int, bytes, int], int]:
    """Return a write that works so often, and then fails like this."""
    left = iter(range(good))

    def write(fd: int, data: bytes, place: int) -> int:
        if next(left, None) is None:
            raise OSError(number, os.strerror(number))
        return os.pwrite(fd, data, place)

    return write


async def deliver(journal: Journal, gate: Gate, scribe: Scribe, count: int) -> set[int]:
    """Run a pool as a run does; return the rows that were sent."""
    sent: set[int] = set()

    async def send(each: Task) -> Result:
        sent.add(each.row_number)
        await asyncio.sleep(0)
        return ended(each)

    async with (
        scribe.syncing(),
        open_pool(Feed(tasks(count), gate), send, WORKERS) as pool,
    ):
        async for results in pool:
            scribe.write(*results)
    return sent


async def test_a_broken_disk_stops_the_run(tmp_path: Path) -> None:
    """Whatever was sent is in the journal or was told; nothing new is sent after the first failure."""
    path, told, gate = tmp_path / "journal.jsonl", list[str](), Gate()
    disk = Disk(write=broken_after(20, errno.EIO))
    with Journal(path, new=True, disk=disk) as journal:
        scribe = Scribe(journal, gate, told.append)
        sent = await deliver(journal, gate, scribe, 500)
        stop = scribe.end()
    known = recorded(path)
    assert known == list(range(1, len(known) + 1))
    assert 20 <= len(known) <= 20 * WORKERS
    lost = sorted(sent - set(known))
    assert told == [f"NOT RECORDED: a.csv row {n}, face face{n}: updated" for n in lost]
    assert 0 < len(lost) <= 2 * WORKERS
    assert stop
    assert (stop.name, stop.exit_code) == ("journal_failed", 4)
    assert "Input/output error" in stop.message
    assert stop.message.endswith(f"not recorded: {len(lost)}")


async def test_a_safe_note_is_on_disk(tmp_path: Path) -> None:
    """It returns after a sync that began after the note, not during another one."""
    path, gate, synced = tmp_path / "journal.jsonl", Gate(), list[int]()

    def sync(fd: int) -> None:
        size = os.fstat(fd).st_size
        under_way.set()
        assert go_on.wait(10)
        synced.append(size)

    under_way, go_on = threading.Event(), threading.Event()
    with Journal(path, new=True, disk=Disk(sync=sync)) as journal:
        scribe = Scribe(journal, gate, print)
        scribe.write(ended(task(1)))
        first = asyncio.create_task(scribe.note_safely())
        assert await asyncio.to_thread(under_way.wait, 10)
        second = asyncio.create_task(scribe.note_safely(("sending", {"rows": [2]})))
        await asyncio.sleep(0)
        size = path.stat().st_size
        go_on.set()
        assert await first
        assert await second
        assert synced[-1] == size


async def test_a_note_that_is_not_safe(tmp_path: Path) -> None:
    """Who needs it safe is told that it is not, and the gate is closed."""
    path, gate = tmp_path / "journal.jsonl", Gate()

    def sync(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Journal(path, new=True, disk=Disk(sync=sync)) as journal:
        scribe = Scribe(journal, gate, print)
        assert not await scribe.note_safely(("sending", {}))
        assert isinstance(gate.reason, JournalFailed)


async def test_what_there_is_room_for_is_written(tmp_path: Path) -> None:
    """Of results that come together and do not all fit, those that fit are kept."""
    path, told, gate = tmp_path / "journal.jsonl", list[str](), Gate()

    def write(fd: int, data: bytes, place: int) -> int:
        if place + len(data) > 600:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(fd, data, place)

    with Journal(path, new=True, disk=Disk(write=write)) as journal:
        scribe = Scribe(journal, gate, told.append)
        scribe.write(*(ended(task(number)) for number in range(1, 10)))
        stop = scribe.end()
    known = recorded(path)
    assert 1 <= len(known) < 9
    assert known == list(range(1, len(known) + 1))
    assert len(told) == 9 - len(known)
    assert stop
    assert stop.message.endswith(f"not recorded: {len(told)}")


async def test_a_sync_that_fails_stops_the_run(tmp_path: Path) -> None:
    """What cannot be made durable is as bad as what cannot be written: exit 4."""
    path, gate = tmp_path / "journal.jsonl", Gate()

    def sync(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Journal(path, new=True, disk=Disk(sync=sync)) as journal:
        scribe = Scribe(journal, gate, print, interval=0.001)
        sent = await deliver(journal, gate, scribe, 100_000)
        stop = scribe.end()
    assert isinstance(gate.reason, JournalFailed)
    assert stop
    assert "cannot sync" in stop.message
    assert "may not survive a power loss" in stop.message
    assert len(sent) < 100_000
    assert set(recorded(path)) == sent


async def test_who_syncs_does_not_die_unseen(tmp_path: Path) -> None:
    """No thread to be had, or a bug: a run that is no longer synced goes no further."""
    path, gate = tmp_path / "journal.jsonl", Gate()
    good = iter([False])

    def sync(fd: int) -> None:
        if not next(good, True):
            raise RuntimeError("can't start new thread")

    with Journal(path, new=True, disk=Disk(sync=sync)) as journal:
        scribe = Scribe(journal, gate, print, interval=0.001)
        sent = await deliver(journal, gate, scribe, 100_000)
        stop = scribe.end()
    assert stop
    assert stop.name == "journal_failed"
    assert "can't start new thread" in stop.message
    assert len(sent) < 100_000
    assert set(recorded(path)) == sent


async def test_a_lost_outcome_outweighs_a_signal(tmp_path: Path) -> None:
    """A run that was stopped by hand says all the same that outcomes are lost."""
    path, told = tmp_path / "journal.jsonl", list[str]()
    for number in (errno.EIO, None):
        gate = Gate()
        gate.close(Interrupted(2))
        disk = Disk(write=broken_after(0, number)) if number else Disk()
        with Journal(path, new=number is not None, disk=disk) as journal:
            scribe = Scribe(journal, gate, told.append)
            scribe.write(ended(task(1)))
            stop = scribe.end()
        assert stop
        assert stop.name == ("journal_failed" if number else "interrupted")


async def test_only_what_was_sent_is_told(tmp_path: Path) -> None:
    """A row that is refused locally, or was only read, is found again: no need to tell."""
    told = list[str]()
    path = tmp_path / "journal.jsonl"
    disk = Disk(write=broken_after(0, errno.EIO))
    with Journal(path, new=True, disk=disk) as journal:
        scribe = Scribe(journal, Gate(), told.append)
        for outcome in (Outcome.EXPORTED, Outcome.SAME, Outcome.DRIFTED):
            scribe.write(replace(ended(task(1), outcome), payload_sha256=""))
        scribe.write(
            Result(
                source="a.csv",
                row_number=2,
                face_set_name="set",
                face_id="x",
                outcome=Outcome.INVALID,
                error_class=ErrorClass.PERMANENT,
            )
        )
        assert not told
        scribe.note("rate", {"said": "slower"})
        scribe.write(ended(task(3), Outcome.UNPROCESSED))
    assert told == ["NOT RECORDED: a.csv row 3, face face3: unprocessed"]


async def test_a_sync_that_hangs_holds_the_gate(tmp_path: Path) -> None:
    """Nothing new is sent while results wait for the disk, and the run goes on when they are safe."""
    path, gate = tmp_path / "journal.jsonl", Gate()
    loop, told = asyncio.get_running_loop(), list[str]()
    slow, free, safe = asyncio.Event(), threading.Event(), list[int]()

    def tell(said: str) -> None:
        told.append(said)
        slow.set()

    def sync(fd: int) -> None:
        size = os.fstat(fd).st_size
        assert free.wait(30)
        safe.append(size)

    with Journal(path, new=True, disk=Disk(sync=sync)) as journal:
        scribe = Scribe(journal, gate, tell, interval=0.01)
        scribe.write(ended(task(1)))
        async with scribe.syncing():
            await slow.wait()
            assert gate.is_held
            scribe.write(ended(task(2)))  # was in flight
            loop.call_later(0.05, free.set)
            await gate.until_free()
            assert safe[1] == path.stat().st_size > safe[0]
            assert not gate.closed
            scribe.write(ended(task(3)))
        assert scribe.end() is None
    assert told == [
        "the disk is slow: nothing new is sent while the journal is not safe"
    ]
    assert recorded(path) == [1, 2, 3]


async def test_a_quick_disk_holds_nobody(tmp_path: Path) -> None:
    """A sync that ends in time is not noticed, and the last results are synced too."""
    path, gate, safe = tmp_path / "journal.jsonl", Gate(), list[int]()
    synced = asyncio.Event()
    loop = asyncio.get_running_loop()

    def sync(fd: int) -> None:
        safe.append(os.fstat(fd).st_size)
        loop.call_soon_threadsafe(synced.set)

    with Journal(path, new=True, disk=Disk(sync=sync)) as journal:
        scribe = Scribe(journal, gate, print, interval=5)
        scribe.write(ended(task(1)))
        async with scribe.syncing():
            await synced.wait()
            assert not gate.is_held
            scribe.write(ended(task(2)))
        assert scribe.end() is None
    assert safe[-1] == path.stat().st_size
