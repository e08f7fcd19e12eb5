"""
A whole run, top to bottom.

Rows come in through the intake, run past the pacer as tasks, and leave as results
that are written down the moment they are known. Only *stop* travels upstream: it
closes the gate at the source, and what is in flight lands.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch_updater.config.mapping_file import settle
from batch_updater.config.settings import Settings
from batch_updater.delivery.feed import Feed, read_in_thread
from batch_updater.delivery.first_rows import FirstRows
from batch_updater.delivery.pool import open_pool
from batch_updater.delivery.signals import Signals
from batch_updater.delivery.window import refuse_past
from batch_updater.ending import conclude, views_later
from batch_updater.errors import (
    InputError,
    RunDirectoryError,
    RunStopped,
)
from batch_updater.files.inputs import STDIN, Input
from batch_updater.files.run_dir import MENDED, RunDirectory
from batch_updater.intake.kept import kept_in
from batch_updater.intake.survey import Survey, refuse_broken
from batch_updater.intake.unchecked import refuse_to_skip
from batch_updater.jobs import Job, Ready
from batch_updater.manifest import Manifest, check_unchanged, make_intake
from batch_updater.outlet import Outlet, open_outlet
from batch_updater.record import Opened, opened, write_down
from batch_updater.report.progress import ProgressMode
from batch_updater.report.summary import Stop, Summary, Tally
from batch_updater.scribe import Scribe, say_the_end
from batch_updater.selection import Selection
from batch_updater.upkeep import (
    rate_followed,
    shown,
    stop_on_same_failures,
    stopping_on_errors,
    time_window,
    upkeep,
)
from batch_updater.verifying.asked import NOTE
from batch_updater.version import __version__
from batch_updater.work.table import WORK
from batch_updater.work.work import Session

Announce = Callable[[Survey, int], None]


async def execute(
    job: Job, signals: Signals, announce: Announce = lambda found, rows: None
) -> Summary | None:
    """
    Check every row, update, record, report.

    Args:
        announce: told what the check found, and how many rows will go, before
            anything is sent.

    Returns:
        The summary; when the run was stopped early its `stop` says why. None
        after a dry run.

    Raises:
        BatchUpdaterError: nothing was sent (usage, input, or a refusal before
            the first update), or the journal cannot be written.
    """
    settings, notices = job.settings, signals.notices
    refuse_past(settings.stop_at)
    if not settings.check_ahead:
        refuse_to_skip(
            job.inputs,
            settings.on_duplicate,
            settings.on_invalid,
            dry_run=settings.dry_run,
        )
    with ExitStack() as held:  # the journal's lock, until the views are there
        async with open_outlet(settings, job.connection, signals) as outlet:
            ready = await signals.until_cut_off(_prepare(job, outlet))
            announce(ready.found, ready.rows)
            refuse_broken(ready.found, settings.on_invalid)
            if settings.dry_run:
                return None
            with opened(job.resumed, settings.run_dir, held) as run:
                notices.run_id = run.directory.run_id
                ready, manifest = _put_on_record(ready, run)
            if not job.resumed:
                await asyncio.to_thread(_keep_findings, ready, run.directory)
            notices.mention(f"{job.command} begins, version {__version__}")
            stop = await _deliver(ready, outlet, run)
            say_the_end(stop, notices, values=settings.include_values)
        with signals.leaving(views_later(run.directory)):
            return conclude(run.directory, manifest, settings, stop)


def _put_on_record(ready: Ready, run: Opened) -> tuple[Ready, Manifest]:
    """Write down what the run is about; its input may lie elsewhere from then on."""
    ready = _keep_inputs(ready, run.directory)
    manifest = _describe(ready, run)
    write_down(
        run,
        manifest,
        ready.job.session,
        in_flight=ready.job.settings.concurrency,
        selection=None if ready.job.resumed else ready.job.pending,
        reasons=_reasons(ready.job),
    )
    return ready, manifest


async def _prepare(job: Job, outlet: Outlet) -> Ready:
    settings, gate, work = job.settings, outlet.signals.gate, WORK[job.purpose]
    async with time_window(outlet.signals, settings):
        face_set = await outlet.ask_face_set()
    intake = make_intake(settings, job.inputs, job.purpose)
    types = intake.settle_types(dict(face_set.fields))
    async with time_window(outlet.signals, settings, checking=True):
        # The thread only looks: closing the gate is for the loop alone.
        found = await asyncio.to_thread(
            work.look, job, intake, types, lambda: bool(gate.reason)
        )
    if gate.reason:
        raise gate.reason
    _refuse_other_rows(job, found)
    ready = Ready(job, intake, types, face_set, found, outlet.client.project_id)
    return await asyncio.to_thread(work.choose, ready, outlet.signals.notices)


def _keep_findings(ready: Ready, directory: RunDirectory) -> None:
    policy = ready.job.settings.on_duplicate
    kept_in(directory.survey, ready.intake, ready.types, policy).save(ready.found)


def _reasons(job: Job) -> dict[str, Mapping[str, Any]]:
    """Return why a new run is about its rows, by kind of note; a resumed one has it."""
    asked = {} if job.resumed else {"retry": job.retry, NOTE: job.verified}
    return {kind: each.facts() for kind, each in asked.items() if each}


def _refuse_other_rows(job: Job, found: Survey) -> None:
    if job.pending is not None and len(job.pending) != found.total:
        raise RunDirectoryError(
            f"run.json counts {len(job.pending):,} rows of input, but there are "
            f"{found.total:,} now",
            hint="Put run.json back as the run wrote it.",
        )


def _keep_inputs(ready: Ready, directory: RunDirectory) -> Ready:
    # A run that goes on has kept it already, and any other keeps its own.
    job = ready.job
    others = job.retry or (job.verified and job.verified.run)
    places: dict[str, Path] = {}
    if not job.resumed and not others:
        places[STDIN] = directory.spool
    elif not job.resumed and job.retry and job.retry.asked.edited:
        places[MENDED] = directory.mended
    inputs = tuple(
        replace(source, path=directory.keep(source.path, places[source.name]))
        if source.name in places
        else source
        for source in ready.intake.inputs
    )
    if job.plan and not job.resumed and not others:
        inputs = tuple(_keep_plan(source, directory) for source in inputs)
    return replace(ready, intake=replace(ready.intake, inputs=inputs))


def _keep_plan(source: Input, directory: RunDirectory) -> Input:
    """Copy a plan: the next night's may take its place while this one is sent."""
    kept = replace(source, path=directory.keep_copy(source.path, directory.plan))
    check_unchanged([kept])
    return kept


