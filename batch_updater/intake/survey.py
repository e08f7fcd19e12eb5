"""One pass over all rows before anything is sent: every rule, every duplicate."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from batch_updater.errors import InputError
from batch_updater.intake.repeats import Refused, Seen, Suspects
from batch_updater.intake.rows import Intake, Rows
from batch_updater.mapping.checks import Checked, Checker, cells
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.rules import Problem
from batch_updater.mapping.tasks import DUPLICATE_RULE
from batch_updater.models import OnDuplicate, OnInvalid, PlanStatus, RowLayout
from batch_updater.selection import Selection


@dataclass(slots=True)
class Survey:
    """
    What one pass over all rows found, before anything is sent.

    Args:
        rows: number of rows by source.
        header: the inputs' own columns; of several inputs, all of them.
        rules: how many rows break each rule, duplicates included.
        warnings: how many values break each soft rule.
        examples: the first few refused rows: source, row number, problems.
        refused: rows not sent because of another row of the same face.
        repeated: rows whose face id may stand more than once.
        ahead: whether the rows were looked at; if not, they are only counted.
        repeats: of a plan, rows refused because of another row of the same face.
        statuses: of a plan, how many rows have each status.
        changes: of a plan, in how many rows each field changes.
    """

    rows: dict[str, int] = field(default_factory=dict)
    header: tuple[str, ...] = ()
    rules: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    warning_examples: dict[str, tuple[str, int, Problem]] = field(default_factory=dict)
    examples: list[tuple[str, int, list[Problem]]] = field(default_factory=list)
    invalid: int = 0
    refused: Refused = field(default_factory=lambda: Refused(0))
    repeated: Selection = field(default_factory=lambda: Selection.none(0))
    ahead: bool = True
    repeats: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)

    _EXAMPLES = 10

    @property
    def layout(self) -> RowLayout:
        """All rows as one sequence."""
        return RowLayout(dict(self.rows))

    @property
    def total(self) -> int:
        """Rows read."""
        return sum(self.rows.values())

    @property
    def duplicates(self) -> int:
        """Rows refused because of another row of the same face."""
        return len(self.refused) + self.repeats

    @property
    def clean(self) -> int:
        """Rows that may be sent; of a plan, those that change something."""
        if self.statuses:
            return self.statuses[PlanStatus.CHANGE]
        return self.total - self.invalid - self.duplicates

    @property
    def bad(self) -> int:
        """Rows that cannot end as they should, whatever the service says."""
        gone = self.statuses[PlanStatus.MISSING] + self.statuses[PlanStatus.FAILED]
        return self.invalid + self.duplicates + gone

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON carries them."""
        return {
            "read": self.total,
            "clean": self.clean,
            "invalid": self.invalid,
            "duplicate": self.duplicates,
            "rules": dict(self.rules),
            "warnings": dict(self.warnings),
            **self._planned(),
        }

    def _planned(self) -> dict[str, Any]:
        if not self.statuses:
            return {}
        return {"statuses": dict(self.statuses), "changes": dict(self.changes)}

    def take(self, rows: Rows, checked: Checked) -> None:
        """Count one chunk."""
        source, first = rows.chunk.source, rows.chunk.first_row
        self.rows[source] = self.rows.get(source, 0) + len(rows)
        self.header = merge_headers(self.header, rows.chunk.header)
        self.invalid += len(checked.problems)
        for position, problems in sorted(checked.problems.items()):
            self.rules.update({problem.rule for problem in problems})
            if len(self.examples) < self._EXAMPLES:
                self.examples.append((source, first + position, problems))
        for warned in checked.warnings:
            rule = warned.problem.rule
            self.warnings[rule] += warned.count
            example = (source, first + warned.position, warned.problem)
            self.warning_examples.setdefault(rule, example)

    def take_refusals(self, refused: Refused) -> None:
        """Add the rows that are refused because of another one."""
        self.refused = refused
        if not len(refused):
            return
        self.rules[DUPLICATE_RULE] += len(refused)
        layout = self.layout
        room = max(0, self._EXAMPLES - len(self.examples))
        for ordinal, other in refused.first(room):
            source, row_number = layout.locate(ordinal)
            problem = duplicate_problem(layout, other, "")
            self.examples.append((source, row_number, [problem]))


def merge_headers(known: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    """Return all columns of two headers; equal ones stay as they are."""
    if not known or known == new:
        return new
    return (*known, *(name for name in new if name not in known))


def survey(
    intake: Intake,
    types: FieldTypes,
    policy: OnDuplicate,
    stopped: Callable[[], bool] = lambda: False,
) -> Survey:
    """
    Check every row of every input; nothing is sent, nothing is written.

    Args:
        policy: what to do with rows of the same face.
        stopped: asked between chunks; what was found until then is returned.

    Raises:
        InputError: an input cannot be read to its end, or holds no rows; or there
            is no room in TMPDIR for what tells faces apart.
    """
    found, checker = Survey(), Checker(types, intake.strict, intake.complete)
    for source in intake.inputs:
        found.rows[source.name] = 0
    seen = Seen()
    for rows in intake.rows(verify=True):
        if stopped():
            return found
        checked = checker.check(rows.chunk.frame, rows.columns)
        found.take(rows, checked)
        seen.take(*_clean_ids(rows, checked))
    if not found.total:
        names = ", ".join(source.name for source in intake.inputs)
        raise InputError(f"{names}: there are no rows")
    found.repeated = seen.repeated(found.total)
    del seen  # and its file with it
    # In order, none of them is refused, and there is nothing to settle.
    if found.repeated.any() and policy is not OnDuplicate.IN_ORDER:
        refused = Refused(found.total)
        _suspects(intake, found).settle(policy, refused)
        found.take_refusals(refused)
    return found


def refuse_broken(found: Survey, on_invalid: OnInvalid) -> None:
    """Raise InputError when rows break a rule and none is to be sent then."""
    refused = found.invalid + found.duplicates
    if on_invalid is OnInvalid.STOP and refused:
        raise InputError(
            f"{refused:,} of {found.total:,} rows break a rule; nothing was sent",
            hint="Mend them, or send the others with --on-invalid skip.",
        )


def later_rows(intake: Intake, found: Survey, chosen: Selection) -> Selection:
    """
    Return the good rows that update a face after one of the chosen rows does.

    Who sends a chosen row again, in order, has to send these after it: the older
    value would stand over the newer one otherwise.

    Args:
        found: what the survey of the same inputs returned.
        chosen: which rows will be sent; they are not among those returned.
    """
    if not found.repeated.any() or not chosen.any():
        return Selection.none(len(chosen))
    return _suspects(intake, found).later(chosen)


def _suspects(intake: Intake, found: Survey) -> Suspects:
    suspects = Suspects()
    for rows in intake.rows():
        positions = np.flatnonzero(found.repeated.within(rows.start, rows.stop))
        if len(positions):
            ids = rows.chunk.frame[rows.columns.face_id].iloc[positions]
            suspects.take(cells(ids), rows.start + positions)
    return suspects


def _clean_ids(
    rows: Rows, checked: Checked
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Return the face ids that passed every rule, and where they stand."""
    ids = cells(rows.chunk.frame[rows.columns.face_id])
    positions = np.arange(len(ids))
    if checked.problems:
        positions = np.delete(positions, list(checked.problems))
    return ids[positions], rows.start + positions


def duplicate_problem(layout: RowLayout, other: int, column: str) -> Problem:
    """Return the problem of a row whose face another row updates too."""
    source, row_number = layout.locate(other)
    said = f"{source} row {row_number} updates the same face"
    return Problem(DUPLICATE_RULE, column, said)
