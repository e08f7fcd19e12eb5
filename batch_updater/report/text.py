"""The summary as text for a terminal."""

from collections.abc import Iterator

from batch_updater.inert import printable
from batch_updater.report.durations import format_duration
from batch_updater.report.planned import report_lines
from batch_updater.report.summary import ErrorCount, Summary

_MESSAGE = 120
_ERRORS = 20


def render_summary(summary: Summary) -> str:
    """Return the summary that a run prints at its end; README explains each line."""
    return "".join(f"{printable(line)}\n" for line in _lines(summary))


def _lines(summary: Summary) -> Iterator[str]:
    yield f"face set    {summary.face_set_name}"
    if summary.run_dir:
        yield f"run         {summary.run_dir}"
    rows = sum(summary.plan.counts.values()) if summary.plan else summary.read
    yield f"read        {count_rows(rows)}"
    yield from _row_lines(summary)
    yield from _speed_lines(summary)
    if summary.errors:
        yield "errors"
    for error in summary.errors[:_ERRORS]:
        yield from _error_lines(error)
    if len(summary.errors) > _ERRORS:
        yield f"  and {len(summary.errors) - _ERRORS} more kinds in summary.json"
    yield from _end_lines(summary)


def _row_lines(summary: Summary) -> Iterator[str]:
    if summary.plan:  # which says more of the same rows
        yield from report_lines(summary.plan)
        return
    for outcome, count in summary.outcomes.items():
        if count or outcome in {summary.wanted, "failed"}:
            yield f"{outcome:<12}{count:,}"


def _end_lines(summary: Summary) -> Iterator[str]:
    if summary.stop:
        yield f"stopped     {summary.stop.message}"
        if summary.stop.hint:
            yield f"            {summary.stop.hint}"
    if summary.file:
        yield f"file        {summary.file}"
    if summary.note:
        yield f"note        {summary.note}"
    if summary.next_command:
        yield f"next        {summary.next_command}"


def _speed_lines(summary: Summary) -> Iterator[str]:
    if not summary.attempts:
        return
    share = 100 * summary.throttled / summary.attempts
    throttled = f", {summary.throttled:,} throttled ({share:.1f} %)"
    ambiguous = (
        f", {count_rows(summary.ambiguous)} ambiguous" if summary.ambiguous else ""
    )
    yield (
        f"attempts    {summary.attempts:,} in {format_duration(summary.seconds)}"
        f"{throttled if summary.throttled else ''}{ambiguous}"
    )
    allowed = "unlimited" if summary.rate is None else f"{summary.rate:g}"
    achieved = summary.achieved_rate or 0.0
    yield (
        f"rate        {achieved:.2f} a second of {allowed} allowed, "
        f"{summary.busiest_second} in the busiest second"
    )
    latency = ", ".join(
        f"{name} {value * 1000:.0f} ms"
        for name, value in summary.latency.items()
        if value is not None
    )
    yield f"latency     {latency}"


def _error_lines(error: ErrorCount) -> Iterator[str]:
    message = printable(error.message)[:_MESSAGE]
    yield f"  {error.count:>6,}  {error.code} ({error.outcome}): {message}"
    yield f"          first: {error.example}"
    if error.remedy:
        yield f"          do: {error.remedy}"


def count_faces(faces: int) -> str:
    """Return a number of faces in words."""
    return f"{faces:,} face" + ("" if faces == 1 else "s")


def count_rows(rows: int) -> str:
    """Return a number of rows in words: `1 row`, `3,000 rows`."""
    return f"{rows:,} row" + ("" if rows == 1 else "s")
