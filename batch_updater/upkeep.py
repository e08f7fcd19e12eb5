"""What watches over a run while it goes on: progress, limits, time."""

import asyncio
import shlex
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from batch_updater.config.parsing import parse_rate
from batch_updater.config.settings import Settings
from batch_updater.delivery.first_rows import FirstRows
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pacing import Pacer
from batch_updater.delivery.pool import Send
from batch_updater.delivery.signals import Signals
from batch_updater.delivery.window import First, Window, kept_within
from batch_updater.errors import SameFailures, TooManyErrors
from batch_updater.files.rate_file import RateFile
from batch_updater.frs.codes import find_code
from batch_updater.models import Outcome, Result, Task
from batch_updater.report.durations import format_duration
from batch_updater.report.forecast import Forecast
from batch_updater.report.progress import Progress, ProgressMode, make_progress
from batch_updater.report.summary import CONTROL_FILE, Tally

_LOOK_INTERVAL = 1.0  # seconds

Pace = Callable[[], float | None]


@asynccontextmanager
async def upkeep(progress: Progress, tally: Tally) -> AsyncIterator[None]:
    """Show progress at its own pace while the block runs."""
    task = asyncio.create_task(_keep_shown(progress, tally))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        progress.close(tally)


async def _keep_shown(progress: Progress, tally: Tally) -> None:
    while True:
        await asyncio.sleep(progress.interval)
        progress.show(tally)


def shown(
    total: int, to_send: int, mode: ProgressMode, pace: Pace, window: First
) -> Progress:
    """
    Return what shows a run's progress.

    Args:
        total: rows that will have an outcome.
        to_send: those of them that take a request.
        pace: tells the most rows a second, or None.
    """

    def left() -> float | None:
        end = window()
        return end.left if end else None

    forecast = Forecast(to_send, pace, time.monotonic(), left)
    return make_progress(mode, total, time.monotonic, forecast)


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


def time_window(
    signals: Signals, settings: Settings, *, checking: bool = False
) -> AbstractAsyncContextManager[First]:
    """
    Close the gate at the end of the time window; the block is the run.

    Args:
        checking: --max-duration does not count: checking takes as long as it takes.
    """
    window = window_of(settings)
    if checking:
        window = replace(window, max_duration=None)
    return kept_within(window, signals.gate, signals.notices)


def window_of(settings: Settings) -> Window:
    """Return the time window that the settings describe."""
    seconds = settings.max_duration
    named = "" if seconds is None else format_duration(seconds)
    return Window(max_duration=seconds, stop_at=settings.stop_at, named=named)
