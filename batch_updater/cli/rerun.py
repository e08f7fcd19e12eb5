"""`resume`: go on with a run; and what `retry` needs of a run for that, too."""

import argparse
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from batch_updater.cli.apply import refuse_unfit
from batch_updater.cli.ending import settings_known
from batch_updater.cli.export import check_target
from batch_updater.cli.flags import flags_of
from batch_updater.cli.plan import check_plan
from batch_updater.cli.run import perform
from batch_updater.cli.show import note, print_summary
from batch_updater.config.connection import connect_to_face_set
from batch_updater.config.modes import OutputMode
from batch_updater.config.options import BY_NAME
from batch_updater.config.settings import Resolved, Texts, never_recorded, resolve
from batch_updater.ending import conclude
from batch_updater.files.journal import Journal
from batch_updater.files.plan_file import PlanFacts, read_plan
from batch_updater.files.run_dir import RunDirectory, open_run_directory
from batch_updater.jobs import Job
from batch_updater.manifest import (
    Manifest,
    check_unchanged,
    load_manifest,
    pending_rows,
)
from batch_updater.models import Purpose
from batch_updater.record import Opened
from batch_updater.retries.choice import Retry
from batch_updater.selection import Selection
from batch_updater.summaries import read_stop
from batch_updater.verifying.asked import Verified, read_verified

# What belongs to one session of a run, not to the run.
_NOT_INHERITED = frozenset({"run-dir", "dry-run", "max-duration", "stop-at"})

# What a resume may be told for itself alone: it lifts a guard, and a later resume is
# guarded again as the run was when it began.
_FOR_ONCE = frozenset({"same-failures"})


def resume(arguments: argparse.Namespace) -> int:
    """Send the rows that have no final outcome yet; all others stay as they are."""
    directory, manifest, resolved = load(arguments)
    # Held to the end: what is pending stays so until it is sent.
    with Journal(directory.journal) as journal:
        if "rate" in flags_of(arguments) and directory.forget_rate():
            note(f"{directory.rate} is removed: --rate is newer")
        pending = None if manifest.lists else pending_rows(directory, manifest)
        if not _is_left(directory, pending):
            note("nothing is left to do; the views are made again")
            _note_end(directory, journal)
            summary = conclude(directory, manifest, resolved.settings, None)
            as_json = resolved.settings.output is OutputMode.JSON
            print_summary(summary, as_json=as_json)
            return summary.exit_code
        job = replace(
            make_job(manifest, resolved, pending),
            resumed=Opened(directory, journal),
            retry=_retry_of(manifest),
            verified=_verified(directory, manifest),
            texts=_kept(manifest.settings, resolved.texts),
            changed=_changed(manifest.settings, flags_of(arguments)),
        )
        refuse_unfit(job)
        return perform(job, quiet=arguments.quiet)


def _kept(recorded: Texts, now: Texts) -> Texts:
    """Return what run.json says from now on: of one session's settings, the first's."""
    once = _NOT_INHERITED | _FOR_ONCE
    kept = {name: given for name, given in now.items() if name not in once}
    return kept | {name: given for name, given in recorded.items() if name in once}


def _changed(recorded: Texts, flags: Texts) -> Mapping[str, list[str | None]]:
    """Return what flags say otherwise than the run: [before, now], for the journal."""
    changed = {}
    for name, given in flags.items():
        before = recorded.get(name, (BY_NAME[name].default,))
        if before != given and not BY_NAME[name].mask:
            changed[name] = [",".join(filter(None, before)) or None, ",".join(given)]
    return changed


def _is_left(directory: RunDirectory, pending: Selection | None) -> bool:
    if pending is None:  # how much a listing has left is known at its end
        return read_stop(directory) is not None
    return pending.any()


def _note_end(directory: RunDirectory, journal: Journal) -> None:
    if read_stop(directory):  # killed after its last row
        journal.note("end", {"stop": None})


def _retry_of(manifest: Manifest) -> Retry | None:
    if not manifest.parent:
        return None
    return Retry(manifest.parent, manifest.parent_run, manifest.root_run)


def _verified(directory: RunDirectory, manifest: Manifest) -> Verified | None:
    if manifest.purpose is not Purpose.VERIFY:
        return None
    return read_verified(directory, manifest.layout.total)


def load(
    arguments: argparse.Namespace,
    instead: Texts = MappingProxyType({}),
    *,
    without: Collection[str] = (),
    defaults: Texts = MappingProxyType({}),
) -> tuple[RunDirectory, Manifest, Resolved]:
    """
    Return a run, and its settings with what the flags say now.

    Args:
        instead: settings that are not taken from the run.
        without: names of those that are as if nobody had said them.
        defaults: what is for this command instead of the defaults of all.
    """
    directory = open_run_directory(Path(arguments.run_directory))
    manifest = load_manifest(directory)
    left_out = _NOT_INHERITED.union(without)
    recorded = {k: v for k, v in manifest.settings.items() if k not in left_out}
    resolved = resolve(
        flags_of(arguments),
        os.environ,
        recorded={**recorded, **instead, **never_recorded(os.environ)},
        defaults=defaults,
    )
    settings_known(resolved)
    check_unchanged(manifest.inputs)
    if manifest.purpose is Purpose.PLAN:
        check_plan(resolved.settings.to, manifest.inputs)
    elif manifest.purpose is Purpose.EXPORT:
        check_target(resolved.settings.to, manifest.inputs)
    return directory, manifest, resolved


def _applied(manifest: Manifest) -> PlanFacts | None:
    """Return what the plan is about that a run sends; one that reads it back does not."""
    if manifest.plan is None or manifest.purpose is not Purpose.UPDATE:
        return None
    return read_plan(manifest.plan.path)


def make_job(manifest: Manifest, resolved: Resolved, pending: Selection | None) -> Job:
    """Return the job of sending these rows of a run's own input."""
    return Job(
        settings=resolved.settings,
        texts=resolved.texts,
        connection=connect_to_face_set(resolved),
        inputs=manifest.inputs,
        pending=pending,
        purpose=manifest.purpose,
        plan=_applied(manifest),
    )
