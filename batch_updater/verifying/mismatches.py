"""mismatches.csv: what faces hold instead of what they should, field by field."""

import csv
from collections.abc import Iterator
from typing import Any

import numpy as np

from batch_updater.errors import RunDirectoryError
from batch_updater.files.outcome_index import indexed
from batch_updater.files.run_dir import RunDirectory, temporary_name
from batch_updater.files.tables import as_json, open_text, taken_back
from batch_updater.inert import inert_cell
from batch_updater.manifest import Manifest, rows_with
from batch_updater.mapping.comparison import ABSENT, Difference, read_differences
from batch_updater.models import Outcome, Result
from batch_updater.selection import Selection
from batch_updater.summaries import Told
from batch_updater.verifying.asked import read_verified

MISMATCH_COLUMNS = ("source", "row_number", "face_id", "field", "expected", "found")
_ROWS = 1024  # at once; each holds values


def write_mismatches(directory: RunDirectory, manifest: Manifest) -> Told:
    """
    Make mismatches.csv again, or remove it when there is none; return what to say.

    Whoever calls this holds the journal's lock.
    """
    path, total = directory.path / "mismatches.csv", manifest.layout.total
    rows = rows_with(directory, manifest.layout, frozenset({Outcome.MISMATCH}))
    if rows.any():
        temporary = temporary_name(path)
        with taken_back([temporary]):
            with open_text(temporary) as file:
                writer = csv.writer(file)
                writer.writerow(MISMATCH_COLUMNS)
                for result in _results(directory, manifest, rows):
                    writer.writerows(_lines(result, directory))
            temporary.replace(path)
    else:
        path.unlink(missing_ok=True)
    sampled = read_verified(directory, total).rows
    note = "" if sampled is None else f"a random sample of {sampled:,} rows"
    return Told(file=str(path) if rows.any() else "", note=note)


def _results(
    directory: RunDirectory, manifest: Manifest, rows: Selection
) -> Iterator[Result]:
    with indexed(directory.journal, manifest.layout) as index:
        for block in rows.blocks():
            for part in np.split(block, range(_ROWS, len(block), _ROWS)):
                yield from index.results(part)[1]


def _lines(result: Result, directory: RunDirectory) -> Iterator[tuple[Any, ...]]:
    source, number, face_id = result.source, result.row_number, result.face_id
    for found in _differences(result, directory):
        yield (
            inert_cell(source),
            number,
            inert_cell(face_id),
            inert_cell(found.field),
            _cell(found.wanted),
            _cell(found.held),
        )


def _differences(result: Result, directory: RunDirectory) -> tuple[Difference, ...]:
    try:
        return read_differences(result.payload)
    except (KeyError, TypeError, ValueError):
        raise RunDirectoryError(
            f"{directory.journal} is damaged: the result of row {result.row_number} "
            "does not say what was found",
            hint="Put the journal back as it was written, or verify again.",
        ) from None


def _cell(value: object) -> str:
    """Return a value as people read it: text as it is, all else as JSON."""
    if value is ABSENT:
        return ""
    if isinstance(value, str) and value:
        return inert_cell(value)
    # No guard: a number with its sign is no formula. An empty text is `""`.
    text = as_json(value)
    return text if text.isprintable() else inert_cell(text)
