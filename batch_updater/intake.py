"""Where rows come in: every input, chunk by chunk, checked, then made into tasks."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from batch_updater.errors import InputError
from batch_updater.files.inputs import Input
from batch_updater.files.source import (
    Chunk,
    ReadOptions,
    delimiter_hint,
    read,
    read_header,
)
from batch_updater.mapping.checks import Checked, Checker, cells
from batch_updater.mapping.columns import (
    BoundColumns,
    BoundField,
    ColumnMapping,
    FieldTypes,
    bind,
    resolve_types,
)
from batch_updater.mapping.duplicates import (
    NO_REFUSALS,
    Hashes,
    Refused,
    Suspects,
    hash_ids,
    repeated,
)
from batch_updater.mapping.rules import Problem
from batch_updater.mapping.tasks import DUPLICATE_RULE, TaskMaker, refuse
from batch_updater.models import FieldType, OnDuplicate, Result, RowLayout, Task

Selection = npt.NDArray[np.bool_]
"""One flag for each row of all inputs: whether this run is about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """
    The rows of a run: which files, and how they are read and mapped.

    Args:
        limit: read no more than this many rows of all inputs together.
        strict: whether soft rules refuse a row.
    """

    inputs: Sequence[Input]
    options: ReadOptions
    mapping: ColumnMapping
    face_set_name: str
    strict: bool = False
    limit: int | None = None

    def settle_types(self, declared: dict[str, FieldType] | None) -> FieldTypes:
        """
        Return the type of every custom field of all inputs.

        Args:
            declared: what the face set declares, or None when nobody asked it.

        Raises:
            InputError: a mapped column is missing, or two inputs disagree.
            UsageError: a column feeds a field that the face set does not have.
        """
        bound: list[BoundField] = []
        own: dict[str, FieldType] = {}
        for source in self.inputs:
            header = read_header(source, self.options)
            columns = self._bind_first(header.names, source.name)
            bound += columns.fields
            for column in columns.fields:
                kind = header.types[column.index]
                if kind is not None and own.setdefault(column.name, kind) != kind:
                    own[column.name] = _widest(own[column.name], kind)
        return resolve_types(bound, self.mapping.fields, declared, own)

    def _bind_first(self, names: tuple[str, ...], source: str) -> BoundColumns:
        try:
            return bind(names, self.mapping, source)
        except InputError as error:
            hint = delimiter_hint(names) or error.hint
            raise InputError(error.message, hint=hint) from None

    def rows(self, *, verify: bool = False) -> Iterator["Rows"]:
        """Yield chunks with their columns bound, up to the limit."""
        start = 0
        for source in self.inputs:
            columns: BoundColumns | None = None
            for chunk in read(source, self.options, verify=verify):
                # JSON Lines bring new columns as they come.
                if columns is None or columns.header != chunk.header:
                    columns = bind(chunk.header, self.mapping, source.name)
                rows = Rows(chunk, columns, start)
                if self.limit is not None and start + len(rows) >= self.limit:
                    if self.limit > start:
                        yield rows.head(self.limit - start)
                    return
                yield rows
                start += len(rows)


def _widest(a: FieldType, b: FieldType) -> FieldType:
    # Files of one table often differ in width only: 32-bit here, 64-bit there.
    for narrow, wide in (
        ({FieldType.INTEGER, FieldType.LONG}, FieldType.LONG),
        ({FieldType.FLOAT, FieldType.DOUBLE}, FieldType.DOUBLE),
    ):
        if {a, b} <= narrow:
            return wide
    return FieldType.STRING