def _describe(ready: Ready, run: Opened) -> Manifest:
    job = ready.job
    return Manifest(
        tool_version=__version__,
        run_id=run.directory.run_id,
        created_at=run.created_at,
        settings=settle(job.texts, ready.intake.mapping, job.connection.endpoint),
        inputs=tuple(ready.intake.inputs),
        rows=ready.found.rows,
        declared=dict(ready.face_set.fields),
        face_number=ready.face_set.face_number,
        header=ready.found.header,
        endpoint=job.connection.endpoint,
        project_id=ready.project_id,
        purpose=job.purpose,
        parent=job.retry.parent if job.retry else "",
        parent_run=job.retry.parent_run if job.retry else None,
        root_run=job.retry.root_run if job.retry else None,
    )


async def _deliver(ready: Ready, outlet: Outlet, run: Opened) -> Stop | None:
    settings, gate = ready.job.settings, outlet.signals.gate
    notices, run_dir = outlet.signals.notices, run.directory.path
    scribe = Scribe(run.journal, gate, notices.tell)
    pending = _pending(ready)
    work = WORK[ready.job.purpose]
    items = work.items(ready, pending)
    session = Session(ready=ready, outlet=outlet, run=run, scribe=scribe)
    tally, rows = Tally(ready.job.purpose.wanted), pending.count()
    first = FirstRows(settings.same_failures)
    to_send, mode = ready.rows, ProgressMode(settings.progress)
    async with (
        work.sending(session) as send,
        aclosing(work.hand_on(read_in_thread(items), session)) as batches,
        scribe.syncing(),
        time_window(outlet.signals, settings) as window,
        upkeep(shown(rows, to_send, mode, outlet.pacer.cap, window), tally),
        rate_followed(run.directory.rate, outlet.pacer, notices),
        open_pool(
            Feed(batches, gate),
            stopping_on_errors(send, _allowed(settings, rows), gate),
            settings.concurrency,
        ) as pool,
    ):
        with (
            notices.kept(scribe.note),
            outlet.signals.cutting_off(pool.cut_off),
        ):
            try:
                async for results in pool:
                    scribe.write(*results)
                    for result in results:
                        notices.row(result)
                        tally.add(result)
                        stop_on_same_failures(first, result, tally, rows, gate, run_dir)
            except InputError as error:  # raised once all that was read has landed
                gate.close(_input_lost(error, ready.found))
    return scribe.end(done=tally.finished == rows)


def _allowed(settings: Settings, rows: int) -> int | None:
    return None if settings.max_errors is None else settings.max_errors.of(rows)


def _input_lost(error: InputError, found: Survey) -> RunStopped:
    if not found.ahead:
        said = (
            f"the input, which was not checked ahead, cannot be read: {error.message}"
        )
        return RunStopped(said, hint=error.hint)
    said = f"the input changed while it was being sent: {error.message}"
    return RunStopped(said, hint="Put the file back as it was, then resume.")


def _pending(ready: Ready) -> Selection:
    if ready.job.pending is not None:
        return ready.job.pending
    return Selection.all(ready.found.total)
