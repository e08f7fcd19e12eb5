"""`retry`: send failed rows again, as they were or as somebody has mended them."""

import argparse
import os
import shlex
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from batch_updater.cli.apply import refuse_unfit
from batch_updater.cli.ending import tell_programs
from batch_updater.cli.rerun import load, make_job
from batch_updater.cli.run import perform
from batch_updater.cli.show import note
from batch_updater.config.modes import OutputMode
from batch_updater.config.settings import Resolved, resolve
from batch_updater.errors import RunDirectoryError, UsageError
from batch_updater.families.reunion import still_failed
from batch_updater.files.lock import locked
from batch_updater.files.run_dir import RunDirectory
from batch_updater.jobs import Job
from batch_updater.manifest import Manifest, make_intake, pending_rows
from batch_updater.models import Purpose
from batch_updater.report.text import count_rows
from batch_updater.retries.choice import (
    Asked,
    Retry,
    Wanted,
    failed_rows,
    read_noted,
    refuse_mixed,
)
from batch_updater.retries.edited import Edited, read_edited
from batch_updater.retries.mending import Mended, Original, mend
from batch_updater.selection import Selection
from batch_updater.views import naming_trouble

# How the run read its own input; what was mended is a file of its own.
_OF_THE_INPUT = frozenset({"format", "delimiter", "encoding", "limit"})


def retry(arguments: argparse.Namespace) -> int:
    """Send failed rows again, as a run of its own that names its parent."""
    asked = _read_asked(arguments)
    delimiter, encoding = _take_reading(arguments, asked)
    # These rows have failed before, so that the first ones fail again says nothing.
    # Later rows of their faces, which have to go along, are found by looking ahead.
    instead = {"same-failures": ("off",), "check-ahead": ("true",)}
    directory, manifest, resolved = load(arguments, instead)
    _refuse_other_work(directory, manifest, asked)
    with TemporaryDirectory(prefix="batch-updater-") as folder:
        # A run that goes on may fail more.
        with locked(directory.journal, shared=True):
            with naming_trouble(directory, RunDirectoryError):
                failed = failed_rows(directory, manifest.layout, asked)
            if not asked.edited:
                failed, remark = still_failed(directory, failed)
                if remark:
                    note(remark)
            intake = make_intake(resolved.settings, manifest.inputs)
            original = Original(directory, manifest, intake, failed)
            job = _job(original, resolved, asked)
        if not failed.any():
            return _leave(original, asked, resolved.settings.output)
        refuse_unfit(job)
        if asked.edited:
            edited = read_edited(
                Path(asked.edited),
                original.columns,
                delimiter=delimiter,
                encoding=encoding,
            )
            job = _mended_job(job, _mend(original, edited, Path(folder), resolved))
        return perform(job, quiet=arguments.quiet)


def _refuse_other_work(
    directory: RunDirectory, manifest: Manifest, asked: Asked
) -> None:
    if manifest.purpose is not Purpose.UPDATE:
        raise UsageError(
            f"{directory.path} is {manifest.purpose.noun}",
            hint=f"Its failed rows are read again by: batch-updater resume "
            f"{directory.path}",
        )
    if asked.edited and manifest.plan:
        raise UsageError(
            f"--from {asked.edited}: {directory.path} has sent a plan, whose rows are "
            "sent as they were planned or not at all",
            hint="Mend the input and plan again, or retry without --from.",
        )


def _mend(
    original: Original, edited: Edited, folder: Path, resolved: Resolved
) -> Mended:
    settings = resolved.settings
    return mend(
        original,
        edited,
        folder,
        settings.on_duplicate,
        values=settings.include_values,
    )


def _read_asked(arguments: argparse.Namespace) -> Asked:
    asked = Asked(
        Wanted(arguments.wanted), tuple(arguments.codes), arguments.edited or ""
    )
    refuse_mixed(asked)
    return asked


def _take_reading(
    arguments: argparse.Namespace, asked: Asked
) -> tuple[str | None, str]:
    """Take away what is said about the edited file: the run's input is read as ever."""
    said = {"delimiter": arguments.delimiter, "encoding": arguments.encoding}
    arguments.delimiter = arguments.encoding = None
    given = {name: (text,) for name, text in said.items() if text is not None}
    if given and not asked.edited:
        raise UsageError(
            f"--{min(given)} is about the file of --from",
            hint="The run's own input is read as it was before.",
        )
    settings = resolve(given, os.environ, recorded={}).settings
    return settings.delimiter, settings.encoding


def _job(original: Original, resolved: Resolved, asked: Asked) -> Job:
    directory, manifest = original.directory, original.manifest
    retry = Retry(
        parent=str(directory.path.absolute()),
        parent_run=manifest.key,
        root_run=manifest.root_run or manifest.key,
        asked=asked,
        origin=read_noted(directory, manifest.layout.total).origin,
    )
    return replace(make_job(manifest, resolved, original.failed), retry=retry)


def _mended_job(job: Job, mended: Mended) -> Job:
    assert job.retry is not None  # noqa: S101  (_job has made it)
    texts = {k: v for k, v in job.texts.items() if k not in _OF_THE_INPUT}
    return replace(
        job,
        settings=resolve({}, os.environ, recorded=texts).settings,
        texts=texts,
        inputs=(mended.source,),
        pending=Selection.all(len(mended.origin)),
        retry=replace(job.retry, origin=mended.origin, later=mended.later),
    )


def _leave(original: Original, asked: Asked, output: OutputMode) -> int:
    path = str(original.directory.path)
    if asked.edited:
        raise UsageError(
            f"--from {asked.edited}: no row of {path} has failed",
            hint="Give the run that its rows are from; new rows are for run.",
        )
    which = "row" if asked.wanted is Wanted.ALL else f"{asked.wanted} row"
    said = f"no {which} of {path} is left that has failed"
    with_code = f" with {' or '.join(asked.codes)}" if asked.codes else ""
    note(said + with_code)
    if unsent := pending_rows(original.directory, original.manifest).count():
        again = shlex.join(["batch-updater", "resume", path])
        note(f"{count_rows(unsent)} without an outcome: {again}")
    content = {"read": 0, "exit_code": 0}
    tell_programs(content, as_json=output is OutputMode.JSON)
    return 0
