"""Whether a plan has been sent before, as the runs beside the new one tell."""

from contextlib import suppress
from pathlib import Path

from batch_updater.errors import RunDirectoryError
from batch_updater.files.inputs import Input
from batch_updater.files.run_dir import RunDirectory
from batch_updater.manifest import load_manifest


def applied_in(folder: Path, plan: Input) -> Path | None:
    """
    Return the directory of a run that has begun to send this very plan, if any.

    Args:
        folder: where the directories of runs are.
    """
    for path in sorted(folder.glob("*/run.json")):
        with suppress(RunDirectoryError, OSError):  # whatever it is, it is not ours
            applied = load_manifest(RunDirectory(path.parent)).plan
            if applied and applied.sha256 == plan.sha256:
                return path.parent
    return None
