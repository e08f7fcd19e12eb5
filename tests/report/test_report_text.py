"""The summary on a terminal, and what moves while a run goes on."""

import io
import logging
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.models import Outcome
from batch_updater.report.durations import format_duration
from batch_updater.report.forecast import Forecast
from batch_updater.report.progress import (
    BarProgress,
    NoProgress,
    PlainProgress,
    ProgressMode,
    make_progress,
)
from batch_updater.report.summary import ErrorCount, Stop, Summary, Tally
from batch_updater.report.text import render_summary

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

EVIL = "\x1b[2J\x1b]0;title\x07\r\b"


def summary(
    *,
    code: str = "FRS.0303",
    text: str = "not there",
    attempts: int = 1200,
    throttled: int = 12,
    rate: float | None = 10.0,
    failed: int = 2,
) -> Summary:
    error = ErrorCount(code, failed, "failed", text, f"remove {text}", f"row {text}")
    stop = Stop(name="refused", message=text, hint=f"hint {text}", exit_code=3)
    return Summary(
        run_dir=f"runs/{text}",
        face_set_name=f"set {text}",
        read=1234,
        outcomes={"updated": 1232, "unchanged": 0, "failed": failed, "invalid": 0},
        errors=(error,),
        attempts=attempts,
        throttled=throttled,
        ambiguous=3,
        rate=rate,
        achieved_rate=9.87,
        busiest_second=10,
        latency={"p50": 0.0301, "p95": None, "p99": 0.2},
        seconds=125.0,
        exit_code=3,
        stop=stop,
        note=f"note {text}",
        next_command=f"batch-updater retry runs/{text}",
    )


def test_the_summary_says_it_all() -> None:
    """Counts, speed, errors with remedy, the stop and the next command, line by line."""
    assert render_summary(summary()).splitlines() == [
        "face set    set not there",
        "run         runs/not there",
        "read        1,234 rows",
        "updated     1,232",
        "failed      2",
        "attempts    1,200 in 2 min 5 s, 12 throttled (1.0 %), 3 rows ambiguous",
        "rate        9.87 a second of 10 allowed, 10 in the busiest second",
        "latency     p50 30 ms, p99 200 ms",
        "errors",
        "       2  FRS.0303 (failed): not there",
        "          first: row not there",
        "          do: remove not there",
        "stopped     not there",
        "            hint not there",
        "note        note not there",
        "next        batch-updater retry runs/not there",
    ]


def test_what_is_not_so_is_not_said() -> None:
    """Nothing sent has no speed; a rate of none is unlimited; failed 0 is shown."""
    text = render_summary(summary(attempts=0, failed=0))
    assert "attempts" not in text
    assert "failed      0" in text
    assert "of unlimited allowed" in render_summary(summary(rate=None))
    assert "throttled" not in render_summary(summary(throttled=0))


def test_a_run_without_trouble() -> None:
    """A clean run has no errors, no stop and nothing to type next."""
    clean = replace(summary(), errors=(), stop=None, note="", next_command="")
    assert render_summary(clean).splitlines()[-1].startswith("latency")
    (error,) = summary().errors
    silent = replace(summary(), errors=(replace(error, remedy=""),))
    assert "do:" not in render_summary(silent)
    assert summary().stop
    bare = Stop(name="s", message="m", hint="", exit_code=4)
    assert "hint" not in render_summary(replace(summary(), stop=bare))


def test_long_messages_are_cut() -> None:
    """An error's line stays a line."""
    error_line = next(
        line
        for line in render_summary(summary(text="x" * 5000)).splitlines()
        if "FRS.0303" in line
    )
    assert len(error_line) < 160


@MANY
@given(
    text=st.text(max_size=20) | st.just(EVIL), code=st.text(max_size=9) | st.just(EVIL)
)
def test_no_text_of_others_moves_the_cursor(text: str, code: str) -> None:
    """The service's codes and words, and names of files, cannot steer the terminal."""
    rendered = render_summary(summary(text=text, code=code))
    assert rendered.endswith("\n")
    assert rendered.replace("\n", "").isprintable()
    assert len(rendered.splitlines()) == 16
    rendered.encode()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (1, "1 s"),
        (9.94, "9.9 s"),
        (43.4, "43 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (725, "12 min 5 s"),
        (3599.6, "1 h 0 min"),
        (10020, "2 h 47 min"),
        (100_000, "27 h 46 min"),
        (2 * 86400, "2 d 0 h"),
        (3 * 86400 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    """Seconds are said as people say them."""
    assert format_duration(seconds) == said


def tally(updated: int, failed: int = 0) -> Tally:
    counts = Tally(throttled=4)
    counts.outcomes.update({Outcome.UPDATED: updated, Outcome.FAILED: failed})
    counts.outcomes[Outcome.UNPROCESSED] += 1
    return counts


def test_plain_progress_writes_lines() -> None:
    """Each line of a log says how far, how fast, and how long it will take."""
    lines: list[str] = []
    moments = iter([100.0, 100.0, 110.0])
    forecast = Forecast(1000, lambda: None, now=100.0)
    progress = PlainProgress(1000, lines.append, lambda: next(moments), forecast)
    progress.show(Tally())
    progress.close(tally(90, 10))
    first, last = lines
    assert "0 of 1,000 rows" in first
    assert "ETA ?" in first
    assert last == (
        "100 of 1,000 rows, 10.0 rows/s, updated 90, failed 10, throttled 4, ETA 1 min 30 s"
    )


def test_a_bar_shows_failures_and_throttling() -> None:
    """The bar counts finished rows and tells what went wrong."""
    stream = io.StringIO()
    moments = iter([1.0, 2.0])
    progress = BarProgress(
        10, stream, lambda: next(moments), Forecast(10, lambda: 2.0, 0.0)
    )
    progress.show(tally(3))
    assert "ETA 3.5 s" in stream.getvalue()
    progress.close(tally(6, 4))
    assert "10/10" in stream.getvalue()
    assert "failed 4, throttled 4" in stream.getvalue()


@pytest.mark.parametrize(
    ("mode", "terminal", "kind"),
    [
        (ProgressMode.AUTO, True, BarProgress),
        (ProgressMode.AUTO, False, PlainProgress),
        (ProgressMode.BAR, False, BarProgress),
        (ProgressMode.PLAIN, True, PlainProgress),
        (ProgressMode.NONE, True, NoProgress),
    ],
)
def test_auto_draws_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mode: ProgressMode,
    terminal: bool,
    kind: type,
) -> None:
    """A log gets lines and a terminal a bar, unless the user says otherwise."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    caplog.set_level(logging.INFO, logger="batch_updater.progress")
    progress = make_progress(mode, 10, lambda: 0.0, Forecast(10, lambda: None, 0.0))
    progress.show(tally(1))
    progress.close(tally(2))
    assert type(progress) is kind
    assert bool(stream.getvalue()) is (kind is BarProgress)
    assert bool(caplog.messages) is (kind is PlainProgress)
