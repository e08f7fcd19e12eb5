"""What commands print: stdout carries data and summary, stderr all the rest."""

import sys
from collections.abc import Iterator
from datetime import datetime

from batch_updater.cli.ending import tell_programs
from batch_updater.config.settings import Resolved, Settings
from batch_updater.delivery.window import End
from batch_updater.frs.protocol import LIST_WINDOW, FaceSet
from batch_updater.inert import printable
from batch_updater.intake.survey import Survey
from batch_updater.mapping.rules import Problem
from batch_updater.models import PlanStatus
from batch_updater.report.durations import format_duration, format_end
from batch_updater.report.forecast import rows_over
from batch_updater.report.progress import progress_log
from batch_updater.report.summary import Summary
from batch_updater.report.text import count_rows, render_summary
from batch_updater.upkeep import window_of

_STATUSES = {
    PlanStatus.CHANGE: "to change",
    PlanStatus.SAME: "same",
    PlanStatus.MISSING: "missing",
    PlanStatus.INVALID: "invalid",
    PlanStatus.FAILED: "failed",
}
_LONG = 600.0  # seconds, from which on people want to know when it will be over


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """Print a run's summary."""
    tell_programs(summary.as_json(), as_json=as_json)
    if not as_json:
        print(render_summary(summary), end="")
    sys.stdout.flush()


def print_config(resolved: Resolved) -> None:
    """Print every setting, its value and its origin; secrets are masked."""
    for name, value, origin in resolved.describe():
        print(printable(f"{name:<20}{value or '-':<32}  {origin}"))


def note_survey(survey: Survey, settings: Settings, rows: int, each: int) -> None:
    """
    Tell on stderr what the check found, before anything is sent.

    Args:
        rows: how many rows will be sent.
        each: how many requests a row takes.
    """
    values, rate = settings.include_values, settings.rate
    for line in survey_lines(survey, rate, rows, values=values, each=each):
        note(line)
    if end := window_of(settings).opened()():
        note(f"window      {describe_window(rows, rate, end, each=each)}")


def note_face_set(face_set: FaceSet) -> None:
    """Tell on stderr what a face set holds, and how much of it can be listed."""
    held = face_set.face_number
    note(f"{face_set.name} holds {held:,} faces")
    if held > LIST_WINDOW:
        note(
            f"FRS lists the first {LIST_WINDOW:,} only; the other "
            f"{held - LIST_WINDOW:,} can be exported by their ids alone: --ids FILE"
        )


def note(said: str) -> None:
    """Tell on stderr how a command gets on, unless it is to be quiet."""
    progress_log.info(said)


def survey_lines(
    survey: Survey, rate: float | None, rows: int | None, *, values: bool, each: int = 1
) -> Iterator[str]:
    """
    Yield what a check found, for people.

    Args:
        rows: how many rows will be sent; None when that is not what it is for.
        values: whether to show the values that break rules; a run's stderr often
            ends in a log, where personal data does not belong.
        each: how many requests a row takes.
    """
    if survey.ahead:
        yield from _checked_lines(survey, values=values)
    else:
        yield (
            f"not checked {count_rows(survey.total)}: each is looked at when its turn "
            "comes"
        )
    if rows is not None:
        yield f"estimate    {describe_duration(rows, rate, each=each)}"


def _checked_lines(survey: Survey, *, values: bool) -> Iterator[str]:
    if survey.statuses:
        yield from _plan_lines(survey)
        return
    yield (
        f"checked     {count_rows(survey.total)}: {survey.clean:,} clean, "
        f"{survey.invalid:,} invalid, {survey.duplicates:,} duplicate"
    )
    for source, row_number, problems in survey.examples:
        yield f"            {_where(source, row_number)}: {_what(problems, values=values)}"
    unshown = survey.invalid + survey.duplicates - len(survey.examples)
    if unshown > 0:
        yield f"            and {unshown:,} more"
    for rule, count in survey.warnings.items():
        source, row_number, problem = survey.warning_examples[rule]
        yield (
            f"warning     {rule}: {count:,} values, first at "
            f"{_where(source, row_number)}: {_what([problem], values=values)}; "
            "--strict refuses them"
        )


def _plan_lines(survey: Survey) -> Iterator[str]:
    counts = ", ".join(
        f"{survey.statuses[status]:,} {word}" for status, word in _STATUSES.items()
    )
    yield f"plan        {count_rows(survey.total)}: {counts}"
    fields = (f"{field} {count:,}" for field, count in survey.changes.most_common())
    yield printable(f"changes     {', '.join(fields) or 'none'}")


def describe_duration(
    rows: int, rate: float | None, now: datetime | None = None, *, each: int = 1
) -> str:
    """
    Return how long rows take at a rate in requests a second; a long time with its end.

    Args:
        now: a moment with the zone to tell the end in; None is this machine's.
        each: how many requests a row takes.
    """
    if rate is None:
        return f"{count_rows(rows)}, as fast as the service answers"
    take = "takes" if rows == 1 else "take"
    seconds, now = rows * each / rate, now or datetime.now().astimezone()
    end = f", until about {format_end(seconds, now)}" if seconds >= _LONG else ""
    said = f"about {format_duration(seconds)} at {rate:g} a second"
    twice = f", {each} requests a row" if each > 1 else ""
    return f"{count_rows(rows)} {take} {said}{twice}{end}"


def describe_window(rows: int, rate: float | None, end: End, *, each: int = 1) -> str:
    """Return what ends the time window, and whether rows fit into what is left."""
    if rate is None:
        return end.limit
    over = rows_over(rows, rate / each, end.left)
    rest = f"no, about {over:,} rows will be left for resume" if over else "yes"
    return f"{end.limit}; fits: {rest}"


def _where(source: str, row_number: int) -> str:
    return printable(f"{source} row {row_number}")


def _what(problems: list[Problem], *, values: bool) -> str:
    said = []
    for problem in problems:
        column = f" ({problem.column})" if problem.column else ""
        message = f": {problem.message}" if values else ""
        said.append(f"{problem.rule}{column}{message}")
    return printable("; ".join(said))
