"""Who writes results down while a run goes on, and stops it when that cannot be done."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.errors import (
    CircuitOpen,
    JournalFailed,
    RunRefused,
    RunStopped,
    TimeWindowOver,
)
from batch_updater.files.journal import Journal
from batch_updater.models import Result
from batch_updater.report.summary import Stop

_SYNC_INTERVAL = 0.5  # seconds; the promise is at most one


class Scribe:
    """
    Keeps a run's journal, so that nothing is sent that could not be recorded.

    Trouble with the journal closes the gate; it is never raised, because what is in
    flight must land all the same.

    Args:
        tell: told what nobody else will know: outcomes that could not be recorded.
        interval: seconds from one sync to the next; nothing new is sent while one
            takes as long again.
    """

    def __init__(
        self,
        journal: Journal,
        gate: Gate,
        tell: Callable[[str], None],
        *,
        interval: float = _SYNC_INTERVAL,
    ) -> None:
        self._journal = journal
        self._gate = gate
        self._tell = tell
        self._interval = interval
        self._unrecorded = 0
        self._slow = False
        self._turn = (
            asyncio.Lock()
        )  # a sync that is under way must not be taken for done

    @property
    def reason(self) -> RunStopped | None:
        """Why the run was stopped early, or None; a lost outcome outweighs all."""
        failure = self._journal.trouble
        if failure is None or not self._unrecorded:
            return failure or self._gate.reason
        said = (
            f"{failure.message}; outcomes that were told, but are not recorded: "
            f"{self._unrecorded:,}"
        )
        return JournalFailed(said, hint=failure.hint)

    def write(self, *results: Result) -> None:
        """Write results down; one that cannot be is told."""
        try:
            self._journal.write(*results)
        except JournalFailed:
            if len(results) == 1:
                self._tell_unrecorded(results[0])
            else:  # there may be room for some of them
                for result in results:
                    self.write(result)
        self._heed()

    def note(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Write down what happened to the run itself."""
        with suppress(JournalFailed):
            self._journal.note(kind, facts)
        self._heed()

    async def note_safely(self, *notes: tuple[str, Mapping[str, Any]]) -> bool:
        """Write down what must survive a power loss; return whether it is sure to."""
        for kind, facts in notes:
            self.note(kind, facts)
        await self._safely_synced()
        self._heed()
        return self._journal.trouble is None

    def end(self, *, done: bool = False) -> Stop | None:
        """
        Note the end and why; nothing comes after it. Return why it was early.

        Args:
            done: whether nothing is left: a time window that is over then cut
                nothing short.
        """
        stop = self._stop(done=done)
        self.note("end", {"stop": asdict(stop) if stop else None})
        self._sync()
        self._journal.give_room_back()
        return self._stop(done=done)

    def _stop(self, *, done: bool) -> Stop | None:
        reason = self.reason
        return None if done and isinstance(reason, TimeWindowOver) else as_stop(reason)

    @asynccontextmanager
    async def syncing(self) -> AsyncIterator[None]:
        """Make what is written durable every now and then while the block runs."""
        over = asyncio.Event()
        task = asyncio.create_task(self._keep_synced(over))
        task.add_done_callback(self._heed_end)
        try:
            yield
        finally:
            over.set()
            await asyncio.wait([task])

    async def _keep_synced(self, over: asyncio.Event) -> None:
        now = asyncio.get_running_loop().time
        while not over.is_set():
            due = now() + self._interval
            await self._sync_in_time()
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), max(0.0, due - now()))

    async def _sync_in_time(self) -> None:
        syncing = asyncio.create_task(self._safely_synced())
        done, _ = await asyncio.wait([syncing], timeout=self._interval)
        if done:
            syncing.result()  # what is no trouble with the disk surfaces here
        else:
            self._tell_slow()
            with self._gate.held():
                await syncing
                await self._safely_synced()  # what has landed meanwhile
        self._slow = not done
        self._heed()

    async def _safely_synced(self) -> None:
        async with self._turn:
            await asyncio.to_thread(self._sync)

    def _sync(self) -> None:
        with suppress(JournalFailed):  # the journal remembers
            self._journal.sync()

    def _heed(self) -> None:
        if self._journal.trouble:
            self._gate.close(self._journal.trouble)

    def _heed_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            said = f"the journal is not synced any more: {error}"
            self._gate.close(JournalFailed(said, hint="resume goes on."))

    def _tell_slow(self) -> None:
        if not self._slow:
            self._tell(
                "the disk is slow: nothing new is sent while the journal is not safe"
            )

    def _tell_unrecorded(self, result: Result) -> None:
        # Rows that were not sent are found again, and faces that were only read are
        # read again: neither has the hash of a body.
        if not (result.attempts and result.payload_sha256):
            return
        self._unrecorded += 1
        said = f"{result.outcome} {result.error_code}".rstrip()
        where = f"{result.source} row {result.row_number}, face {result.face_id}"
        self._tell(f"NOT RECORDED: {where}: {said}")


def as_stop(reason: RunStopped | None) -> Stop | None:
    """Return why a run ended early as its summary tells it."""
    if reason is None:
        return None
    return Stop(
        name=reason.name,
        message=reason.message,
        hint=reason.hint,
        exit_code=reason.code,
    )


# Stops whose message repeats the service's own words.
QUOTING = frozenset({RunRefused.name, CircuitOpen.name})


def say_the_end(stop: Stop | None, notices: Notices, *, values: bool) -> None:
    """
    Tell whoever looks on that a session ends, and why if that is early.

    Args:
        values: whether the words of a service that refuses may be repeated: it may
            have read them in the row that it refused first.
    """
    if stop is None:
        notices.mention("the run has ended")
    elif stop.name in QUOTING and not values:
        said = f"the run ends early ({stop.name}), as the summary tells. {stop.hint}"
        notices.tell(said.rstrip())
    else:
        notices.tell(f"the run ends early: {stop.message}")
