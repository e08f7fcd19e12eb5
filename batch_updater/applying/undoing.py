"""The inverse of a run, written as a plan: from its before-images and its journal."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from batch_updater.applying.inverse import FaceChange, change_of, inverse_row
from batch_updater.errors import RunDirectoryError
from batch_updater.files.batch import Batch
from batch_updater.files.before_images import read_images
from batch_updater.files.bulk import Lines, read_bulk
from batch_updater.files.plan_file import PLAN_SCHEMA, PlanFacts, open_plan
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.search import notes
from batch_updater.intake.repeats import Seen
from batch_updater.manifest import rows_with
from batch_updater.mapping.columns import FieldTypes
from batch_updater.models import BeforeImage, Outcome, PlanStatus, RowLayout
from batch_updater.selection import Flags, Selection

_ROWS = 1 << 14  # at once
_OF_RESULTS = (
    "source",
    "row_number",
    "outcome",
    "http_status",
    "ambiguous",
    "attempts",
)

Numbered = tuple[int, BeforeImage]
"""A before-image and the position of its row."""


@dataclass(slots=True)
class Undo:
    """
    What a rollback would do.

    Args:
        statuses: faces by what becomes of them.
        changes: how many faces get a field back, by field.
        kept: how many faces keep a field, by field.
        keeping: faces that keep at least one.
        unknown: rows that were updated, and no image tells what their face held.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    keeping: int = 0
    unknown: int = 0

    def take(self, row: Mapping[str, Any]) -> None:
        """Count a row."""
        self.statuses[row["status"]] += 1
        self.changes.update(each["field"] for each in row["changes"])
        self.kept.update(row["kept"])
        self.keeping += bool(row["kept"])


def write_undo(
    directory: RunDirectory,
    layout: RowLayout,
    types: FieldTypes,
    facts: PlanFacts,
    into: Path,
) -> tuple[PlanFacts, Undo]:
    """
    Write the plan that takes a run back; return what it is about, and what it would do.

    Whoever calls this holds the journal's lock.

    Args:
        layout: the rows of the run.
        facts: what is known of the plan but its counts.

    Raises:
        RunDirectoryError: the run kept no before-images, or something is damaged.
    """
    skipped = _never_changed(directory, layout)
    kept, repeated = _kept(_images(directory, layout, skipped), layout.total)
    updated = rows_with(directory, layout, frozenset({Outcome.UPDATED}))
    undo = Undo(unknown=(updated - kept).count())
    images = _images(directory, layout, skipped)
    rows = (inverse_row(each, types) for each in _changes(images, repeated, types))
    with open_plan(into, facts) as plan:
        while block := list(islice(rows, _ROWS)):
            for row in block:
                undo.take(row)
            plan.write(pa.RecordBatch.from_pylist(block, schema=PLAN_SCHEMA))
        counts = {str(status): undo.statuses[status] for status in PlanStatus}
        plan.facts = replace(facts, counts=counts)
    return plan.facts, undo


def _changes(
    kept: Iterator[Numbered], repeated: Selection, types: FieldTypes
) -> Iterator[FaceChange]:
    """Yield what was done to each face; to one that several rows changed, at the end."""
    several: dict[str, dict[int, BeforeImage]] = {}
    for row, image in kept:
        if not repeated[row]:
            yield change_of(image, types)
        else:
            images = several.setdefault(image.update.face_id, {})
            images.pop(row, None)  # the row's last one counts, and when it was kept
            images[row] = image
    for images in several.values():
        first, *later = images.values()
        change = change_of(first, types)
        for image in later:
            change = change.then(image, types)
        yield change


def _images(
    directory: RunDirectory, layout: RowLayout, skipped: Selection
) -> Iterator[Numbered]:
    """Yield the images of rows, as they were kept: those of a face in order."""
    for image in read_images(directory.before):
        try:
            row = layout.ordinal(image.source, image.row_number)
        except KeyError:
            raise RunDirectoryError(
                f"{directory.before} tells of {image.source} row {image.row_number}, "
                "which the run does not have",
                hint="Put run.json and before.jsonl back as the run wrote them.",
            ) from None
        if not skipped[row]:
            yield row, image


def _kept(images: Iterator[Numbered], total: int) -> tuple[Selection, Selection]:
    """Return the rows that have an image, and those whose face may have another one."""
    seen, kept = Seen(), Selection.none(total)
    while block := [(row, i.update.face_id) for row, i in islice(images, _ROWS)]:
        ids = np.array([face_id for _, face_id in block], dtype=object)
        rows = np.array([row for row, _ in block], dtype=np.int64)
        seen.take(ids, rows)
        kept.add(rows)
    return kept, seen.repeated(total)


def _never_changed(directory: RunDirectory, layout: RowLayout) -> Selection:
    """
    Return the rows that have an image, and whose update surely was not applied then.

    Only of a run that was never interrupted: what was in flight in a session that was
    killed may have changed a face, whatever became of the row in the next one. Such a
    face is read, and left alone if it holds its old values.
    """
    never, unsure = Selection.none(layout.total), Selection.none(layout.total)
    if sum(record.kind == "session" for record in notes(directory.journal)) > 1:
        return never
    for lines in read_bulk(directory.journal, _OF_RESULTS):
        if isinstance(lines, Lines):
            rows, refused = lines.ordinals(layout), _refused(lines.batch)
            never.change(rows, refused)
            unsure.add(rows[lines.batch.flags("ambiguous")])
            attempts = lines.batch.attempts()
            # A server that failed may have applied it, whatever was said after that.
            unsure.add(np.repeat(rows, attempts.counts)[attempts.statuses >= 500])
    return never - unsure


def _refused(batch: Batch) -> Flags:
    """Return which results say that nothing was sent, or that it was the client's fault."""
    statuses = pc.fill_null(batch["http_status"], 0).to_numpy(zero_copy_only=False)
    refused: Flags = (statuses == 0) | ((statuses >= 400) & (statuses < 500))
    failed = batch.equal("outcome", Outcome.FAILED)
    return refused & (failed | batch.equal("outcome", Outcome.UNPROCESSED))
