"""`run`: the main job."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from batch_updater.cli.parser import flags_of
from batch_updater.cli.show import (
    note,
    note_face_set,
    note_survey,
    print_config,
    print_json,
    print_summary,
)
from batch_updater.config.connection import connect_to_face_set
from batch_updater.config.options import CONFIG_VARIABLE, PROFILE_VARIABLE, OutputMode
from batch_updater.config.settings import Resolved, Texts, resolve
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.signals import Signals
from batch_updater.errors import UsageError
from batch_updater.export import list_faces
from batch_updater.files.inputs import STDIN, Input, resolve_inputs, spool_stdin
from batch_updater.frs.protocol import FaceSet
from batch_updater.intake.survey import Survey
from batch_updater.pipeline import Job, execute
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
    if quiet:
        job = replace(job, settings=replace(job.settings, progress="none"))
    if job.lists:
        return _perform_listing(job, quiet=quiet)
    found: list[tuple[Survey, int]] = []

    def announce(survey: Survey, rows: int) -> None:
        found.append((survey, rows))
        if not quiet:
            values = job.settings.include_values
            note_survey(survey, job.settings.rate, rows, values=values)
            sys.stderr.flush()

    as_json = job.settings.output is OutputMode.JSON
    summary = asyncio.run(_with_signals(partial(execute, job, announce=announce)))
    if summary is None:
        return _conclude_dry_run(*found[0], as_json=as_json)
    print_summary(summary, as_json=as_json)
    return summary.exit_code


def _perform_listing(job: Job, *, quiet: bool) -> int:
    def announce(face_set: FaceSet) -> None:
        if not quiet:
            note_face_set(face_set)

    summary = asyncio.run(_with_signals(partial(list_faces, job, announce=announce)))
    print_summary(summary, as_json=job.settings.output is OutputMode.JSON)
    return summary.exit_code


async def _with_signals(work: Callable[[Signals], Awaitable[T]]) -> T:
    signals = Signals(Gate(), Notices(note))
    with signals.installed():
        return await work(signals)


def _conclude_dry_run(survey: Survey, rows: int, *, as_json: bool) -> int:
    if as_json:
        print_json(survey.as_json())
    else:
        print(f"dry run     {count_rows(rows)} would be sent; nothing was")
    return 1 if survey.invalid + survey.duplicates else 0


def resolve_arguments(
    arguments: argparse.Namespace, *, forced: Texts | None = None
) -> Resolved:
    """
    Return the settings of a command line in this environment.

    Args:
        forced: settings that the command has to have, whatever anybody says.
    """
    chosen = {CONFIG_VARIABLE: arguments.config, PROFILE_VARIABLE: arguments.profile}
    environ = {**os.environ, **{k: v for k, v in chosen.items() if v}}
    return resolve({**flags_of(arguments), **(forced or {})}, environ)


@contextmanager
def open_inputs(names: list[str], resolved: Resolved) -> Iterator[tuple[Input, ...]]:
    """Find the inputs; stdin is kept in a file, since it is read twice."""
    if not names:
        raise UsageError(
            "no input is given", hint="Name files, folders or - for stdin."
        )
    if STDIN not in names:
        yield resolve_inputs(names, resolved.settings.format)
        return
    with TemporaryDirectory(prefix="batch-updater-") as folder:
        stdin = Path(folder) / "stdin"
        spool_stdin(sys.stdin.buffer, stdin)
        yield resolve_inputs(names, resolved.settings.format, stdin=stdin)
