"""`rollback`: put back what a run found, where faces still hold what it wrote."""

import argparse
import shlex
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from batch_updater.applying.inherited import inherited
from batch_updater.applying.refusals import apply_command, changes_of
from batch_updater.applying.undoing import Undo, write_undo
from batch_updater.cli.apply import (
    leave,
    make_plan_job,
    open_plan_input,
    resolve_for,
)
from batch_updater.cli.asking import ask_whether_meant
from batch_updater.cli.ending import tell_programs
from batch_updater.cli.export import check_target
from batch_updater.cli.run import perform
from batch_updater.cli.show import note, print_config
from batch_updater.config.connection import connect_to_face_set
from batch_updater.config.modes import OutputMode
from batch_updater.config.settings import Resolved, resolve
from batch_updater.errors import RunDirectoryError, UsageError
from batch_updater.files.lines import format_time
from batch_updater.files.lock import locked
from batch_updater.files.plan_file import PlanFacts
from batch_updater.files.run_dir import RunDirectory, open_run_directory
from batch_updater.inert import printable
from batch_updater.manifest import Manifest, load_manifest
from batch_updater.mapping.columns import FieldTypes
from batch_updater.models import PlanStatus, Purpose
from batch_updater.report.durations import format_duration
from batch_updater.report.text import count_faces, count_rows
from batch_updater.version import __version__
from batch_updater.views import naming_trouble

_NAME = "undo.parquet"
_LONGEST_LAG = 10.0  # seconds; five times what has been seen (section 3.4 of the facts)


def rollback(arguments: argparse.Namespace) -> int:
    """Make the inverse of a run as a plan; show it; send it unless it was for a file."""
    directory = open_run_directory(Path(arguments.run_directory))
    manifest = load_manifest(directory)
    _refuse_other_work(directory, manifest)
    facts = _facts_of(directory, manifest)
    resolved = resolve_for(facts, arguments, origin="run.json")
    if arguments.print_config:
        print_config(resolved)
        return 0
    facts = _with_target(facts, resolved)
    with ExitStack() as stack:
        asked = _asked_file(resolved)
        into = asked or _scratch_file(stack)
        with locked(directory.journal, shared=True):
            _wait_until_seen(directory, resolved)
            facts, undo = _write(directory, manifest, facts, into)
        if asked:
            return _tell(facts, undo, str(asked), resolved.settings.output)
        for line in _lines(facts, undo):
            note(line)
        return _send(facts, into, resolved, arguments)


def _refuse_other_work(directory: RunDirectory, manifest: Manifest) -> None:
    if manifest.purpose is not Purpose.UPDATE:
        raise UsageError(
            f"{directory.path} is a run of {manifest.purpose}, which changed nothing",
            hint="Give the directory of a run with --backup, or of apply.",
        )
    if not directory.before.exists():
        raise RunDirectoryError(
            f"{directory.path} has no before-images: it did not keep what faces held "
            "before",
            hint="Only run --backup, apply and rollback do. Values of before are in an "
            "earlier export, which run takes back.",
        )


def _wait_until_seen(directory: RunDirectory, resolved: Resolved) -> None:
    """
    Wait until what the run wrote last is shown to whoever reads it.

    A face that still shows what it held before would count as taken back already.
    """
    lag = resolved.settings.settle if "settle" in resolved.origins else _LONGEST_LAG
    # What was on its way when the run was killed has its image, and no line more.
    files = (directory.journal, directory.before)
    written = max(file.stat().st_mtime for file in files)
    left = lag - (datetime.now(UTC).timestamp() - written)
    if 0 < left <= lag:
        note(
            f"waiting {format_duration(left)}: what the run wrote last may not be shown "
            "yet (--settle)"
        )
        time.sleep(left)


def _facts_of(directory: RunDirectory, manifest: Manifest) -> PlanFacts:
    return PlanFacts(
        kind="rollback",
        tool_version=__version__,
        created_at=format_time(datetime.now(UTC).timestamp()),
        endpoint=manifest.endpoint,
        project_id=manifest.project_id,
        face_set_name=manifest.settings.get("face-set", ("",))[-1],
        declared={name: str(kind) for name, kind in manifest.declared.items()},
        face_number=manifest.face_number,
        against="run",
        settings=inherited(manifest.settings),
        parent=str(directory.path.absolute()),
    )


def _with_target(facts: PlanFacts, resolved: Resolved) -> PlanFacts:
    if facts.endpoint:
        return facts
    # An earlier version did not note it: then it is what the run's settings lead to.
    return replace(facts, endpoint=connect_to_face_set(resolved).endpoint)


def _asked_file(resolved: Resolved) -> Path | None:
    """Return where the plan is to be left; what is said for exports does not count."""
    target = resolved.settings.to
    if target is None or resolved.origins.get("to") != "flag":
        return None
    if target.suffix != ".parquet":
        raise UsageError(f"--to {target}: a plan's name ends in .parquet")
    check_target(target, ())
    return target


def _scratch_file(stack: ExitStack) -> Path:
    folder = TemporaryDirectory(prefix="batch-updater-")
    return Path(stack.enter_context(folder)) / _NAME


def _write(
    directory: RunDirectory, manifest: Manifest, facts: PlanFacts, into: Path
) -> tuple[PlanFacts, Undo]:
    said = resolve({}, {}, recorded=manifest.settings).settings.field
    asked = {spec.name: spec.type for spec in said if spec.type}
    types = {**manifest.declared, **asked}
    with naming_trouble(directory, RunDirectoryError):
        return write_undo(
            directory,
            manifest.layout,
            FieldTypes(types=types, allowed=frozenset(types)),
            facts,
            into,
        )


def _lines(facts: PlanFacts, undo: Undo) -> Iterator[str]:
    yield f"rollback    of {facts.parent}"
    back = undo.statuses[PlanStatus.CHANGE]
    yield f"put back    {count_faces(back)}{_fields(undo.changes)}"
    if undo.keeping:
        yield (
            f"kept        {count_faces(undo.keeping)} with fields that the API cannot "
            f"take back{_fields(undo.kept)}"
        )
    if undo.unknown:
        yield (
            f"not known   {count_rows(undo.unknown)} of it: updated without --backup, "
            "and left as they are now"
        )


def _fields(counts: Counter[str]) -> str:
    said = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
    return f": {said}" if said else ""


def _tell(facts: PlanFacts, undo: Undo, file: str, output: OutputMode) -> int:
    """Say what is in the plan that was asked for; nothing is sent."""
    content = {
        "statuses": dict(facts.counts),
        "changes": dict(undo.changes),
        "kept": dict(undo.kept),
        "unknown": undo.unknown,
        "file": file,
        "next_command": apply_command(file),
        "exit_code": 0,
    }
    tell_programs(content, as_json=output is OutputMode.JSON)
    if output is OutputMode.JSON:
        return 0
    for line in (*_lines(facts, undo), f"file        {file}"):
        print(printable(line))
    if changes_of(facts):
        print(printable(f"next        {apply_command(file)}"))
    return 0


def _send(
    facts: PlanFacts, path: Path, resolved: Resolved, arguments: argparse.Namespace
) -> int:
    job = make_plan_job(facts, open_plan_input(path, _NAME), resolved)
    if not changes_of(facts):
        return leave(job)
    words = ["batch-updater", "rollback", arguments.run_directory]
    ask_whether_meant(facts, job.settings, shlex.join(words))
    return perform(job, quiet=arguments.quiet)
