"""Before-images: on disk before anything is sent, the last of a row counts."""

import asyncio
import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.delivery.careful import CarefulSender
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.ordering import InOrder
from batch_updater.delivery.written import Written
from batch_updater.errors import JournalFailed, RunDirectoryError
from batch_updater.files.before_images import (
    BeforeImages,
    earlier_images,
    open_images,
    read_images,
)
from batch_updater.files.disk import DISK, Disk
from batch_updater.frs.protocol import write_faces
from batch_updater.mapping.care import Care
from batch_updater.models import (
    Attempt,
    BeforeImage,
    FaceUpdate,
    Outcome,
    Result,
    Task,
)

# A busy machine is no fault of what is tested.
MANY = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
ODD = {
    "face_id": "iexEBb6t",
    "external_fields": {"n": 2**70, "half": "\ud800", "nan": float("inf"), "": [None]},
}

FACTS: dict[str, Any] = {
    "source": "a.csv",
    "row_number": 1,
    "face_set_name": "staff",
    "face_id": "face0001",
    "at": "2026-11-22T17:00:00.000000Z",
    "before": {},
    "update": {},
}


def image(number: int, before: dict[str, Any] | None = None) -> BeforeImage:
    return BeforeImage(
        source="a.csv",
        row_number=number,
        face_set_name="staff",
        at=1_700_000_000.5,
        before=before or {"face_id": f"face{number:04d}", "external_fields": {}},
        update=FaceUpdate(f"face{number:04d}", "image", {"age": number}),
    )


def any_row(source: str, number: int) -> bool:
    return True


def keep(path: Path, *images: BeforeImage, disk: Disk = DISK) -> list[object]:
    """Keep images all at once; return what each of them came to."""

    async def story() -> list[object]:
        async with open_images(path, any_row, disk) as opened:
            waiting = [asyncio.create_task(opened.keep(each)) for each in images]
            await asyncio.wait(waiting)
            return [task.exception() for task in waiting]

    return asyncio.run(story())


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    """Whatever stands in a face survives: long numbers, half characters, lists."""
    path = tmp_path / "before.jsonl"
    images = [image(1, ODD), image(2), replace(image(3), update=FaceUpdate("x", None))]
    assert keep(path, *images) == [None] * 3
    assert list(read_images(path)) == images
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    line = json.loads(path.read_bytes().splitlines()[1])
    assert line == {
        "source": "a.csv",
        "row_number": 2,
        "face_set_name": "staff",
        "face_id": "face0002",
        "at": "2023-11-14T22:13:20.500000Z",
        "before": {"face_id": "face0002", "external_fields": {}},
        "update": {"external_image_id": "image", "external_fields": {"age": 2}},
    }


def test_one_sync_for_all_that_wait(tmp_path: Path) -> None:
    """Fifty at one moment are one write and one sync, and each waits for that."""
    syncs: list[int] = []

    def sync(fd: int) -> None:
        syncs.append(os.fstat(fd).st_size)
        os.fsync(fd)

    path = tmp_path / "before.jsonl"
    keep(path, *map(image, range(1, 51)), disk=replace(DISK, sync=sync))
    assert len(syncs) <= 2
    assert syncs[-1] == path.stat().st_size


@pytest.mark.parametrize("call", ["write", "sync"])
def test_a_full_disk(tmp_path: Path, call: str) -> None:
    """What may not be there is refused, the line is not torn, and so is all after it."""
    path = tmp_path / "before.jsonl"
    assert keep(path, image(1)) == [None]
    left = [1, 1] if call == "sync" else [1]

    def fail(*arguments: Any) -> Any:
        if left:
            left.pop()
            return getattr(DISK, call)(*arguments)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def story() -> None:
        disk = replace(DISK, **{call: fail})
        async with open_images(path, any_row, disk) as opened:
            if call == "sync":
                await opened.keep(image(2))
            for number in (3, 4):
                with pytest.raises(JournalFailed, match="No space left") as caught:
                    await opened.keep(image(number))
                assert "Make room, then: batch-updater resume" in caught.value.hint

    asyncio.run(story())
    kept = [each.row_number for each in read_images(path)]
    assert kept == ([1, 2, 3] if call == "sync" else [1])


def test_a_torn_line(tmp_path: Path) -> None:
    """What a power loss left half is cut; nothing was sent for it."""
    path = tmp_path / "before.jsonl"
    keep(path, image(1))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-9])
    assert [each.row_number for each in read_images(path)] == [1]
    keep(path, image(2))
    assert [each.row_number for each in read_images(path)] == [1, 2]


