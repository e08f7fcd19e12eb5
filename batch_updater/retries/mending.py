"""
Failed rows that were mended by hand, matched with those that failed.

A spreadsheet changes more than its user did. Each row is compared with what the run
itself read, and what looks like damage is refused before anything is sent.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from batch_updater.errors import InputError, RunDirectoryError
from batch_updater.files.inputs import Input, InputFormat, as_input
from batch_updater.files.results import align, own_columns
from batch_updater.files.run_dir import MENDED, RunDirectory
from batch_updater.files.tables import open_text
from batch_updater.intake.cells import own_texts
from batch_updater.intake.rows import Intake, Rows
from batch_updater.intake.survey import later_rows, survey
from batch_updater.manifest import Manifest
from batch_updater.mapping.checks import cells
from batch_updater.mapping.columns import BoundColumns, FieldTypes, bind
from batch_updater.mapping.damage import damage_of, damage_of_id, suspicion
from batch_updater.mapping.duplicates import Hashes, hash_ids
from batch_updater.models import FieldType, OnDuplicate
from batch_updater.report.text import count_rows
from batch_updater.retries.choice import root_positions
from batch_updater.retries.edited import Edited
from batch_updater.selection import Ordinals, Selection

_EXAMPLES = 10


@dataclass(frozen=True)
class Original:
    """
    The run whose failed rows come back, and how it reads its input.

    Args:
        failed: its rows that may come back.
    """

    directory: RunDirectory
    manifest: Manifest
    intake: Intake
    failed: Selection

    @cached_property
    def columns(self) -> BoundColumns:
        """The run's own columns, as its views have them."""
        header = own_columns(self.manifest.header)
        return bind(header, self.intake.mapping, self.directory.path.name)

    @cached_property
    def types(self) -> FieldTypes:
        """Types of the custom fields, as they were when the run began."""
        return self.intake.settle_types(dict(self.manifest.declared))

    def rows(self, chosen: Selection) -> Iterator[tuple[Rows, list[int]]]:
        """Yield chunks with the positions of their chosen rows."""
        for rows in self.intake.rows():
            positions = np.flatnonzero(chosen.within(rows.start, rows.stop)).tolist()
            if positions:
                yield rows, positions

    def face_ids(self) -> Iterator[tuple[Ordinals, npt.NDArray[np.object_]]]:
        """Yield where failed rows stand, and their face ids."""
        for rows, positions in self.rows(self.failed):
            ids = cells(rows.chunk.frame[rows.columns.face_id])[positions]
            yield rows.start + np.array(positions, dtype=np.int64), ids


@dataclass(frozen=True, slots=True)
class Mended:
    """
    Rows that may be sent.

    Args:
        source: a file of them, in the order of the run's input.
        origin: for each row, the position among the root's rows.
        later: rows that did not fail and go along, for the sake of order.
    """

    source: Input
    origin: Ordinals
    later: Selection


def mend(
    original: Original,
    edited: Edited,
    into: Path,
    policy: OnDuplicate,
    *,
    values: bool,
) -> Mended:
    """
    Match edited rows with those that failed; write what is to be sent.

    Args:
        into: a folder for the file that is written.
        policy: in order, later rows of the same faces go along.
        values: whether messages may show what stands in the cells.

    Raises:
        InputError: a row is none of those that failed, or a value looks damaged;
            rows and columns are named.
        RunDirectoryError: the file cannot be written.
    """
    places = _match(original, edited)
    chosen = Selection.none(len(original.failed))
    chosen.add(places)
    later = Selection.none(len(chosen))
    if policy is OnDuplicate.IN_ORDER:
        intake, types = original.intake, original.types
        later = later_rows(intake, survey(intake, types, policy), chosen)
    target = into / MENDED
    try:
        _weave(original, edited, places, chosen | later, target, values=values)
    except OSError as error:
        raise RunDirectoryError(
            f"cannot write {target}: {error.strerror or error}",
            hint="Make room there, or set TMPDIR to another folder; nothing was sent.",
        ) from None
    ordinals = (chosen | later).positions()
    origin = root_positions(original.directory, ordinals, len(chosen))
    source = as_input(target, name=MENDED, input_format=InputFormat.CSV)
    return Mended(source, origin, Selection.of(later.at(ordinals)))


def _match(original: Original, edited: Edited) -> Ordinals:
    """Return for each edited row which failed row it is: the k-th of its face id."""
    found = list(original.face_ids())
    ordinals = np.concatenate([places for places, _ in found])
    hashes = np.concatenate([hash_ids(ids) for _, ids in found])
    order = np.argsort(hashes, kind="stable")
    hashes, ordinals = hashes[order], ordinals[order]
    ids = edited.frame[original.columns.face_id].to_numpy(dtype=object)
    theirs = hash_ids(ids)
    first = np.searchsorted(hashes, theirs, "left")
    failed = np.searchsorted(hashes, theirs, "right") - first
    nth, given = _numbered(theirs)
    if (failed != given).any():
        raise _unmatched(original, edited, failed, given)
    matched: Ordinals = ordinals[first + nth]
    return matched


