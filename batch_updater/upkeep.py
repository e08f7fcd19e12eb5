"""What watches over a run while it goes on: progress, limits, time."""

import asyncio
import shlex
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from batch_updater.config.settings import Settings
from batch_updater.delivery.first_rows import FirstRows
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.pool import Send
from batch_updater.delivery.signals import Signals
from batch_updater.delivery.window import First, Window, kept_within
from batch_updater.errors import SameFailures, TooManyErrors
from batch_updater.frs.codes import find_code
from batch_updater.models import Outcome, Result, Task
from batch_updater.report.durations import format_duration
from batch_updater.report.forecast import Forecast
from batch_updater.report.progress import Progress, ProgressMode, make_progress
from batch_updater.report.summary import Tally


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
    total: int, to_send: int, settings: Settings, window: First, *, page: int = 1
) -> Progress:
    """
    Return what shows a run's progress.

    Args:
        total: rows that will have an outcome.
        to_send: those of them that take a request.
        page: how many of them one request brings.
    """

    def left() -> float | None:
        end = window()
        return end.left if end else None

    cap = settings.rate and settings.rate * page
    forecast = Forecast(to_send, cap, time.monotonic(), left)
    return make_progress(
        ProgressMode(settings.progress), total, time.monotonic, forecast
    )


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