def test_the_last_image_of_a_row(tmp_path: Path) -> None:
    """Of pending rows alone, what their last image holds is known to a later session."""
    path = tmp_path / "before.jsonl"
    keep(path, image(1), image(2), image(1, ODD), image(3))
    found = earlier_images(path, lambda source, number: number < 3)
    assert list(found) == [("a.csv", 1), ("a.csv", 2)]
    assert found["a.csv", 1] == ODD


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[]",
        json.dumps({**FACTS, "at": "never"}).encode(),
        json.dumps({**FACTS, "before": []}).encode(),
        json.dumps({**FACTS, "update": "x"}).encode(),
        b"no json",
        b'{"source":"a","row_number":"x"}',
        b'{"source":"a","row_number":1,"face_set_name":"s","face_id":"f"}',
    ],
)
def test_damage(tmp_path: Path, line: bytes) -> None:
    """A line that is none of ours is told by its number, never guessed at."""
    path = tmp_path / "before.jsonl"
    keep(path, image(1))
    path.write_bytes(path.read_bytes() + line + b"\n")
    for read in (read_images, lambda path: earlier_images(path, any_row)):
        with pytest.raises(RunDirectoryError, match="line 2 is damaged"):
            list(read(path))


def test_no_images(tmp_path: Path) -> None:
    """A run without them is named, with what makes some."""
    with pytest.raises(RunDirectoryError, match="has no before-images") as caught:
        list(read_images(tmp_path / "before.jsonl"))
    assert "--backup" in caught.value.hint


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """Neither a folder nor a link in its place is written to; nothing was sent."""
    (tmp_path / "before.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryError, match="nothing was sent"):
        keep(tmp_path / "before.jsonl", image(1))
    assert not (tmp_path / "elsewhere").exists()


def test_a_bug_is_for_those_who_wait(tmp_path: Path) -> None:
    """What is no trouble with the disk comes out where the image was asked for."""

    def broken(fd: int, data: bytes, place: int) -> int:
        raise ZeroDivisionError

    path = tmp_path / "before.jsonl"
    [failure] = keep(path, image(1), disk=replace(DISK, write=broken))
    assert isinstance(failure, ZeroDivisionError)


# Any interleaving, any cut, any disk


@dataclass
class World:
    """Faces at a service that is slow and unsure, and a disk that may lose what it has."""

    path: Path
    chance: Random
    faces: dict[str, dict[str, Any]]
    original: dict[str, dict[str, Any]] = field(default_factory=dict)
    before_last: dict[str, dict[str, Any]] = field(default_factory=dict)
    safe: int = 0
    calls_left: int = 10**9
    cut_after: int = 10**9
    gate: Gate = field(default_factory=Gate)
    workers: list["asyncio.Task[None]"] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def write(self, fd: int, data: bytes, place: int) -> int:
        self._use()
        most = self.chance.randint(1, len(data))
        return os.pwrite(fd, data[:most], place)

    def sync(self, fd: int) -> None:
        self._use()
        self.safe = os.fstat(fd).st_size

    def _use(self) -> None:
        self.calls_left -= 1
        if self.calls_left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def pause(self) -> None:
        """Let others go first, as often as it happens; be cut off when it is time."""
        self.cut_after -= 1
        if self.cut_after == 0:
            self.gate.close(JournalFailed("cut"))
            for worker in self.workers:
                worker.cancel()
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)

    async def read(self, task: Task) -> Result:
        try:
            await self.pause()
        except asyncio.CancelledError:
            return result(task, Outcome.UNPROCESSED)
        if self.gate.closed:
            return result(task, Outcome.UNPROCESSED)
        face_id = task.update.face_id
        late = face_id in self.before_last and self.chance.random() < 0.5
        held = (self.before_last if late else self.faces)[face_id]
        face = {"face_id": face_id, **held}
        return result(task, Outcome.EXPORTED, payload=write_faces([face]))

    async def put(self, task: Task) -> Result:
        if self.gate.closed:
            return result(task, Outcome.UNPROCESSED)
        face_id = task.update.face_id
        self._assert_image_is_safe(face_id)
        try:
            await self.pause()
            self._apply(task.update)
            await self.pause()
        except asyncio.CancelledError:
            return result(task, Outcome.UNPROCESSED)
        return result(task, Outcome.UPDATED)

    def _apply(self, update: FaceUpdate) -> None:
        fields = dict(update.external_fields)
        self.before_last[update.face_id] = self.faces[update.face_id]
        self.faces[update.face_id] = {"external_fields": fields}  # it replaces

    def _assert_image_is_safe(self, face_id: str) -> None:
        """At the moment of a PUT, what would survive a power loss has the image."""
        safe = self.safe  # first: the disk is another thread's
        lines = self.path.read_bytes()[:safe].splitlines()
        known = [json.loads(line) for line in lines]
        first = next(each for each in known if each["face_id"] == face_id)
        assert first["before"]["external_fields"] == self.original[face_id]

    async def session(self, tasks: list[Task]) -> None:
        """Send what has no outcome yet, by some workers."""
        self.before_last.clear()
        pending = [t for t in tasks if t.row_number not in self.outcomes]
        numbers = {task.row_number for task in pending}
        disk = replace(DISK, write=self.write, sync=self.sync)

        def is_pending(source: str, number: int) -> bool:
            return number in numbers

        async with open_images(self.path, is_pending, disk) as images:
            send = self._sender(images)
            queue = iter(pending)

            async def work() -> None:
                for task in queue:
                    if self.gate.closed:
                        return
                    done = await send(task)
                    if done.outcome is not Outcome.UNPROCESSED:
                        self.outcomes[task.row_number] = done.outcome

            self.workers = [asyncio.create_task(work()) for _ in range(6)]
            await asyncio.wait(self.workers)
            for worker in self.workers:
                assert worker.cancelled() or worker.exception() is None

    def _sender(self, images: BeforeImages) -> Any:
        def repeats(task: Task) -> bool:
            return True

        sender = CarefulSender(
            read=self.read,
            send=self.put,
            images=images,
            care=Care(backup=True),
            gate=self.gate,
            written=Written(repeats),
        )
        return InOrder(sender.send_carefully, repeats).send


