"""The views of a run, made again from its journal: one truth, many files."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batch_updater.config.settings import Settings, Texts
from batch_updater.errors import InputError, RunDirectoryError
from batch_updater.files.journal import OutcomeIndex, decode_result, replay
from batch_updater.files.results import Views, open_invalid, open_views
from batch_updater.files.run_dir import RunDirectory
from batch_updater.frs.codes import find_code
from batch_updater.intake.items import Selection, examine
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
from batch_updater.models import OnDuplicate, Outcome, Result, RowLayout
from batch_updater.report.summary import Stop, Summary, SummaryBuilder, exit_code_of


def write_views(
    directory: RunDirectory,
    manifest: Manifest,
    settings: Settings,
    stop: Stop | None,
) -> Summary:
    """
    Make every view of a run again from its journal; return its summary.

    The input is read once more for the rows' own columns. When it is gone or has
    changed, only results are made, and the summary's note says so.
    """
    layout = manifest.layout
    builder, index = SummaryBuilder(), OutcomeIndex(directory.journal, layout)
    selection = read_selection(directory, layout.total)
    note = _input_trouble(manifest)
    try:
        _take_journal(directory, builder, index)
        with open_views(
            directory.path,
            () if note else manifest.header,
            parquet=settings.results_format == "parquet",
            values=settings.include_values,
        ) as views:
            writer = _RowWriter(index, selection, settings, builder, views)
            if note:
                writer.write_without_input(layout)
            else:
                for rows in make_intake(settings, manifest.inputs).rows():
                    writer.write(rows)
    finally:
        index.close()
    summary = _summarise(directory, manifest, settings, builder, stop, note)
    directory.write_json("summary.json", summary.as_json())
    return summary


def _input_trouble(manifest: Manifest) -> str:
    try:
        check_unchanged(manifest.inputs)
    except InputError as error:
        return (
            f"{error.message}: failed.csv, invalid.csv and unprocessed.csv need the "
            "input's own columns and were not made"
        )
    return ""


def _take_journal(
    directory: RunDirectory, builder: SummaryBuilder, index: OutcomeIndex
) -> None:
    for record in replay(directory.journal):
        if record.kind == "session":
            builder.new_session()
        elif record.kind == "result":
            index.note(record)
            builder.add_attempts(decode_result(record.facts))


@dataclass(frozen=True, slots=True)
class _RowWriter:
    """Finds each row's outcome, counts it, and hands it to the views."""

    index: OutcomeIndex
    selection: Selection
    settings: Settings
    builder: SummaryBuilder
    views: Views

    def write(self, rows: Rows) -> None:
        chunk = rows.chunk
        columns = [cells(chunk.frame[i]) for i in range(len(chunk.header))]
        wanted = np.flatnonzero(self.selection[rows.start : rows.stop]).tolist()
        for position in wanted:
            face_id = str(columns[rows.columns.face_id][position] or "")
            row_number = chunk.first_row + position
            result = self.index.result(rows.start + position)
            result = result or self._unprocessed(chunk.source, row_number, face_id)
            self.builder.add_row(result)
            own = [column[position] for column in columns]
            self.views.write(result, chunk.header, own)

    def write_without_input(self, layout: RowLayout) -> None:
        for ordinal in np.flatnonzero(self.selection).tolist():
            source, row_number = layout.locate(ordinal)
            result = self.index.result(ordinal)
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


def _summarise(
    directory: RunDirectory,
    manifest: Manifest,
    settings: Settings,
    builder: SummaryBuilder,
    stop: Stop | None,
    note: str,
) -> Summary:
    tally = builder.tally
    refused = settings.on_duplicate is OnDuplicate.ERROR
    exit_code = exit_code_of(tally, stop, duplicates_bad=refused)
    return Summary(
        run_dir=str(directory.path),
        face_set_name=settings.face_set or "",
        read=tally.outcomes.total(),
        outcomes={str(outcome): tally.outcomes[outcome] for outcome in Outcome},
        errors=tuple(builder.errors(_remedy)),
        rate=settings.rate,
        exit_code=exit_code,
        stop=stop,
        note=note,
        next_command=_next_command(directory, manifest, builder),
        **builder.speed(),
    )


def _remedy(code: str, outcome: Outcome) -> str:
    entry = find_code(code)
    if entry:
        return entry.remedy
    if outcome in {Outcome.INVALID, Outcome.DUPLICATE}:
        return "mend these rows in invalid.csv"
    return "send the failed rows again later with retry"


# Flags that a run over failed.csv needs too. Those about the input's format are not
# among them: views are CSV in UTF-8, whatever the input was.
_TOLD_AGAIN = (
    *("face-id", "external-image-id", "field"),
    *("face-set", "project-id", "region", "endpoint", "token-file"),
)


def _told_again(settings: Texts) -> Iterator[str]:
    for name in _TOLD_AGAIN:
        for text in settings.get(name, ()):
            yield from (f"--{name}", text)
    if settings.get("allow-http") == ("true",):
        yield "--allow-http"


def _next_command(
    directory: RunDirectory, manifest: Manifest, builder: SummaryBuilder
) -> str:
    outcomes, path = builder.tally.outcomes, directory.path
    words: list[str] = []
    if outcomes[Outcome.UNPROCESSED]:
        words = ["resume", str(path)]
    elif builder.worth_retrying:
        words = ["retry", str(path)]
    elif outcomes[Outcome.FAILED]:  # once these rows have been mended
        words = ["run", str(path / "failed.csv"), *_told_again(manifest.settings)]
    elif outcomes[Outcome.INVALID]:
        words = ["run", str(path / "invalid.csv"), *_told_again(manifest.settings)]
    return shlex.join(["batch-updater", *words]) if words else ""


def read_stop(directory: RunDirectory) -> Stop | None:
    """Return why a run's last session ended early, or None."""
    stop = None
    for record in replay(directory.journal):
        if record.kind == "session":
            stop = None
        elif record.kind == "end" and record.facts.get("stop"):
            stop = Stop(**record.facts["stop"])
    return stop


def write_invalid(path: Path, intake: Intake, types: FieldTypes, found: Survey) -> None:
    """
    Write the refused rows with rule and column, as a run's invalid.csv has them.

    Raises:
        RunDirectoryError: the file cannot be written.
    """
    try:
        with open_invalid(path, found.header) as views:
            for rows, checked in examine(intake, types, found):
                _write_refused(rows, checked, views)
    except OSError as error:
        raise RunDirectoryError(f"cannot write {path}: {error.strerror}") from None


def _write_refused(rows: Rows, checked: Checked, views: Views) -> None:
    chunk = rows.chunk
    columns = [cells(chunk.frame[i]) for i in range(len(chunk.header))]
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
        yield decode_result(facts)