@dataclass(frozen=True, slots=True)
class Rows:
    """A chunk, its columns, and the position of its first row among all rows."""

    chunk: Chunk
    columns: BoundColumns
    start: int

    def __len__(self) -> int:
        return len(self.chunk.frame)

    @property
    def stop(self) -> int:
        """Position among all rows after the last one."""
        return self.start + len(self)

    def head(self, count: int) -> "Rows":
        """Return the first `count` rows."""
        frame = self.chunk.frame.iloc[:count]
        chunk = Chunk(self.chunk.source, self.chunk.first_row, self.chunk.header, frame)
        return Rows(chunk, self.columns, self.start)


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
        repeated: hashes of the face ids that stand more than once.
    """

    rows: dict[str, int] = field(default_factory=dict)
    header: tuple[str, ...] = ()
    rules: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    warning_examples: dict[str, tuple[str, int, Problem]] = field(default_factory=dict)
    examples: list[tuple[str, int, list[Problem]]] = field(default_factory=list)
    invalid: int = 0
    refused: Refused = NO_REFUSALS
    repeated: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))

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
        return len(self.refused.ordinals)

    @property
    def clean(self) -> int:
        """Rows that may be sent."""
        return self.total - self.invalid - self.duplicates

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON carries them."""
        return {
            "read": self.total,
            "clean": self.clean,
            "invalid": self.invalid,
            "duplicate": self.duplicates,
            "rules": dict(self.rules),
            "warnings": dict(self.warnings),
        }

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
        for position, problem in checked.warnings:
            self.warnings[problem.rule] += 1
            example = (source, first + position, problem)
            self.warning_examples.setdefault(problem.rule, example)

    def take_refusals(self, refused: Refused) -> None:
        """Add the rows that are refused because of another one."""
        self.refused = refused
        if not len(refused.ordinals):
            return
        self.rules[DUPLICATE_RULE] += len(refused.ordinals)
        layout = self.layout
        room = max(0, self._EXAMPLES - len(self.examples))
        pairs = zip(refused.ordinals[:room], refused.because[:room], strict=True)
        for ordinal, other in pairs:
            source, row_number = layout.locate(int(ordinal))
            problem = duplicate_problem(layout, int(other), "")
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
        InputError: an input cannot be read to its end, or holds no rows.
    """
    found, checker = Survey(), Checker(types, intake.strict)
    for source in intake.inputs:
        found.rows[source.name] = 0
    parts: list[Hashes] = []
    for rows in intake.rows(verify=True):
        if stopped():
            return found
        checked = checker.check(rows.chunk.frame, rows.columns)
        found.take(rows, checked)
        parts.append(hash_ids(_clean_ids(rows, checked)[0]))
    if not found.total:
        names = ", ".join(source.name for source in intake.inputs)
        raise InputError(f"{names}: there are no rows")
    found.repeated = repeated(parts)
    if len(found.repeated):
        found.take_refusals(_settle_duplicates(intake, checker, found, policy))
    return found


def _settle_duplicates(
    intake: Intake, checker: Checker, found: Survey, policy: OnDuplicate
) -> Refused:
    suspects = Suspects(found.repeated)
    for rows in intake.rows():
        checked = checker.check(rows.chunk.frame, rows.columns)
        ids, positions = _clean_ids(rows, checked)
        suspects.add(ids, rows.start + positions)
    return suspects.settle(policy)


def _clean_ids(
    rows: Rows, checked: Checked
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Return the face ids that passed every rule, and their positions."""
    ids = cells(rows.chunk.frame[rows.columns.face_id])
    positions = np.arange(len(ids))
    if checked.problems:
        positions = np.delete(positions, list(checked.problems))
    return ids[positions], positions


def duplicate_problem(layout: RowLayout, other: int, column: str) -> Problem:
    """Return the problem of a row whose face another row updates too."""
    source, row_number = layout.locate(other)
    said = f"{source} row {row_number} updates the same face"
    return Problem(DUPLICATE_RULE, column, said)


def examine(
    intake: Intake, types: FieldTypes, found: Survey
) -> Iterator[tuple[Rows, Checked]]:
    """
    Yield every chunk with all its problems, duplicates included.

    Args:
        found: what the survey of the same inputs returned.
    """
    checker, layout = Checker(types, intake.strict), found.layout
    for rows in intake.rows():
        checked = checker.check(rows.chunk.frame, rows.columns)
        _refuse_duplicates(rows, checked, found.refused, layout)
        yield rows, checked


def make_items(
    intake: Intake, types: FieldTypes, found: Survey, pending: Selection
) -> Iterator[list[Task | Result]]:
    """
    Yield the pending rows in input order: tasks, and results of refused rows.

    Args:
        found: what the survey of the same inputs returned.
        pending: which rows this run is about.

    Raises:
        InputError: an input is no longer what the survey saw.
    """
    for rows, checked in examine(intake, types, found):
        if rows.stop > len(pending):
            raise InputError(f"{rows.chunk.source} has grown while it was being sent")
        wanted = np.flatnonzero(pending[rows.start : rows.stop]).tolist()
        if wanted:
            yield list(_items_of(intake, types, rows, checked, wanted))


def _refuse_duplicates(
    rows: Rows, checked: Checked, refused: Refused, layout: RowLayout
) -> None:
    column = rows.chunk.header[rows.columns.face_id]
    for ordinal, other in refused.within(rows.start, rows.stop).items():
        problem = duplicate_problem(layout, other, column)
        checked.problems[ordinal - rows.start] = [problem]


def _items_of(
    intake: Intake,
    types: FieldTypes,
    rows: Rows,
    checked: Checked,
    wanted: list[int],
) -> Iterator[Task | Result]:
    chunk = rows.chunk
    maker = TaskMaker(intake.face_set_name, chunk.source, rows.columns, types)
    clean = [position for position in wanted if position not in checked.problems]
    tasks = maker.make(chunk.frame, checked, clean, chunk.first_row)
    ids = chunk.frame[rows.columns.face_id]
    for position in wanted:
        problems = checked.problems.get(position)
        if problems is None:
            yield next(tasks)
        else:
            yield refuse(
                problems,
                ids.iloc[position],
                intake.face_set_name,
                chunk.source,
                chunk.first_row + position,
            )
