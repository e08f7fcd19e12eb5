"""Rows that nobody looks at before the first is sent: only counted, by their footers."""

from collections.abc import Sequence

from batch_updater.errors import InputError, UsageError
from batch_updater.files.inputs import Input, InputFormat
from batch_updater.files.source import count_rows, read_header
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import Survey, merge_headers
from batch_updater.models import OnDuplicate, OnInvalid

_FLAG = "--no-check-ahead"
_REMEDY = f"Leave out {_FLAG}: then all rows are looked at before the first is sent."


def refuse_to_skip(
    inputs: Sequence[Input],
    on_duplicate: OnDuplicate,
    on_invalid: OnInvalid,
    *,
    dry_run: bool,
) -> None:
    """
    Raise UsageError when a run cannot do without looking at all rows first.

    Args:
        dry_run: whether the run is to end where the first update would go.
    """
    for source in inputs:
        if source.format is not InputFormat.PARQUET:
            raise _conflict(
                f"{_FLAG} takes Parquet alone, and {source.name} is {source.format}: "
                "its rows could not even be counted without reading it"
            )
    if on_duplicate is not OnDuplicate.IN_ORDER:
        raise UsageError(
            f"{_FLAG} does not find rows of the same face before one is sent, so "
            f"--on-duplicate {on_duplicate} cannot hold",
            hint="Say --on-duplicate in-order: rows of a face then go one after the "
            f"other. Or leave out {_FLAG}.",
        )
    if on_invalid is OnInvalid.STOP:
        raise _conflict(f"--on-invalid stop looks at all rows first, {_FLAG} at none")
    if dry_run:
        raise _conflict(f"--dry-run only looks at the rows, {_FLAG} does not")


def _conflict(said: str) -> UsageError:
    return UsageError(said, hint=_REMEDY)


def count_only(intake: Intake) -> Survey:
    """
    Return a survey that knows how many rows there are, and nothing about them.

    Raises:
        InputError: there are none.
    """
    found = Survey(ahead=False)
    for source in intake.inputs:
        left = None if intake.limit is None else intake.limit - found.total
        rows = count_rows(source)
        found.rows[source.name] = rows if left is None else min(rows, left)
        header = read_header(source, intake.options).names
        found.header = merge_headers(found.header, header)
    if not found.total:
        raise InputError(f"{', '.join(found.rows)}: there are no rows")
    return found
