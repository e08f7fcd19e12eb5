"""`verify`: read faces back, and hold them against what a run or a file says."""

import argparse
import shlex
from collections.abc import Iterable
from pathlib import Path

from batch_updater.cli.arguments import open_inputs, resolve_arguments
from batch_updater.cli.ending import tell_programs
from batch_updater.cli.flags import flags_of
from batch_updater.cli.rerun import load
from batch_updater.cli.run import perform
from batch_updater.cli.show import note, print_config
from batch_updater.config.connection import connect_to_face_set
from batch_updater.config.modes import OutputMode
from batch_updater.config.options import BY_NAME
from batch_updater.config.settings import Resolved
from batch_updater.errors import InputError, UsageError
from batch_updater.files.lock import locked
from batch_updater.files.run_dir import RunDirectory
from batch_updater.jobs import Job
from batch_updater.manifest import Manifest, pending_rows, rows_with
from batch_updater.models import OnDuplicate, Outcome, Purpose
from batch_updater.report.text import count_rows
from batch_updater.selection import Selection
from batch_updater.verifying.asked import Verified, held_by, may_be_written

# What was just written may not be seen at once: faces just added take a second or two
# (section 3.4 of the facts), and what updates take is not known.
_SETTLE = {"settle": ("3s",)}

# Which rows a face's values are from is told by looking at all of them first.
_FORCED = {"check-ahead": ("true",), "dry-run": ("false",)}

_JOURNAL = b'{"kind":'

# How the run read its input, and wrote it; what is said of the inputs is not ours.
_OF_THE_RUN = frozenset({"input", "mapping"})
_OF_WRITING = frozenset({"update", "plan", "apply"})


def verify(arguments: argparse.Namespace) -> int:
    """Read back a run's rows, or those of inputs; return the exit code."""
    names: list[str] = arguments.inputs
    runs = [name for name in names if is_run_directory(Path(name))]
    if not runs:
        return _verify_inputs(arguments)
    if len(names) > 1:
        raise UsageError(
            f"{runs[0]} is a run directory, and is verified alone",
            hint="Give one run directory, or inputs: files, globs, and folders that "
            "are no run's.",
        )
    return _verify_run(arguments)


def is_run_directory(path: Path) -> bool:
    """Return whether a folder is a run's, and none of inputs: by its run.json."""
    return (path / "run.json").is_file() or _has_journal(path)


def _has_journal(path: Path) -> bool:
    # Without its run.json it is still no input, but others may call a file so too.
    try:
        with (path / "journal.jsonl").open("rb") as file:
            return file.read(len(_JOURNAL)) == _JOURNAL
    except (OSError, ValueError):
        return False


def _verify_inputs(arguments: argparse.Namespace) -> int:
    resolved = resolve_arguments(arguments, forced=_FORCED, defaults=_SETTLE)
    if arguments.print_config:
        print_config(resolved)
        return 0
    _refuse_empty_sample(resolved)
    connection = connect_to_face_set(resolved)
    with open_inputs(arguments.inputs, resolved) as inputs:
        job = Job(
            settings=resolved.settings,
            texts=resolved.texts,
            connection=connection,
            inputs=inputs,
            purpose=Purpose.VERIFY,
            verified=Verified(),
        )
        return perform(job, quiet=arguments.quiet)


def _verify_run(arguments: argparse.Namespace) -> int:
    _refuse_flags_of_inputs(arguments)
    arguments.run_directory = arguments.inputs[0]
    try:
        directory, manifest, resolved = load(
            arguments, _FORCED, without=_names_in(_OF_WRITING), defaults=_SETTLE
        )
    except InputError as error:
        raise InputError(
            f"{error.message}, and what it wrote can be told from there alone",
            hint="Put the file back, or verify the input that should hold now: "
            "batch-updater verify INPUT...",
        ) from None
    if arguments.print_config:
        print_config(resolved)
        return 0
    _refuse_reading(directory, manifest)
    _refuse_empty_sample(resolved)
    with locked(directory.journal, shared=True):  # or its rows change meanwhile
        held = held_by(directory, manifest)
        several = resolved.settings.on_duplicate is OnDuplicate.IN_ORDER
        written = may_be_written(directory, manifest) if several else None
        _note_the_others(directory, manifest, held)
    if not held.any():
        return _leave(directory, resolved)
    job = Job(
        settings=resolved.settings,
        texts=resolved.texts,
        connection=connect_to_face_set(resolved),
        inputs=manifest.inputs,
        pending=held,
        purpose=Purpose.VERIFY,
        verified=Verified(str(directory.path.absolute()), written),
    )
    return perform(job, quiet=arguments.quiet)


def _names_in(groups: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name, each in BY_NAME.items() if each.group in groups)


def _refuse_flags_of_inputs(arguments: argparse.Namespace) -> None:
    given = flags_of(arguments).keys() & (_names_in(_OF_THE_RUN) | {"face-set"})
    flags = {f"--{name}" for name in given}
    flags |= {f"--{name}" for name in ("config", "profile") if vars(arguments)[name]}
    if flags:
        raise UsageError(
            f"{min(flags)} is for INPUT...; {arguments.inputs[0]} is a run directory, "
            "which says itself how its input was read, and where the faces are",
            hint="Leave it out.",
        )


def _refuse_reading(directory: RunDirectory, manifest: Manifest) -> None:
    if manifest.purpose is Purpose.UPDATE:
        return
    again = shlex.join(["batch-updater", "resume", str(directory.path)])
    raise UsageError(
        f"{directory.path} is {manifest.purpose.noun}: it has written nothing that "
        "could be read back",
        hint=f"Give the run that wrote the faces; what this one has left: {again}",
    )


def _refuse_empty_sample(resolved: Resolved) -> None:
    sample = resolved.settings.sample
    if sample and not (sample.count or sample.share):
        raise UsageError(
            "--sample is 0: nothing would be read back",
            hint="Say how many rows: --sample 100, or --sample 1%.",
        )


def _note_the_others(
    directory: RunDirectory, manifest: Manifest, held: Selection
) -> None:
    total = manifest.layout.total
    note(f"{directory.path} wrote {held.count():,} of its {count_rows(total)}")
    failed = rows_with(directory, manifest.layout, frozenset({Outcome.FAILED}))
    if failed.any():
        note(
            f"{count_rows(failed.count())} failed in it, and are not looked at: what a "
            "retry sent is verified by its own directory"
        )
    if left := pending_rows(directory, manifest).count():
        again = shlex.join(["batch-updater", "resume", str(directory.path)])
        note(f"{count_rows(left)} without an outcome, which are not looked at: {again}")


def _leave(directory: RunDirectory, resolved: Resolved) -> int:
    note(f"no row of {directory.path} was {Outcome.UPDATED}: there is nothing to read")
    as_json = resolved.settings.output is OutputMode.JSON
    tell_programs({"read": 0, "exit_code": 0}, as_json=as_json)
    return 0
