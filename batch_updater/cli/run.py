"""`run`: the main job."""

import argparse
import gc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from batch_updater.cli.arguments import open_inputs, resolve_arguments
from batch_updater.cli.ending import tell_programs
from batch_updater.cli.show import (
    note_face_set,
    note_survey,
    print_config,
    print_summary,
)
from batch_updater.config.connection import connect_to_face_set
from batch_updater.config.modes import LogFormat, OutputMode
from batch_updater.config.settings import Settings
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.signals import Signals
from batch_updater.event_loop import run_to_end
from batch_updater.export import list_faces
from batch_updater.intake.survey import Survey
from batch_updater.jobs import Job
from batch_updater.pipeline import execute
from batch_updater.report.text import count_rows

T = TypeVar("T")


def run(arguments: argparse.Namespace) -> int:
    """Check, update, record and report; return the exit code."""
    resolved = resolve_arguments(arguments)
    if arguments.print_config:
        print_config(resolved)
        return 0
    connection = connect_to_face_set(resolved)
    with open_inputs(arguments.inputs, resolved) as inputs:
        job = Job(
            settings=resolved.settings,
            texts=resolved.texts,
            connection=connection,
            inputs=inputs,
        )
        return perform(job, quiet=arguments.quiet)


def perform(job: Job, *, quiet: bool) -> int:
    """Execute a job with this process's signals; print its summary."""
    progress = _progress(job.settings, quiet=quiet)
    job = replace(job, settings=replace(job.settings, progress=progress))
    if job.lists:
        return _perform_listing(job)
    found: list[tuple[Survey, int]] = []

    def announce(survey: Survey, rows: int) -> None:
        found.append((survey, rows))
        note_survey(survey, job.settings, rows, job.requests_a_row)

    as_json = job.settings.output is OutputMode.JSON
    work = partial(execute, job, announce=announce)
    summary = run_to_end(_with_signals(work, job))
    if summary is None:
        return _conclude_dry_run(*found[0], as_json=as_json)
    print_summary(summary, as_json=as_json)
    return summary.exit_code


def _progress(settings: Settings, *, quiet: bool) -> str:
    if quiet:
        return "none"
    if settings.log_format is LogFormat.JSON and settings.progress == "auto":
        return "plain"  # a bar among lines of JSON is for nobody
    return settings.progress


def _perform_listing(job: Job) -> int:
    work = partial(list_faces, job, announce=note_face_set)
    summary = run_to_end(_with_signals(work, job))
    print_summary(summary, as_json=job.settings.output is OutputMode.JSON)
    return summary.exit_code


async def _with_signals(work: Callable[[Signals], Awaitable[T]], job: Job) -> T:
    signals = Signals(Gate(), Notices(values=job.settings.include_values))
    look_for_garbage_seldom()
    with signals.installed():
        return await work(signals)


def look_for_garbage_seldom() -> None:
    """
    Let Python look for garbage less often, for the rest of the process.

    What is here by now stays to the end. Looking for garbage in it takes pauses of
    tens of milliseconds, in which no request starts on time; and of what comes with
    rows hardly anything is a cycle.
    """
    gc.freeze()
    gc.set_threshold(50_000)


def _conclude_dry_run(survey: Survey, rows: int, *, as_json: bool) -> int:
    tell_programs(survey.as_json(), as_json=as_json)
    if not as_json:
        print(f"dry run     {count_rows(rows)} would be sent; nothing was")
    return 1 if survey.bad else 0
