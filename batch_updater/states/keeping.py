"""A session that keeps a state: it joins, says what it hands out, and is taken in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from batch_updater.delivery.feed import Item
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.state_rows import SessionRow
from batch_updater.files.state_store import StateStore
from batch_updater.models import Task
from batch_updater.states.absorbing import absorb
from batch_updater.states.catching_up import catch_up, end_sessions, now
from batch_updater.states.faces import LINGERING
from batch_updater.states.places import StatePlace
from batch_updater.states.registering import Beginning, register

_TASKS = 256  # handed out at once: as many are in doubt when a run is killed


class Keeper:
    """
    Keeps the state of a face set for one session of a run.

    Args:
        place: where the state is.
    """

    def __init__(self, place: StatePlace) -> None:
        self.place = place
        self._journal = Path()
        self._sessions: Sequence[SessionRow] = ()
        self._untaken: Iterator[Item] = iter(())

    def begin(self, beginning: Beginning) -> None:
        """
        Let the state know of the session; on disk when this returns.

        This process holds the run's journal.

        Raises:
            StateError: it cannot be: then nothing may be sent.
        """
        self._journal = RunDirectory(beginning.directory).journal
        with self._opened() as store:
            catch_up(store)
            start = self._journal.stat().st_size
            self._sessions = register(store, replace(beginning, start=start))

    def hand_out(self, piece: Sequence[Item]) -> Iterator[Item]:
        """Return the items of a piece; those that are never taken are known in the end."""
        self._untaken = iter(piece)
        return self._untaken

    def end(self) -> None:
        """
        Take in what the session has done; nothing more is sent by it.

        Raises:
            StateError: it cannot be: whoever opens the state next does it.
            RunDirectoryError: the journal cannot be read.
        """
        if not self._sessions:
            return
        run = self._sessions[-1].run
        never_sent = [
            (task.update.face_id, run, task.source, task.row_number)
            for task in self._untaken
            if isinstance(task, Task)
        ]
        with self._opened() as store:
            absorb(store, run, self._journal)
            with store.transaction():
                store.drop_unsent(never_sent)
                end_sessions(store, self._sessions, now() + LINGERING)

    def _opened(self) -> closing[StateStore]:
        return closing(StateStore(self.place.path, self.place.owner))


def pieces(batch: Iterable[Item], most: int = _TASKS) -> Iterator[list[Item]]:
    """Yield a batch in pieces with no more than so many tasks each."""
    piece: list[Item] = []
    tasks = 0
    for item in batch:
        if isinstance(item, Task):
            if tasks == most:
                yield piece
                piece, tasks = [], 0
            tasks += 1
        piece.append(item)
    if piece:
        yield piece


def sending_facts(piece: Sequence[Item]) -> Iterator[Mapping[str, Any]]:
    """Yield what the journal says of the tasks of a piece before they are handed out."""
    tasks = (item for item in piece if isinstance(item, Task))
    for source, group in groupby(tasks, key=lambda task: task.source):
        some = list(group)
        yield {
            "source": source,
            "faces": [task.update.face_id for task in some],
            "rows": [task.row_number for task in some],
        }