def _numbered(hashes: Hashes) -> tuple[Ordinals, Ordinals]:
    """Return for each hash which one of its like it is, from 0, and how many there are."""
    order = np.argsort(hashes, kind="stable")
    _, starts, counts = np.unique(hashes[order], return_index=True, return_counts=True)
    nth, alike = np.empty(len(hashes), np.int64), np.empty(len(hashes), np.int64)
    nth[order] = np.arange(len(hashes)) - np.repeat(starts, counts)
    alike[order] = np.repeat(counts, counts)
    return nth, alike


def _unmatched(
    original: Original, edited: Edited, failed: Ordinals, given: Ordinals
) -> InputError:
    rows = np.flatnonzero(failed != given)
    ids = edited.frame[original.columns.face_id]
    shown = {i: str(ids.iloc[i]) for i in rows[:_EXAMPLES].tolist()}
    unknown = [shown[i] for i in shown if not failed[i]]
    guessed = _guess(original, unknown)
    said = []
    for i, face_id in shown.items():
        if failed[i]:
            what = (
                f"{count_rows(int(failed[i]))} of this face failed, but the file has "
                f"{given[i]:,}: which ones cannot be told"
            )
        else:
            what = guessed.get(face_id) or suspicion(face_id) or "it did not fail there"
        said.append(f"{edited.where(i)}, face {face_id or '(none)'}: {what}")
    column = original.columns.header[original.columns.face_id]
    message = f"{edited.name}: rows that are none of {original.directory.path}'s failed"
    return InputError(
        f"{message} ones: {_list(said, len(rows))}",
        hint=f"Open failed.csv again, with column {column!r} as text, keep every row "
        "of a face that has several, and leave the ids alone. New rows are for run.",
    )


def _guess(original: Original, wanted: list[str]) -> dict[str, str]:
    """Return what may have become of failed ids, by what they may be now."""
    guessed: dict[str, str] = {}
    for _, ids in original.face_ids() if wanted else ():
        for new in set(wanted) - guessed.keys():
            for old in ids:
                if damage := damage_of_id(old, new):
                    guessed[new] = f"{damage}; it may have been {old}"
                    break
    return guessed


def _list(said: list[str], count: int) -> str:
    more = f"; and {count - len(said):,} more" if count > len(said) else ""
    return "; ".join(said) + more


def _weave(
    original: Original,
    edited: Edited,
    places: Ordinals,
    chosen: Selection,
    target: Path,
    *,
    values: bool,
) -> None:
    """Write edited rows, and the run's own where none is, in the run's order."""
    header = original.columns.header
    edited_row = np.full(len(chosen), -1, dtype=np.int64)
    edited_row[places] = np.arange(len(places))
    found = _Found(original, edited, values=values)
    with open_text(target) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for rows, positions in original.rows(chosen):
            own = own_texts(rows.chunk.frame, positions)
            columns = align(header, rows.chunk.header)
            mended = edited_row[[rows.start + position for position in positions]]
            new = iter(own_texts(edited.frame, mended[mended >= 0].tolist()))
            for cells_, i in zip(own, mended.tolist(), strict=True):
                old = ["" if c is None else cells_[c] for c in columns]
                row = next(new) if i >= 0 else old
                found.compare(i, old, row)
                writer.writerow(row)
    found.refuse()


class _Found:
    """Gathers the damage; what was changed on purpose is none."""

    def __init__(self, original: Original, edited: Edited, *, values: bool) -> None:
        columns, types = original.columns, original.types.types
        self._header, self._face = columns.header, columns.face_id
        self._edited, self._values = edited, values
        self._kinds: dict[int, FieldType | None] = {
            bound.index: types.get(bound.name) for bound in columns.fields
        }
        if columns.external_image_id is not None:
            self._kinds[columns.external_image_id] = FieldType.STRING
        self._said: list[str] = []
        self._count = 0

    def compare(self, index: int, old: list[str], new: list[str]) -> None:
        """Look at one row: what the run read, and what it would send now."""
        for column, kind in self._kinds.items():
            damage = damage_of(old[column], new[column], kind)
            if not damage:
                continue
            self._count += 1
            if len(self._said) < _EXAMPLES:
                shown = self._show(old[column], new[column])
                self._said.append(
                    f"{self._edited.where(index)}, face {new[self._face]}, column "
                    f"{self._header[column]!r}: {damage} ({shown})"
                )

    def _show(self, old: str, new: str) -> str:
        if self._values:
            return f"{old!r} became {new!r}"
        return f"{len(old)} characters became {len(new)}"

    def refuse(self) -> None:
        """Raise InputError when there is any damage."""
        if self._count:
            raise InputError(
                f"{self._edited.name}: values that a spreadsheet seems to have "
                f"changed: {_list(self._said, self._count)}",
                hint="Open failed.csv again with these columns as text. If the values "
                "are meant, give the file to run instead; --include-values shows "
                "them here.",
            )
