"""Keeping the states in the data file while the emulator runs."""

import asyncio
import logging
from pathlib import Path

from batch_updater.emulator.state.changes import SetChange
from batch_updater.emulator.state.projects import Scope, States
from batch_updater.emulator.state.storage import DataError, DataFile
from batch_updater.emulator.wire import hold

SAVE_EVERY = 0.5  # with the time of writing, a change is on disk within a second

log = logging.getLogger(__name__)


class Keeper:
    """Loads the states, then writes what changes every half second and at the end."""

    def __init__(self, path: Path, states: States, closing: asyncio.Event) -> None:
        self._path, self._states, self._closing = path, states, closing
        self._file: DataFile | None = None
        self._saving: asyncio.Task[None] | None = None
        self._unwritten: list[tuple[Scope, list[SetChange]]] = []

    def load(self) -> None:
        """Open the file and take over what it holds; DataError when it is damaged."""
        self._file = DataFile(self._path)
        for scope, face_set in self._file.read():
            self._states.state_of(*scope).restore(face_set)

    def start(self) -> None:
        """Begin to write what changes."""
        self._saving = asyncio.create_task(self._save_until_closing())

    async def stop(self) -> None:
        """Write what is not written yet and close; DataError when it cannot be."""
        if self._saving is not None:
            await self._saving
        if self._file is None:
            return
        try:
            if self._saving is not None:
                await self._save(self._file)
        finally:
            self._file.close()
            self._file = None

    async def _save_until_closing(self) -> None:
        while not self._closing.is_set():
            await hold(self._closing, SAVE_EVERY)
            try:
                if self._file is not None:
                    await self._save(self._file)
            except DataError as problem:
                log.warning("emulator: %s", problem)

    async def _save(self, file: DataFile) -> None:
        for scope, state in self._states.items():
            if changed := state.take_changes():
                self._unwritten.append((scope, changed))
        if self._unwritten:
            await asyncio.to_thread(file.write, self._unwritten)
            self._unwritten = []
