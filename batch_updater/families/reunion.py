"""What a whole family came to: its views, one row's story, and what to type next."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from batch_updater.config.settings import Settings, resolve
from batch_updater.errors import InputError, RunDirectoryError
from batch_updater.families.family import Family, Member, find_family
from batch_updater.families.folding import Fold, Origin, folded, origin_of, time_of
from batch_updater.files.private import make_private_folder
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.search import search
from batch_updater.intake.cells import own_texts
from batch_updater.manifest import check_unchanged, load_manifest, make_intake
from batch_updater.models import Outcome, Result, RowLayout
from batch_updater.report.summary import Summary, SummaryBuilder
from batch_updater.report.text import count_rows
from batch_updater.retries.choice import read_noted
from batch_updater.selection import Ordinals, Selection
from batch_updater.summaries import Told, summarise
from batch_updater.views import Known, write_rows

# Whose cells stand in a view of their own.
_SHOWN = (
    *(Outcome.FAILED, Outcome.DRIFTED, Outcome.INVALID, Outcome.DUPLICATE),
    Outcome.UNPROCESSED,
)


def write_family(family: Family, settings: Settings, target: RunDirectory) -> Summary:
    """
    Write the views of a whole family; return its summary.

    Whoever calls this holds the locks of all members.

    Args:
        settings: the root's.
        target: where they go.
    """
    root, builder = family.root.manifest, SummaryBuilder()
    with folded(family, builder) as fold:
        mended, trouble = _mended_rows(fold)
        known = Known(fold, Selection.all(root.layout.total), mended)
        note = write_rows(target, root, settings, known, builder)
        told = Told(
            note="; ".join(filter(None, (*family.missing, *trouble, note))),
            next_command=_next_command(fold),
        )
    return summarise(target, root, settings, builder, None, told)


def _next_command(fold: Fold) -> str:
    if member := fold.to_resume():
        return shlex.join(["batch-updater", "resume", member.name])
    if member := fold.to_retry():
        return shlex.join(["batch-updater", "retry", member.name])
    return ""


def _mended_rows(fold: Fold) -> tuple[Mapping[int, Sequence[str]], list[str]]:
    """
    Return the cells of rows that were mended and are not done, and what is gone.

    They are few: somebody has mended them by hand.
    """
    cells: dict[int, Sequence[str]] = {}
    trouble: list[str] = []
    shown = fold.rows_with(*_SHOWN)
    for number, member in enumerate(fold.family.members):
        if read_noted(member.directory, member.manifest.layout.total).origin is None:
            continue  # it reads the root's own input
        origin = origin_of(member, fold.family.root)
        last = fold.last_in(number)
        try:
            cells |= dict(_cells_of(member, shown & last, origin))
        except InputError as error:
            trouble.append(f"{error.message}: its rows stand as they were before")
    return cells, trouble


def _cells_of(
    member: Member, wanted: Selection, origin: Origin
) -> Iterator[tuple[int, Sequence[str]]]:
    if not wanted.at(origin.at(np.arange(member.manifest.layout.total))).any():
        return
    manifest = member.manifest
    check_unchanged(manifest.inputs)
    settings = resolve({}, {}, recorded=manifest.settings).settings
    for rows in make_intake(settings, manifest.inputs).rows():
        places = origin.at(np.arange(rows.start, rows.stop))
        positions = np.flatnonzero(wanted.at(places)).tolist()
        texts = own_texts(rows.chunk.frame, positions)
        yield from zip(places[positions].tolist(), texts, strict=True)


def tell_family(directory: RunDirectory, told: Told) -> Told:
    """
    Return what the summary of a retry says of its whole family.

    Whoever calls this holds the lock of the retry. A family that cannot be told of
    is no trouble of the retry's own.
    """
    try:
        family = find_family(directory.path)
        held = load_manifest(directory).key
        with family.locked(held), folded(family) as fold:
            said, next_command = _said(fold), _next_command(fold)
            if not next_command and fold.rows_with(*_SHOWN).any():
                words = ["batch-updater", "results", str(directory.path), "--family"]
                next_command = shlex.join(words)
    except (RunDirectoryError, OSError) as error:
        said, next_command = f"of the whole family nothing is known: {error}", ""
    note = "; ".join(filter(None, (told.note, said)))
    return replace(told, note=note, otherwise=next_command)


def _said(fold: Fold) -> str:
    counts = {outcome: fold.count(outcome) for outcome in Outcome}
    total = sum(counts.values())
    told = ", ".join(f"{o} {n:,}" for o, n in counts.items() if n)
    root = fold.family.root.name
    return f"with its whole family, from {root} on, {count_rows(total)}: {told}"


def still_failed(directory: RunDirectory, failed: Selection) -> tuple[Selection, str]:
    """
    Return the failed rows of a run that are its own matter still, and a remark.

    Of the others, a retry has updated some since; some were mended, and are that
    retry's to send again: their values from before would stand over the newer ones.
    """
    if not failed.any():
        return failed, ""
    try:
        family = find_family(directory.path)
        if len(family.members) == 1:
            return failed, ""
        with family.locked(), folded(family) as fold:
            mended = _mended_elsewhere(family, directory)
            done = fold.rows_with(Outcome.UPDATED) | fold.last_in(*mended)
            origin = Origin(read_noted(directory, len(failed)).origin)
            left = failed.copy()
            for rows in failed.blocks():
                left.change(rows, ~done.at(origin.at(rows)))
    except (RunDirectoryError, OSError) as error:
        said = f"whether a retry has updated some of these rows is not known: {error}"
        return failed, said
    gone = failed.count() - left.count()
    said = f"{count_rows(gone)} left out, which a retry has updated or mended since"
    return left, said if gone else ""


def _mended_elsewhere(family: Family, directory: RunDirectory) -> list[int]:
    """Return which members, but for this one, sent rows that were mended for them."""
    own = load_manifest(directory).key
    return [
        number
        for number, member in enumerate(family.members)
        if member.manifest.key != own
        and read_noted(member.directory, member.manifest.layout.total).mended
    ]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A result of a row, and the run that it is from."""

    run: str
    at: float
    result: Result


