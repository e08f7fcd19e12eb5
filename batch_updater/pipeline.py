"""
A whole run, top to bottom.

Rows come in through the intake, run past the pacer as tasks, and leave as results
that are written down the moment they are known. Only *stop* travels upstream: it
closes the gate at the source, and what is in flight lands.
"""

import asyncio
import shlex
import time
from collections.abc import Callable
from contextlib import ExitStack, aclosing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from batch_updater.config.connection import Connection
from batch_updater.config.mapping_file import settle
from batch_updater.config.settings import Settings, Texts
from batch_updater.delivery.circuit import Circuit
from batch_updater.delivery.feed import Feed, read_in_thread
from batch_updater.delivery.pool import open_pool
from batch_updater.delivery.signals import Signals
from batch_updater.errors import (
    InputError,
    JournalFailed,
    RunDirectoryError,
    RunStopped,
    ViewsFailed,
)
from batch_updater.files.inputs import STDIN, Input
from batch_updater.files.journal import Journal, select_rows
from batch_updater.files.lines import format_time
from batch_updater.files.run_dir import RunDirectory, create_run_directory
from batch_updater.intake.items import Selection, make_items
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import Survey, survey
from batch_updater.manifest import Manifest, ended, load_manifest, make_intake
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.duplicates import hash_id
from batch_updater.models import FieldType, OnDuplicate, OnInvalid
from batch_updater.outlet import Outlet, open_outlet
from batch_updater.report.progress import ProgressMode, make_progress
from batch_updater.report.summary import Stop, Summary, Tally
from batch_updater.upkeep import (
    stop_on_errors,
    stop_on_same_failures,
    time_window,
    upkeep,
)
from batch_updater.version import __version__
from batch_updater.views import naming_trouble, write_views


