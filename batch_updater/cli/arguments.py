"""What commands read of their arguments: settings and inputs."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from batch_updater.cli.ending import environment_of, settings_known
from batch_updater.cli.flags import flags_of
from batch_updater.config.settings import Layer, Resolved, Texts, resolve
from batch_updater.errors import UsageError
from batch_updater.files.inputs import (
    STDIN,
    Input,
    cannot_spool,
    resolve_inputs,
    spool_stdin,
)


def resolve_arguments(
    arguments: argparse.Namespace,
    *,
    forced: Texts | None = None,
    defaults: Texts = MappingProxyType({}),
    inherited: Layer | None = None,
) -> Resolved:
    """
    Return the settings of a command line in this environment.

    Args:
        forced: settings that the command has to have, whatever anybody says.
        defaults: what it has when nobody says anything, where others have less.
        inherited: what a plan or a run says of itself; only flags win over it.
    """
    environ = environment_of(arguments)
    flags = {**flags_of(arguments), **(forced or {})}
    resolved = resolve(flags, environ, defaults=defaults, inherited=inherited)
    settings_known(resolved)
    return resolved


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
    with ExitStack() as held:
        stdin = held.enter_context(_scratch_folder()) / "stdin"
        spool_stdin(sys.stdin.buffer, stdin)
        yield resolve_inputs(names, resolved.settings.format, stdin=stdin)


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    try:
        folder = TemporaryDirectory(prefix="batch-updater-")
    except OSError as error:
        raise cannot_spool("a scratch folder", error) from error
    with folder as path:
        Path(path).chmod(0o700)  # what a narrow umask has taken away
        yield Path(path)
