"""What moves while a run goes on: a bar, a line now and then, or nothing."""

import logging
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from batch_updater.report.forecast import Forecast
from batch_updater.report.summary import Tally

PLAIN_INTERVAL = 30.0
BAR_INTERVAL = 0.2
_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]"

progress_log = logging.getLogger("batch_updater.progress")
"""How a command gets on; the command shows it unless it is to be quiet."""


class ProgressMode(StrEnum):
    """How to show progress."""

    AUTO = "auto"
    BAR = "bar"
    PLAIN = "plain"
    NONE = "none"


class Progress(Protocol):
    """Shows a tally; `interval` is how often it wants to, in seconds."""

    interval: float

    def show(self, tally: Tally) -> None:
        """Show where the run stands."""

    def close(self, tally: Tally) -> None:
        """Show the end and leave the line."""


class NoProgress:
    """Shows nothing, so that nobody needs to ask whether to show."""

    interval = 3600.0

    def show(self, tally: Tally) -> None:
        """Do nothing."""

    def close(self, tally: Tally) -> None:
        """Do nothing."""


class BarProgress:
    """A tqdm bar: share, rate, ETA, failures and throttled replies."""

    interval = BAR_INTERVAL

    def __init__(
        self,
        total: int,
        stream: TextIO,
        clock: Callable[[], float],
        forecast: Forecast,
    ) -> None:
        self._clock, self._forecast = clock, forecast
        width = _width(stream)
        self._bar: tqdm[Any] = tqdm(
            total=total,
            file=stream,
            unit="row",
            ncols=None if width else 80,
            dynamic_ncols=bool(width),
            smoothing=0.1,
            mininterval=0,
            bar_format=_BAR,
        )

    def show(self, tally: Tally) -> None:
        """Redraw the bar."""
        self._forecast.take(tally, self._clock())
        self._bar.set_postfix_str(
            f"{tally.amiss}failed {tally.failed}, throttled {tally.throttled}, "
            f"{self._forecast.tell()}",
            refresh=False,
        )
        self._bar.update(tally.finished - self._bar.n)
        self._bar.refresh()

    def close(self, tally: Tally) -> None:
        """Draw the last state and end the line."""
        self.show(tally)
        self._bar.close()


def _width(stream: TextIO) -> int:
    """Return a terminal's columns; 0 when there is none or it does not know."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0


class PlainProgress:
    """One line every 30 seconds, for logs."""

    interval = PLAIN_INTERVAL

    def __init__(
        self,
        total: int,
        say: Callable[[str], None],
        clock: Callable[[], float],
        forecast: Forecast,
    ) -> None:
        self._total = total
        self._say = say
        self._clock, self._forecast = clock, forecast
        self._started = clock()

    def show(self, tally: Tally) -> None:
        """Write a line."""
        now = self._clock()
        self._forecast.take(tally, now)
        rate = tally.finished / max(now - self._started, 1e-9)
        self._say(
            f"{tally.finished:,} of {self._total:,} rows, {rate:.1f} rows/s, "
            f"{tally.wanted} {tally.outcomes[tally.wanted]:,}, "
            f"{tally.amiss}failed {tally.failed:,}, throttled {tally.throttled:,}, "
            f"{self._forecast.tell()}"
        )

    def close(self, tally: Tally) -> None:
        """Write the last line."""
        self.show(tally)


def make_progress(
    mode: ProgressMode, total: int, clock: Callable[[], float], forecast: Forecast
) -> Progress:
    """Return what shows progress on stderr; auto draws a bar on a terminal only."""
    stream = sys.stderr
    if mode is ProgressMode.AUTO:
        mode = ProgressMode.BAR if stream.isatty() else ProgressMode.PLAIN
    if mode is ProgressMode.BAR:
        return BarProgress(total, stream, clock, forecast)
    if mode is ProgressMode.PLAIN:
        return PlainProgress(total, progress_log.info, clock, forecast)
    return NoProgress()
