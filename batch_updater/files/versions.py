"""Which versions of run.json and journal can be read."""

from pathlib import Path

from batch_updater.errors import RunDirectoryError

FORMAT = 1
"""
Of run.json and the journal, together.

It grows when an older version would misread what a newer one writes. Notes and keys
that are merely new do not: who does not know them passes them over.
"""


def refuse_newer(path: Path, written: object, maker: object) -> None:
    """
    Raise RunDirectoryError when a file's format is none that is known here.

    Args:
        written: the format that the file says it has.
        maker: the version of batch-updater that the file says it was made by.
    """
    if type(written) is not int or written < 1:
        raise RunDirectoryError(f"{path} is damaged: its format is {written!r:.40}")
    if written > FORMAT:
        raise RunDirectoryError(
            f"{path} is in format {written}, and this version of batch-updater reads "
            f"up to {FORMAT}",
            hint=f"Use the version that made it ({maker!s:.40}) or a later one.",
        )
