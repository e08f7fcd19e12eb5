"""
Bulk updates of face metadata in Huawei Cloud FRS: paced, journaled, resumable.

The front door: names are loaded when they are first used, because the command
must answer `--help` before pandas has been imported.
"""

import logging
from typing import TYPE_CHECKING, Any

from batch_updater.version import __version__

if TYPE_CHECKING:
    from batch_updater.errors import (
        BatchUpdaterError,
        CircuitOpen,
        InputError,
        RunDirectoryError,
        RunRefused,
        RunStopped,
        SameFailures,
        TooManyErrors,
        UsageError,
    )
    from batch_updater.frs.credentials import Password
    from batch_updater.frs.signing import AccessKey
    from batch_updater.library import run, update_all, update_faces
    from batch_updater.models import FaceUpdate, Outcome, Result
    from batch_updater.report.summary import Summary

__all__ = [
    "AccessKey",
    "BatchUpdaterError",
    "CircuitOpen",
    "FaceUpdate",
    "InputError",
    "Outcome",
    "Password",
    "Result",
    "RunDirectoryError",
    "RunRefused",
    "RunStopped",
    "SameFailures",
    "Summary",
    "TooManyErrors",
    "UsageError",
    "__version__",
    "run",
    "update_all",
    "update_faces",
]

# Whoever uses the package configures logging; until then nothing is printed.
logging.getLogger(__name__).addHandler(logging.NullHandler())

_ROOMS = {
    "errors": (
        "BatchUpdaterError",
        "CircuitOpen",
        "InputError",
        "RunDirectoryError",
        "RunRefused",
        "RunStopped",
        "SameFailures",
        "TooManyErrors",
        "UsageError",
    ),
    "frs.credentials": ("Password",),
    "frs.signing": ("AccessKey",),
    "library": ("run", "update_all", "update_faces"),
    "models": ("FaceUpdate", "Outcome", "Result"),
    "report.summary": ("Summary",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415

    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
