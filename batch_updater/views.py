"""The views of a run, made again from its journal: one truth, many files."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from batch_updater.config.settings import Settings
from batch_updater.errors import (
    BatchUpdaterError,
    InputError,
    RunDirectoryError,
    UsageError,
)
from batch_updater.files.batch import Batch, Whole
from batch_updater.files.bulk import Lines, read_bulk
from batch_updater.files.outcome_index import NOTED, OutcomeIndex
from batch_updater.files.results import (
    VIEWS_OF_INPUT,
    Views,
    aligned,
    open_invalid,
    open_views,
    own_columns,
)
from batch_updater.files.run_dir import RunDirectory, temporary_name
from batch_updater.files.search import search
from batch_updater.intake.cells import own_texts
from batch_updater.intake.items import examine
from batch_updater.intake.rows import Intake, Rows
from batch_updater.intake.survey import Survey
from batch_updater.manifest import (
    Manifest,
    check_unchanged,
    make_intake,
    read_selection,
)
from batch_updater.mapping.checks import Checked, cells
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.tasks import refuse
from batch_updater.models import Outcome, Result, RowLayout
from batch_updater.report.summary import Stop, Summary, SummaryBuilder
from batch_updater.selection import Flags, Selection
from batch_updater.summaries import NOTHING, Told, add_up, summarise

TOLD = (*NOTED, "attempts")
"""The columns of results that views look at first; all others when they write them."""

_ROWS = 4096  # at once


def write_views(
    directory: RunDirectory,
    manifest: Manifest,
    settings: Settings,
    stop: Stop | None,
    told: Told = NOTHING,
) -> Summary:
    """
    Make every view of a run again from its journal; return its summary.

    The input is read once more for the rows' own columns. When it is gone or has
    changed, only results are made, the other views stay as they are, and the
    summary's note says so. Whoever calls this holds the journal's lock.

    Args:
        told: what else the summary has to say.
    """
    layout = manifest.layout
    builder, index = SummaryBuilder(), OutcomeIndex(directory.journal, layout)
    try:
        for lines in read_bulk(directory.journal, TOLD):
            add_up(lines, builder)
            if isinstance(lines, Lines):
                index.note(lines)
        known = Known(index, read_selection(directory, manifest))
        note = write_rows(directory, manifest, settings, known, builder)
    finally:
        index.close()
    told = replace(told, note="; ".join(filter(None, (told.note, note))))
    return summarise(directory, manifest, settings, builder, stop, told)


class Outcomes(Protocol):
    """Knows the last result of each row."""

    def results(self, rows: Whole) -> tuple[Flags, Batch]:
        """Return which rows have a result, and the last ones of those, in order."""


@dataclass(frozen=True, slots=True)
class Known:
    """
    What is known of the rows that views are made of.

    Args:
        rows: those that the views are about.
        mended: cells of rows, by position, that stand for the input's own.
    """

    outcomes: Outcomes
    rows: Selection
    mended: Mapping[int, Sequence[str]] = field(default_factory=dict)


def write_rows(
    directory: RunDirectory,
    manifest: Manifest,
    settings: Settings,
    known: Known,
    builder: SummaryBuilder,
) -> str:
    """
    Write the views of rows, which the builder counts; return what is wrong with them.

    Args:
        directory: where the views go.
    """
    note = _input_trouble(directory, manifest)
    with open_views(
        directory.path,
        None if note else manifest.header,
        parquet=settings.results_format == "parquet",
        values=settings.include_values,
    ) as views:
        own = own_columns(manifest.header)
        writer = _RowWriter(known, own, settings, builder, views)
        if note:
            writer.write_without_input(manifest.layout)
        else:
            intake = make_intake(settings, manifest.inputs, manifest.purpose)
            for rows in intake.rows():
                writer.write(rows)
    return note


def _input_trouble(directory: RunDirectory, manifest: Manifest) -> str:
    try:
        check_unchanged(manifest.inputs)
    except InputError as error:
        kept = [name for name in VIEWS_OF_INPUT if (directory.path / name).exists()]
        return (
            f"{error.message}: failed.csv, invalid.csv and unprocessed.csv need the "
            "input's own columns and were not made"
            + (f"; {', '.join(kept)}: kept from before" if kept else "")
        )
    return ""


def results_command(directory: RunDirectory) -> str:
    """Return what to type to make the views of a run again."""
    return shlex.join(["batch-updater", "results", str(directory.path)])


@contextmanager
def naming_trouble(
    directory: RunDirectory, kind: type[BatchUpdaterError]
) -> Iterator[None]:
    """Raise what the disk says while views are written as an error of this kind."""
    try:
        yield
    except OSError as error:
        where = error.filename2 or error.filename or directory.path
        raise kind(
            f"cannot write {where}: {error.strerror or error}",
            hint="Make room, or move what is in the way, then: "
            + results_command(directory),
        ) from error


@dataclass(frozen=True, slots=True)
class _RowWriter:
    """Finds the rows' outcomes, counts them, and hands them to the views."""

    known: Known
    own: tuple[str, ...]
    settings: Settings
    builder: SummaryBuilder
    views: Views

    def write(self, rows: Rows) -> None:
        wanted = np.flatnonzero(self.known.rows.within(rows.start, rows.stop))
        for first in range(0, len(wanted), _ROWS):
            self._write(rows, wanted[first : first + _ROWS])

    def _write(self, rows: Rows, wanted: Whole) -> None:
        chunk = rows.chunk

        def ids(places: list[int]) -> list[str]:
            face_ids = chunk.frame[[rows.columns.face_id]]
            return [text for (text,) in own_texts(face_ids, wanted[places].tolist())]

        def own(places: list[int]) -> Iterator[Sequence[str]]:
            texts = own_texts(chunk.frame, wanted[places].tolist())
            cells = aligned(self.own, chunk.header, texts)
            for place, row in zip(places, cells, strict=True):
                yield self.known.mended.get(rows.start + int(wanted[place]), row)

        numbers = chunk.first_row + wanted
        batch = self._results(rows.start + wanted, chunk.source, numbers, ids)
        self.views.write(batch, own)

    def write_without_input(self, layout: RowLayout) -> None:
        for source, count in layout.rows.items():
            start = layout.start(source)
            for first in range(start, start + count, _ROWS):
                stop = min(first + _ROWS, start + count)
                rows = first + np.flatnonzero(self.known.rows.within(first, stop))
                batch = self._results(rows, source, rows - start + 1, _no_ids)
                self.views.write(batch, None)

    def _results(
        self,
        rows: Whole,
        source: str,
        numbers: Whole,
        ids: Callable[[list[int]], list[str]],
    ) -> Batch:
        """Return the results of rows; those without one are unprocessed."""
        known, found = self.known.outcomes.results(rows)
        if not known.all():
            without = np.flatnonzero(~known).tolist()
            found = found.spread(known).filled(
                known,
                face_set_name=[self.settings.face_set or ""] * len(without),
                face_id=ids(without),
                outcome=[Outcome.UNPROCESSED] * len(without),
            )
        batch = found.replaced(
            source=pa.array([source]).take(pa.array(np.zeros(len(rows), np.int8))),
            row_number=pa.array(numbers),
        )
        for first, count in batch.alike():
            self.builder.add_rows(first, count)
        return batch


