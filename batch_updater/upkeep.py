"""What watches over a run while it goes on: journal, progress, limits, time."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from batch_updater.config.parsing import parse_rate
from batch_updater.config.settings import Settings
from batch_updater.delivery.first_rows import FirstRows
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pacing import Pacer
from batch_updater.delivery.pool import Send
from batch_updater.errors import (
    JournalFailed,
    SameFailures,
    TimeWindowOver,
    TooManyErrors,
)
from batch_updater.files.journal import Journal
from batch_updater.files.rate_file import RateFile
from batch_updater.frs.codes import find_code
from batch_updater.models import Outcome, Result, Task
from batch_updater.report.progress import Progress, format_duration
from batch_updater.report.summary import CONTROL_FILE, Tally

_SYNC_INTERVAL = 0.5  # seconds; the promise is at most one
_LOOK_INTERVAL = 1.0


@asynccontextmanager
async def upkeep(
    journal: Journal, progress: Progress, tally: Tally, gate: Gate
) -> AsyncIterator[None]:
    """Sync the journal and show progress at their own pace while the block runs."""
    tasks = [
        asyncio.create_task(_keep_synced(journal, gate)),
        asyncio.create_task(_keep_shown(progress, tally)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        progress.close(tally)


async def _keep_synced(journal: Journal, gate: Gate) -> None:
    while True:
        await asyncio.sleep(_SYNC_INTERVAL)
        try:
            await asyncio.to_thread(journal.sync)
        except JournalFailed as failure:
            gate.close(failure)


async def _keep_shown(progress: Progress, tally: Tally) -> None:
    while True:
        await asyncio.sleep(progress.interval)
        progress.show(tally)


@asynccontextmanager
async def rate_followed(
    path: Path, pacer: Pacer, notices: Notices
) -> AsyncIterator[None]:
    """Change the rate to what the run's control file says while the block runs."""
    task = asyncio.create_task(_follow_rate(RateFile(path), pacer, notices))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _follow_rate(file: RateFile, pacer: Pacer, notices: Notices) -> None:
    while True:
        text = await asyncio.to_thread(file.look)
        try:
            if text is not None:
                pacer.change_rate(parse_rate(text), CONTROL_FILE)
        except ValueError as error:
            said = f"{file.path} says {text!r} and is ignored: {error}"
            notices.tell(said)
        await asyncio.sleep(_LOOK_INTERVAL)


def stopping_on_errors(send: Send, allowed: int | None, gate: Gate) -> Send:
    """
    Return what sends, and closes the gate when more rows have failed than allowed.

    Whoever sent the row closes it, before it can take another one: only what is in
    flight by then still ends.

    Args:
        allowed: rows that may fail, as --max-errors says; None for any number.
    """
    if allowed is None:
        return send
    failed = 0

    async def watched(task: Task) -> Result:
        nonlocal failed
        result = await send(task)
        failed += result.outcome is Outcome.FAILED
        if failed > allowed:
            said = f"{failed:,} rows failed; --max-errors allows {allowed:,}"
            gate.close(TooManyErrors(said, hint="failed.csv says why."))
        return result

    return watched


def stop_on_same_failures(
    first: FirstRows,
    result: Result,
    tally: Tally,
    rows: int,
    gate: Gate,
    run_dir: Path,
) -> None:
    """Close the gate when the first of all rows failed alike, and others are left."""
    if first.fail_alike(result) and tally.total < rows:
        gate.close(_same_failures(first.count, result, run_dir))


def _same_failures(rows: int, last: Result, run_dir: Path) -> SameFailures:
    entry = find_code(last.error_code, last.error_msg, last.http_status)
    meaning = entry.meaning if entry else "a code that is not documented"
    advice = entry.advice if entry else "Look at the message in failed.csv."
    words = ["batch-updater", "resume", str(run_dir), "--same-failures", "off"]
    return SameFailures(
        f"the first {rows:,} rows sent all failed with {last.error_code} ({meaning})",
        hint=f"{advice} To send the other rows all the same: " + shlex.join(words),
    )


@contextmanager
def time_window(gate: Gate, settings: Settings) -> Iterator[None]:
    """Close the gate when --max-duration is over; the block is the run."""
    seconds = settings.max_duration
    if seconds is None:
        yield
        return
    over = TimeWindowOver(f"--max-duration {format_duration(seconds)} is over")
    timer = asyncio.get_running_loop().call_later(seconds, gate.close, over)
    try:
        yield
    finally:
        timer.cancel()