def result(task: Task, outcome: Outcome, payload: str = "") -> Result:
    return Result(
        source=task.source,
        row_number=task.row_number,
        face_set_name=task.face_set_name,
        face_id=task.update.face_id,
        outcome=outcome,
        attempts=(Attempt(1.0, 0.1, 200),),
        payload=payload,
    )


@contextmanager
def world(seed: int, faces: int) -> Iterator[World]:
    with TemporaryDirectory() as folder:
        held = {f"face{n}": {"external_fields": {"age": -n}} for n in range(faces)}
        made = World(Path(folder) / "before.jsonl", Random(seed), held)
        made.original = {k: each["external_fields"] for k, each in held.items()}
        yield made


def wanted(number: int) -> dict[str, int]:
    """Return one of two fields, so that the other one has to be sent back as it is."""
    return {"age": number} if number % 3 else {"size": number}


@MANY
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 25),
    faces=st.integers(1, 8),
    disks=st.lists(st.integers(0, 30), max_size=3),
    cuts=st.lists(st.integers(1, 80), max_size=3),
)
def test_an_image_is_safe_before_its_put(
    seed: int, rows: int, faces: int, disks: list[int], cuts: list[int]
) -> None:
    """
    However rows, disk and signals come together: nothing is sent whose face has no
    image that would survive a power loss, and it is what the face held at first.

    Rows of a face go in order, the service replaces what it holds, and a read may be
    one update late: after any number of full disks and cuts a last session leaves all
    that the rows want, and each row ends as updated.
    """
    tasks = [
        Task(FaceUpdate(f"face{n % faces}", None, wanted(n)), "staff", "a.csv", n)
        for n in range(1, rows + 1)
    ]
    with world(seed, faces) as made:
        ends = [(left, 10**9) for left in disks] + [(10**9, cut) for cut in cuts]
        made.chance.shuffle(ends)
        for left, cut in [*ends, (10**9, 10**9)]:
            made.calls_left, made.cut_after, made.gate = left, cut, Gate()
            try:
                asyncio.run(made.session(tasks))
            except RunDirectoryError:
                assert left < 10**9, "only a full disk refuses to begin"
        assert len(made.outcomes) == rows
        assert set(made.outcomes.values()) == {Outcome.UPDATED}
        expected = {face_id: dict(held) for face_id, held in made.original.items()}
        for task in tasks:
            expected[task.update.face_id] |= task.update.external_fields
        assert expected == {k: f["external_fields"] for k, f in made.faces.items()}
        images = list(read_images(made.path))
        numbers = [each.row_number for each in images]
        assert sorted(numbers) == list(range(1, rows + 1)), "one image for each row"
