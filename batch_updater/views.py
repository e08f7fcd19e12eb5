"""The views of a run, made again from its journal: one truth, many files."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from batch_updater.config.settings import Settings
from batch_updater.errors import (
    BatchUpdaterError,
    InputError,
    RunDirectoryError,
    UsageError,
)
from batch_updater.files.outcome_index import OutcomeIndex
from batch_updater.files.replay import replay
from batch_updater.files.results import (
    VIEWS_OF_INPUT,
    Views,
    open_invalid,
    open_views,
    own_columns,
)
from batch_updater.files.run_dir import RunDirectory, temporary_name
from batch_updater.intake.cells import own_cells
from batch_updater.intake.items import examine
from batch_updater.intake.rows import Intake, Rows
from batch_updater.intake.survey import Survey
from batch_updater.manifest import (
    Manifest,
    check_unchanged,
    make_intake,
    read_selection,
)
from batch_updater.mapping.checks import Checked
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.tasks import refuse
from batch_updater.models import Outcome, Result, RowLayout
from batch_updater.report.summary import Stop, Summary, SummaryBuilder
from batch_updater.selection import Selection
from batch_updater.summaries import NOTHING, Told, add_up, summarise


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
        _take_journal(directory, builder, index)
        known = Known(index, read_selection(directory, manifest))
        note = write_rows(directory, manifest, settings, known, builder)
    finally:
        index.close()
    told = replace(told, note="; ".join(filter(None, (told.note, note))))
    return summarise(directory, manifest, settings, builder, stop, told)


class Outcomes(Protocol):
    """Knows the last result of each row."""

    def result(self, ordinal: int) -> Result | None:
        """Return the last result of a row, or None when it has none."""


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
        writer = _RowWriter(known, manifest.header, settings, builder, views)
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


def _take_journal(
    directory: RunDirectory, builder: SummaryBuilder, index: OutcomeIndex
) -> None:
    for record in replay(directory.journal):
        add_up(record, builder)
        if record.kind == "result":
            index.note(record)


@dataclass(frozen=True, slots=True)
class _RowWriter:
    """Finds each row's outcome, counts it, and hands it to the views."""

    known: Known
    header: tuple[str, ...]
    settings: Settings
    builder: SummaryBuilder
    views: Views

    def write(self, rows: Rows) -> None:
        chunk = rows.chunk
        columns = [own_cells(chunk.frame[i]) for i in range(len(chunk.header))]
        wanted = np.flatnonzero(self.known.rows.within(rows.start, rows.stop)).tolist()
        for position in wanted:
            face_id = str(columns[rows.columns.face_id][position] or "")
            row_number = chunk.first_row + position
            result = self.known.outcomes.result(rows.start + position)
            result = result or self._unprocessed(chunk.source, row_number, face_id)
            self.builder.add_row(result)
            mended = self.known.mended.get(rows.start + position)
            if mended is not None:
                self.views.write(result, own_columns(self.header), mended)
                continue
            own = [column[position] for column in columns]
            self.views.write(result, chunk.header, own)

    def write_without_input(self, layout: RowLayout) -> None:
        for ordinal in self.known.rows:
            source, row_number = layout.locate(ordinal)
            result = self.known.outcomes.result(ordinal)
            result = result or self._unprocessed(source, row_number, "")
            self.builder.add_row(result)
            self.views.write(result, (), ())

    def _unprocessed(self, source: str, row_number: int, face_id: str) -> Result:
        return Result(
            source=source,
            row_number=row_number,
            face_set_name=self.settings.face_set or "",
            face_id=face_id,
            outcome=Outcome.UNPROCESSED,
        )


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
                _write_refused(rows, checked, views)
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


def _write_refused(rows: Rows, checked: Checked, views: Views) -> None:
    chunk = rows.chunk
    columns = [own_cells(chunk.frame[i]) for i in range(len(chunk.header))]
    for position, problems in sorted(checked.problems.items()):
        face_id = columns[rows.columns.face_id][position]
        row_number = chunk.first_row + position
        result = refuse(problems, face_id, "", chunk.source, row_number)
        views.write(result, chunk.header, [column[position] for column in columns])


def find_results(
    directory: RunDirectory, *, row_number: int | None, face_id: str | None
) -> Iterator[Result]:
    """Yield every recorded result of a row number or a face, oldest first."""
    for record in replay(directory.journal):
        if record.kind != "result":
            continue
        facts = record.facts
        if row_number is not None and facts["row_number"] != row_number:
            continue
        if face_id is not None and facts.get("face_id") != face_id:
            continue
        yield record.result()