def _no_ids(places: list[int]) -> list[str]:
    return [""] * len(places)


def write_invalid(path: Path, intake: Intake, types: FieldTypes, found: Survey) -> None:
    """
    Write the refused rows with rule and column, as a run's invalid.csv has them.

    Raises:
        UsageError: the file is one of the inputs; nothing is written.
        RunDirectoryError: the file cannot be written.
    """
    _refuse_target(path, intake)
    try:
        with open_invalid(path, found.header) as views:
            for rows, checked in examine(intake, types, found):
                if checked.problems:
                    _write_refused(rows, checked, found, views)
    except OSError as error:
        raise RunDirectoryError(f"cannot write {path}: {error.strerror}") from None


def _refuse_target(path: Path, intake: Intake) -> None:
    for target in (path, temporary_name(path)):
        for source in intake.inputs:
            if target.exists() and target.samefile(source.path):
                raise UsageError(
                    f"{target} is an input, and would be overwritten",
                    hint="Give another file with --invalid-csv.",
                )
    if path.exists() and not path.is_file():  # a device would be replaced too
        raise RunDirectoryError(f"cannot write {path}: it is not a regular file")


def _write_refused(rows: Rows, checked: Checked, found: Survey, views: Views) -> None:
    chunk = rows.chunk
    places = sorted(checked.problems)
    ids = cells(chunk.frame[rows.columns.face_id])
    refused = Batch.of(
        refuse(checked.problems[n], ids[n], "", chunk.source, chunk.first_row + n)
        for n in places
    )
    own = own_texts(chunk.frame, places)
    header = own_columns(found.header)
    views.write(refused, lambda _: aligned(header, chunk.header, own))


def find_results(
    directory: RunDirectory, *, row_number: int | None, face_id: str | None
) -> Iterator[Result]:
    """Yield every recorded result of a row number or a face, oldest first."""
    row_numbers = None if row_number is None else {row_number}
    for record in search(directory.journal, row_numbers, face_id):
        if record.kind == "result":
            yield record.result()