@dataclass(frozen=True, slots=True)
class Opened:
    """A run's directory, and its journal, which nobody else can open now."""

    directory: RunDirectory
    journal: Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    What to run.

    Args:
        texts: the settings as they were given, for run.json.
        pending: the rows to send; None means all.
        resumed: the run that goes on, or None for a new one.
        parent: the run whose failed rows are sent again, or empty.
    """

    settings: Settings
    texts: Texts
    connection: Connection
    inputs: tuple[Input, ...]
    pending: Selection | None = None
    resumed: Opened | None = None
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """A job whose every row has been checked; nothing is sent yet."""

    job: Job
    intake: Intake
    types: FieldTypes
    declared: dict[str, FieldType]
    found: Survey


Announce = Callable[[Survey], None]


async def execute(
    job: Job, signals: Signals, announce: Announce = lambda found: None
) -> Summary | None:
    """
    Check every row, update, record, report.

    Args:
        announce: told what the check found before anything is sent.

    Returns:
        The summary; when the run was stopped early its `stop` says why. None
        after a dry run.

    Raises:
        BatchUpdaterError: nothing was sent (usage, input, or a refusal before
            the first update), or the journal cannot be written.
    """
    settings = job.settings
    with ExitStack() as held:  # the journal's lock, until the views are there
        async with open_outlet(settings, job.connection, signals) as outlet:
            ready = await _prepare_or_leave(job, outlet)
            announce(ready.found)
            _refuse_if_asked(ready.found, settings)
            if settings.dry_run:
                return None
            begun = _go_on(ready, job.resumed) if job.resumed else _begin(ready, held)
            stop = await _deliver(begun, outlet)
            begun.journal.note("end", {"stop": asdict(stop) if stop else None})
        return conclude(begun.directory, begun.manifest, settings, stop)


def conclude(
    directory: RunDirectory, manifest: Manifest, settings: Settings, stop: Stop | None
) -> Summary:
    """
    Make the views of a run that has ended, and note its end in run.json.

    Raises:
        ViewsFailed: they cannot be written; the journal is whole.
    """
    try:
        with naming_trouble(directory, ViewsFailed):
            summary = write_views(directory, manifest, settings, stop)
            totals = {"read": summary.read, **summary.outcomes}
            ended(manifest, early=stop is not None).save(directory, totals)
    except InputError as error:  # as such it would say that nothing was sent
        raise ViewsFailed(
            f"the input changed while the views were made: {error.message}",
            hint="Put the file back as it was, then: "
            + shlex.join(["batch-updater", "results", str(directory.path)]),
        ) from error
    return summary


async def _prepare_or_leave(job: Job, outlet: Outlet) -> Ready:
    """Prepare; a second signal does not wait for what the first one waits for."""
    preparing = asyncio.ensure_future(_prepare(job, outlet))
    try:
        with outlet.signals.cutting_off(preparing.cancel):
            await asyncio.wait([preparing])
    finally:
        preparing.cancel()
    if preparing.cancelled() and outlet.signals.gate.reason:
        raise outlet.signals.gate.reason
    return preparing.result()


async def _prepare(job: Job, outlet: Outlet) -> Ready:
    settings, gate = job.settings, outlet.signals.gate
    declared = dict((await outlet.ask_face_set()).fields)
    intake = make_intake(settings, job.inputs)
    types = intake.settle_types(declared)
    found = await asyncio.to_thread(
        survey, intake, types, settings.on_duplicate, lambda: gate.closed
    )
    if gate.reason:
        raise gate.reason
    _refuse_other_rows(job, found)
    return Ready(job, intake, types, declared, found)


def _refuse_other_rows(job: Job, found: Survey) -> None:
    if job.pending is not None and len(job.pending) != found.total:
        raise RunDirectoryError(
            f"run.json counts {len(job.pending):,} rows of input, but there are "
            f"{found.total:,} now",
            hint="Put run.json back as the run wrote it.",
        )


def _refuse_if_asked(found: Survey, settings: Settings) -> None:
    refused = found.invalid + found.duplicates
    if settings.on_invalid is OnInvalid.STOP and refused:
        raise InputError(
            f"{refused:,} of {found.total:,} rows break a rule; nothing was sent",
            hint="Mend them, or send the others with --on-invalid skip.",
        )


def _keep_spooled(ready: Ready, directory: RunDirectory) -> Ready:
    inputs = tuple(
        replace(source, path=directory.keep_spooled(source.path))
        if source.name == STDIN and not ready.job.parent  # a parent keeps its own
        else source
        for source in ready.intake.inputs
    )
    return replace(ready, intake=replace(ready.intake, inputs=inputs))


@dataclass(frozen=True, slots=True)
class _Begun:
    """A run that is on record: from here on it can be resumed."""

    ready: Ready
    directory: RunDirectory
    journal: Journal
    manifest: Manifest


def _go_on(ready: Ready, run: Opened) -> _Begun:
    with naming_trouble(run.directory, RunDirectoryError):
        manifest = _open_record(ready, run.directory, run.journal)
    return _Begun(ready, run.directory, run.journal, manifest)


def _begin(ready: Ready, held: ExitStack) -> _Begun:
    directory = create_run_directory(ready.job.settings.run_dir)
    ours: list[Path] = []
    try:
        journal = held.enter_context(Journal(directory.journal, new=True))
        ours += [directory.journal, directory.spool]
        ready = _keep_spooled(ready, directory)
        manifest = _open_record(ready, directory, journal)
    except BaseException as error:
        directory.discard(ours)
        if isinstance(error, OSError | JournalFailed):
            raise RunDirectoryError(
                f"cannot begin a run in {directory.path}: {error}; nothing was sent",
                hint="Make room, or give another place with --run-dir.",
            ) from error
        raise
    return _Begun(ready, directory, journal, manifest)


def _open_record(ready: Ready, directory: RunDirectory, journal: Journal) -> Manifest:
    job = ready.job
    manifest = Manifest(
        tool_version=__version__,
        run_id=directory.run_id,
        created_at=_created_at(job),
        settings=settle(job.texts, ready.intake.mapping, job.connection.endpoint),
        inputs=tuple(ready.intake.inputs),
        rows=ready.found.rows,
        declared=ready.declared,
        header=ready.found.header,
        parent=job.parent,
    )
    command = "resume" if job.resumed else "retry" if job.parent else "run"
    journal.note("session", {"command": command, "version": __version__})
    if job.pending is not None and not job.resumed:
        journal.note("selection", {"rows": select_rows(job.pending)})
    # Last: with run.json there, but no selection, a resume would send all rows.
    journal.sync()
    manifest.save(directory)
    return manifest


def _created_at(job: Job) -> str:
    if job.resumed:
        return load_manifest(job.resumed.directory).created_at
    return format_time(datetime.now(UTC).timestamp())


async def _deliver(begun: _Begun, outlet: Outlet) -> Stop | None:
    ready, journal, run_dir = begun.ready, begun.journal, begun.directory.path
    settings, gate = ready.job.settings, outlet.signals.gate
    pending = _pending(ready)
    items = make_items(ready.intake, ready.types, ready.found, pending)
    tally, rows = Tally(), int(pending.sum())
    circuit = Circuit(settings.same_failures)
    progress = make_progress(ProgressMode(settings.progress), rows, time.monotonic)
    async with (
        aclosing(read_in_thread(items)) as batches,
        upkeep(journal, progress, tally, gate),
        open_pool(
            Feed(batches, gate), outlet.sender(_repeats(ready)), settings.concurrency
        ) as pool,
    ):
        with outlet.signals.cutting_off(pool.cut_off), time_window(gate, settings):
            try:
                async for result in pool:
                    journal.write(result)
                    tally.add(result)
                    stop_on_errors(tally, rows, gate, settings)
                    left = rows - tally.total
                    stop_on_same_failures(circuit, result, left, gate, run_dir)
            except InputError as error:  # raised once all that was read has landed
                gate.close(_input_lost(error))
    return as_stop(gate.reason)


def _input_lost(error: InputError) -> RunStopped:
    said = f"the input changed while it was being sent: {error.message}"
    return RunStopped(said, hint="Put the file back as it was, then resume.")


def _pending(ready: Ready) -> Selection:
    if ready.job.pending is not None:
        return ready.job.pending
    return np.ones(ready.found.total, dtype=np.bool_)


def _repeats(ready: Ready) -> Callable[[str], bool] | None:
    if ready.job.settings.on_duplicate is not OnDuplicate.IN_ORDER:
        return None
    repeated = frozenset(ready.found.repeated.tolist())
    return lambda face_id: hash_id(face_id) in repeated


def as_stop(reason: RunStopped | None) -> Stop | None:
    """Return why a run ended early as its summary tells it."""
    if reason is None:
        return None
    return Stop(
        name=reason.name,
        message=reason.message,
        hint=reason.hint,
        exit_code=reason.code,
    )
