"""Rows on their way to be sent stand where they were looked at, or are not sent."""

from pathlib import Path

import pytest

from batch_updater.errors import InputError
from batch_updater.files.inputs import resolve_inputs
from batch_updater.files.source import ReadOptions
from batch_updater.intake.items import make_items
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import survey
from batch_updater.mapping.columns import ColumnMapping
from batch_updater.models import OnDuplicate, Task
from batch_updater.selection import Selection


def _write(path: Path, first: int, count: int) -> None:
    rows = [f"{number:08d},img-{number}\n" for number in range(first, first + count)]
    path.write_text("face_id,external_image_id\n" + "".join(rows))


def _sent_after(folder: Path, count: int, other: int) -> list[Task]:
    """Return what is sent of two files after they have been rewritten."""
    a, b = folder / "a.csv", folder / "b.csv"
    _write(a, 0, 10)
    _write(b, 100, 10)
    inputs = resolve_inputs([str(a), str(b)])
    intake = Intake(
        inputs=inputs,
        options=ReadOptions(),
        mapping=ColumnMapping(),
        face_set_name="set",
    )
    types = intake.settle_types(None)
    found = survey(intake, types, OnDuplicate.IN_ORDER)
    _write(a, 0, count)
    _write(b, 100, other)
    chosen = Selection.of_ranges([[3, 4], [12, 12]], found.total)
    items = [each for part in make_items(intake, types, found, chosen) for each in part]
    assert all(isinstance(each, Task) for each in items)
    return [each for each in items if isinstance(each, Task)]


def test_chosen_rows_are_sent(tmp_path: Path) -> None:
    """Rows of several files are the ones that were chosen, by number and by face."""
    sent = _sent_after(tmp_path, 10, 10)
    told = [(each.row_number, each.update.face_id) for each in sent]
    assert told == [(4, "00000003"), (5, "00000004"), (3, "00000102")]


@pytest.mark.parametrize(
    ("count", "other", "said"),
    [
        (11, 10, "a.csv has grown while it was being sent"),
        (10, 11, "b.csv has grown while it was being sent"),
        (9, 10, "an input before .*b.csv has fewer rows than it had"),
        (11, 9, "a.csv has grown while it was being sent"),
    ],
)
def test_files_that_change_are_noticed(
    tmp_path: Path, count: int, other: int, said: str
) -> None:
    """A row more or less in any file ends the run: numbers would mean other rows."""
    with pytest.raises(InputError, match=said):
        _sent_after(tmp_path, count, other)