def tell_story(
    family: Family, *, row_number: int | None, face_id: str | None
) -> list[Chapter]:
    """
    Return every result of a row number or a face over a family, oldest first.

    Args:
        row_number: of the root's inputs.
    """
    chapters: list[Chapter] = []
    for member in family.members:
        chapters += _chapters(member, family.root, row_number, face_id)
    return sorted(chapters, key=lambda chapter: chapter.at)


def _chapters(
    member: Member, root: Member, row_number: int | None, face_id: str | None
) -> Iterator[Chapter]:
    origin, layout = origin_of(member, root), member.manifest.layout
    numbers = None
    if row_number is not None:
        meant = _positions(root.manifest.layout, row_number)
        numbers = {layout.locate(row)[1] for row in origin.back(meant).tolist()}
    began = 0.0
    for record in search(member.directory.journal, numbers, face_id):
        if record.kind == "session":
            began = time_of(record)
        if record.kind != "result":
            continue
        (ordinal,) = origin.at(np.array([record.ordinal(layout)])).tolist()
        source, number = root.manifest.layout.locate(ordinal)
        if row_number in (None, number):
            result = record.result()
            at = result.finished_at or began
            of_root = replace(result, source=source, row_number=number)
            yield Chapter(member.name, at, of_root)


def _positions(layout: RowLayout, row_number: int) -> Ordinals:
    """Return the positions of the rows with this number, one in each input."""
    rows = [
        layout.ordinal(source, row_number)
        for source, count in layout.rows.items()
        if row_number <= count
    ]
    return np.array(rows, dtype=np.int64)


def family_folder(family: Family, asked: Path | None) -> RunDirectory:
    """
    Return the folder for a family's views; made if it is not there, else left as it is.

    Raises:
        RunDirectoryError: it cannot be made, or holds a run.
    """
    directory = RunDirectory(asked or family.root.directory.path / "family")
    try:
        make_private_folder(directory.path)
        directory.path.mkdir(exist_ok=True)  # says so if it is no folder
    except OSError as error:
        raise RunDirectoryError(
            f"cannot make the folder {directory.path}: {error.strerror}",
            hint="Give another one with --to.",
        ) from None
    if directory.journal.exists():
        raise RunDirectoryError(
            f"{directory.path} is a run: its own views would be overwritten",
            hint="Give another folder with --to.",
        )
    return directory
