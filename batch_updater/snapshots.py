"""The views of any run: an export's file of faces, and what all runs have."""

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from batch_updater.config.settings import Settings
from batch_updater.delivery.reader import PAGES
from batch_updater.errors import RunDirectoryError
from batch_updater.families.reunion import tell_family
from batch_updater.files.outcome_index import indexed
from batch_updater.files.replay import Record, replay
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.snapshot import open_snapshot
from batch_updater.frs.protocol import LIST_WINDOW, Face, read_faces
from batch_updater.manifest import Manifest
from batch_updater.mapping.snapshot import SnapshotColumns
from batch_updater.models import Outcome, Purpose, Result
from batch_updater.planning.views import told_plan
from batch_updater.report.summary import Stop, Summary
from batch_updater.summaries import Told, export_again, write_listing
from batch_updater.verifying.mismatches import write_mismatches
from batch_updater.views import write_views

_ROWS = 1024  # at once; a result holds whole faces


def write_all(
    directory: RunDirectory, manifest: Manifest, settings: Settings, stop: Stop | None
) -> Summary:
    """
    Make every view of a run again from its journal; return its summary.

    An export or plan that was stopped early gets no file: half of one looks like a
    whole one. Whoever calls this holds the journal's lock.
    """
    if manifest.purpose is Purpose.UPDATE:
        told = tell_family(directory, Told()) if manifest.parent else Told()
        return write_views(directory, manifest, settings, stop, told)
    if manifest.purpose is Purpose.VERIFY:
        told = write_mismatches(directory, manifest)
        return write_views(directory, manifest, settings, stop, told)
    if manifest.lists:
        return _conclude_listing(directory, manifest, settings, stop)
    if manifest.purpose is Purpose.PLAN:
        told = told_plan(directory, manifest, settings, stop)
        return write_views(directory, manifest, settings, stop, told)
    told = Told()
    if stop is None:
        faces = _asked_faces(directory, manifest)
        told = _write(settings, faces, manifest).told
    return write_views(directory, manifest, settings, stop, told)


@dataclass(frozen=True, slots=True)
class _Written:
    """What was written, and how many faces do not fit the columns."""

    path: Path
    faces: int
    odd: int

    @property
    def told(self) -> Told:
        """What the summary has to say of it."""
        note = (
            f"faces with something that fits no column of its own: {self.odd:,}; it "
            "stands in the column other, which run does not read"
        )
        return Told(file=str(self.path), note=note if self.odd else "")


def _write(settings: Settings, faces: Iterator[Face], manifest: Manifest) -> _Written:
    assert settings.to is not None  # noqa: S101  (run.json of an export has it)
    columns, counts = SnapshotColumns(manifest.declared), Counter[str]()
    with open_snapshot(settings.to, columns.types) as file:
        for face in faces:
            row = columns.row(face)
            file.writerow(row)
            counts.update(faces=1, odd=row[-1] is not None)
    return _Written(settings.to, counts["faces"], counts["odd"])


def _asked_faces(directory: RunDirectory, manifest: Manifest) -> Iterator[Face]:
    """Yield the faces asked for by id, in the order of the ids."""
    with indexed(directory.journal, manifest.layout) as index:
        total = manifest.layout.total
        for first in range(0, total, _ROWS):
            rows = np.arange(first, min(first + _ROWS, total))
            for result in index.results(rows)[1]:
                if result.outcome is Outcome.EXPORTED:
                    yield from faces_of(result, directory)


def faces_of(result: Result, directory: RunDirectory) -> list[Face]:
    """Return the faces that a result holds."""
    faces = read_faces(result.payload)
    if faces is None:
        raise RunDirectoryError(
            f"{directory.journal} is damaged: a result of row {result.row_number} "
            "holds no faces",
            hint="Put the journal back as the export wrote it, or export again.",
        )
    return faces


def pages(directory: RunDirectory) -> Iterator[Result]:
    """Yield the pages that a listing got, in their order."""
    for record in replay(directory.journal):
        if _is_page(record):
            result = record.result()
            if result.outcome is Outcome.EXPORTED:
                yield result


def _is_page(record: Record) -> bool:
    return record.kind == "result" and record.facts["source"] == PAGES


def _listed_faces(directory: RunDirectory) -> Iterator[Face]:
    """Yield the listed faces in the order of listing, each once."""
    seen: set[str] = set()
    for page in pages(directory):
        for face in faces_of(page, directory):
            if face["face_id"] not in seen:
                seen.add(face["face_id"])
                yield face


def _conclude_listing(
    directory: RunDirectory, manifest: Manifest, settings: Settings, stop: Stop | None
) -> Summary:
    if stop is not None:
        listed = sum(1 for _ in _listed_faces(directory))
        return write_listing(directory, manifest, settings, stop, listed, Told())
    written = _write(settings, _listed_faces(directory), manifest)
    told = _with_missed(written.told, manifest, written.faces)
    return write_listing(directory, manifest, settings, stop, written.faces, told)


def _with_missed(told: Told, manifest: Manifest, listed: int) -> Told:
    """Compare what was listed with what the face set said to hold."""
    held = manifest.face_number
    if listed == held:
        return told
    again = ["batch-updater", "export", *export_again(manifest.settings)]
    target = told.file
    if held > LIST_WINDOW:
        said = (
            f"the face set holds {held:,} faces, and FRS lists the first "
            f"{LIST_WINDOW:,} only: export the others by their ids"
        )
        again += ["--ids", "FILE"]
        target = "OTHERS" + Path(told.file).suffix  # the first ones stay
    else:
        said = (
            f"{listed:,} faces were listed, but the face set said to hold {held:,} "
            "when the listing began: faces were added or removed meanwhile"
        )
    note = "; ".join(filter(None, (said, told.note)))
    if listed > held:
        return replace(told, note=note)
    command = shlex.join([*again, "--to", target])
    return replace(told, note=note, next_command=command)
