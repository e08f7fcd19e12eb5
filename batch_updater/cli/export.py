"""`export`: the faces of a face set to a file."""

import argparse
import os
from contextlib import ExitStack
from pathlib import Path

from batch_updater.cli.arguments import open_inputs, resolve_arguments
from batch_updater.cli.run import perform
from batch_updater.cli.show import print_config
from batch_updater.config.connection import make_connection
from batch_updater.errors import UsageError
from batch_updater.files.inputs import Input
from batch_updater.files.run_dir import temporary_name
from batch_updater.jobs import Job
from batch_updater.models import Purpose

# Ids that stand twice are asked for once; values are in the file, nowhere else.
_FORCED = {
    "on-duplicate": ("first",),
    "check-ahead": ("true",),
    "include-values": ("false",),
    "dry-run": ("false",),
}


def export(arguments: argparse.Namespace) -> int:
    """List the face set, or ask for the faces by id; return the exit code."""
    resolved = resolve_arguments(arguments, forced=_FORCED)
    if arguments.print_config:
        print_config(resolved)
        return 0
    if not resolved.settings.face_set:
        raise UsageError(
            "no face set is given", hint="Say which one: export FACE_SET -o FILE."
        )
    connection = make_connection(resolved)
    with ExitStack() as stack:
        inputs: tuple[Input, ...] = ()
        if arguments.ids is None:
            _refuse_limit(arguments)
        else:
            inputs = stack.enter_context(open_inputs(arguments.ids, resolved))
        check_target(resolved.settings.to, inputs)
        job = Job(
            settings=resolved.settings,
            texts=resolved.texts,
            connection=connection,
            inputs=inputs,
            purpose=Purpose.EXPORT,
        )
        return perform(job, quiet=arguments.quiet)


def _refuse_limit(arguments: argparse.Namespace) -> None:
    if arguments.limit is not None:
        raise UsageError("--limit is about the rows of --ids", hint="Leave it out.")


def check_target(path: Path | None, inputs: tuple[Input, ...]) -> None:
    """Raise UsageError when the file cannot be made there; hours later is too late."""
    if path is None:
        raise UsageError("no file is given", hint="Say which one with -o FILE.")
    if not path.parent.is_dir():
        raise UsageError(f"--to {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"--to {path}: the folder {path.parent} is read-only for you")
    if path.exists() and not path.is_file():  # a device would be replaced too
        raise UsageError(f"--to {path}: it is not a regular file")
    for target in (path, temporary_name(path)):
        for source in inputs:
            if target.exists() and target.samefile(source.path):
                raise UsageError(
                    f"--to {path}: {target} is an input, and would be overwritten",
                    hint="Give another file with -o FILE.",
                )
