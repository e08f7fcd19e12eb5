"""
Before-images: one JSON object a line, on disk before the change they go before is sent.

Of a row that has several the last one counts. A run that goes on writes another one only
where somebody else has changed the face since: what the face may hold because the run
itself has sent it is in no image.
"""

import asyncio
import json
import os
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from batch_updater.errors import JournalFailed, RunDirectoryError
from batch_updater.files.appended import Appended
from batch_updater.files.disk import DISK, Disk, remedy, sync_directory
from batch_updater.files.lines import format_time, parse_time
from batch_updater.files.private import create_private
from batch_updater.models import BeforeImage, FaceUpdate, Task

Row = tuple[str, int]
"""A source and a row number."""

Earlier = Mapping[Row, Mapping[str, Any]]
"""What faces held, by the row that was to change them."""


class BeforeImages:
    """
    Keeps before-images: as many as wait at one moment are one write and one sync.

    Args:
        earlier: faces in the last images that earlier sessions have kept.
    """

    def __init__(self, path: Path, file: Appended, earlier: Earlier) -> None:
        self._path = path
        self._file = file
        self._earlier = earlier
        self._waiting: list[tuple[bytes, asyncio.Future[Exception | None]]] = []
        self._keeping: asyncio.Task[None] | None = None
        self._trouble: JournalFailed | None = None

    def earlier(self, task: Task) -> Mapping[str, Any] | None:
        """Return the face in the image that earlier sessions kept last for a row."""
        return self._earlier.get((task.source, task.row_number))

    async def keep(self, image: BeforeImage) -> None:
        """
        Return once an image is on disk, and would survive a power loss.

        Raises:
            JournalFailed: it may not; nor is any other one kept from then on.
        """
        kept: asyncio.Future[Exception | None]
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append((_encode(image), kept))
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep_all())
        if failure := await kept:
            raise failure

    async def close(self) -> None:
        """Wait for the disk; whoever waits for it still hears how it went."""
        while self._keeping:
            await asyncio.wait([self._keeping])

    async def _keep_all(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                lines = b"".join(line for line, _ in waiting)
                failure = await _failure_of(asyncio.to_thread(self._write, lines))
                for _, kept in waiting:
                    if not kept.done():  # who waited may have been cut off
                        kept.set_result(failure)
        finally:
            self._keeping = None

    def _write(self, lines: bytes) -> None:
        if self._trouble:
            raise self._trouble
        try:
            self._file.put(lines)
            self._file.sync()
        except OSError as error:
            # That a later sync works says nothing about what this one was to save.
            self._trouble = _failed(self._path, error)
            raise self._trouble from error


async def _failure_of(writing: Awaitable[None]) -> Exception | None:
    try:
        await writing
    except Exception as failure:  # a bug, too, is for those who wait
        return failure
    return None


def _failed(path: Path, error: OSError) -> JournalFailed:
    again = shlex.join(["batch-updater", "resume", str(path.parent)])
    return JournalFailed(
        f"cannot write {path}: {error.strerror}; no face was changed whose "
        "before-image is not there",
        hint=f"{remedy(error)}, then: {again}",
    )


@asynccontextmanager
async def open_images(
    path: Path, is_pending: Callable[[str, int], bool], disk: Disk = DISK
) -> AsyncIterator[BeforeImages]:
    """
    Open the before-images of a run, whose lock the caller holds.

    Args:
        is_pending: whether a row, by source and row number, may be sent (again).

    Raises:
        RunDirectoryError: they cannot be read or written, or are damaged.
    """
    fd, file = await asyncio.to_thread(_open, path, disk)
    try:
        earlier = await asyncio.to_thread(earlier_images, path, is_pending)
        images = BeforeImages(path, file, earlier)
        try:
            yield images
        finally:
            await images.close()
    finally:
        os.close(fd)


def _open(path: Path, disk: Disk) -> tuple[int, Appended]:
    try:
        fd = _create_or_open(path)
        try:
            return fd, Appended(fd, disk)
        except BaseException:
            os.close(fd)
            raise
    except OSError as error:
        raise RunDirectoryError(
            f"cannot write {path}: {error.strerror}; nothing was sent",
            hint=f"{remedy(error)}, then: "
            + shlex.join(["batch-updater", "resume", str(path.parent)]),
        ) from error


def _create_or_open(path: Path) -> int:
    with suppress(FileExistsError):
        fd = create_private(path)
        sync_directory(path.parent)
        return fd
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)


def earlier_images(path: Path, is_pending: Callable[[str, int], bool]) -> Earlier:
    """
    Return the faces in the last images of pending rows, which are few.

    Raises:
        RunDirectoryError: a line is not one of ours.
    """
    found: dict[Row, Mapping[str, Any]] = {}
    for number, line in _lines(path):
        # Lossy for integers beyond 64 bits, but three times as fast.
        row = _row_of(_parse(line, path, number, orjson.loads), path, number)
        if is_pending(*row):
            image = _decode(_parse(line, path, number), path, number)
            found[row] = image.before
    return found


def read_images(path: Path) -> Iterator[BeforeImage]:
    """
    Yield every before-image, oldest first; of several of one row the last counts.

    A torn last line is passed over: what it was for was never sent.

    Raises:
        RunDirectoryError: there are none, or a line is not one of ours.
    """
    for number, line in _lines(path):
        yield _decode(_parse(line, path, number), path, number)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise RunDirectoryError(
            f"{path.parent} has no before-images: {path.name}: {error.strerror}",
            hint="Only a run with --backup, and apply, keeps what faces held before.",
        ) from None
    with file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield number, line


def _parse(
    line: bytes, path: Path, number: int, parse: Callable[[bytes], Any] = json.loads
) -> Any:
    try:
        return parse(line)
    except (ValueError, RecursionError):
        if parse is json.loads:
            raise _damage(path, number) from None
        return _parse(line, path, number)  # NaN, and halves of surrogate pairs


def _row_of(facts: Any, path: Path, number: int) -> Row:
    try:
        return str(facts["source"]), int(facts["row_number"])
    except (KeyError, TypeError, ValueError):
        raise _damage(path, number) from None


def _encode(image: BeforeImage) -> bytes:
    update = image.update
    content: dict[str, Any] = {}
    if update.external_image_id is not None:
        content["external_image_id"] = update.external_image_id
    if update.external_fields:
        content["external_fields"] = dict(update.external_fields)
    facts = {
        "source": image.source,
        "row_number": image.row_number,
        "face_set_name": image.face_set_name,
        "face_id": update.face_id,
        "at": format_time(image.at),
        "before": image.before,
        "update": content,
    }
    # Python's own writer: whatever stands in a face has to survive.
    return json.dumps(facts, separators=(",", ":")).encode() + b"\n"


def _decode(facts: Any, path: Path, number: int) -> BeforeImage:
    try:
        content, before = facts["update"], facts["before"]
        fields = content.get("external_fields", {})
        if not isinstance(before, dict) or not isinstance(fields, dict):
            raise _damage(path, number)
        return BeforeImage(
            source=str(facts["source"]),
            row_number=int(facts["row_number"]),
            face_set_name=str(facts["face_set_name"]),
            at=parse_time(facts["at"]),
            before=before,
            update=FaceUpdate(
                str(facts["face_id"]), content.get("external_image_id"), fields
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damage(path, number) from None


def _damage(path: Path, number: int) -> RunDirectoryError:
    return RunDirectoryError(
        f"{path}, line {number} is damaged",
        hint="What faces held before cannot be trusted from there on: put the file "
        "back as the run wrote it.",
    )
