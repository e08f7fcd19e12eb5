"""
All rules over a chunk of rows at once.

Whole columns are passed by what is surely fine (a pattern, a range); only what
is left is judged value by value, by `rules`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from batch_updater.errors import InputError
from batch_updater.mapping.columns import BoundColumns, FieldTypes
from batch_updater.mapping.completeness import Given
from batch_updater.mapping.objects import parse_object, read_struct
from batch_updater.mapping.rules import (
    MAX_TEXT,
    NOTHING_TO_UPDATE,
    SOFT_RULES,
    Broken,
    Problem,
    count_problem,
    face_id_problem,
    fields_problems,
    image_id_problem,
    member_problem,
)
from batch_updater.models import FieldType

Mask = npt.NDArray[np.bool_]

# Sufficient, not necessary: what these match breaks no rule, hard or soft.
_SURELY_FINE = {
    FieldType.STRING: "[A-Za-z0-9_-]{1,256}",
    FieldType.INTEGER: "-?(0|[1-9][0-9]{0,8})",
    FieldType.LONG: "-?(0|[1-9][0-9]{0,17})",
    FieldType.FLOAT: r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?",
    FieldType.DOUBLE: r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?",
    FieldType.BOOLEAN: "true|false|True|False|TRUE|FALSE",
}
_SURE_FACE_ID = "[A-Za-z0-9]{8}"
_SURE_IMAGE_ID = "[A-Za-z0-9_-]{1,36}"


@dataclass(frozen=True, slots=True)
class Warned:
    """
    Values that break a soft rule.

    Args:
        position: of the first one in the chunk.
        problem: what it breaks.
        count: how many there are.
    """

    position: int
    problem: Problem
    count: int = 1


@dataclass(frozen=True, slots=True)
class Checked:
    """
    What the rules say about one chunk.

    Args:
        problems: by position in the chunk, why the row may not be sent.
        warnings: soft rules that were broken.
        objects: by position, the parsed ``external_fields`` cells.
    """

    problems: dict[int, list[Problem]] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    objects: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, position: int, problem: Problem, *, strict: bool) -> None:
        """File a problem where it belongs: soft ones warn unless strict."""
        if problem.rule in SOFT_RULES and not strict:
            self.warnings.append(Warned(position, problem))
        else:
            self.problems.setdefault(position, []).append(problem)


@dataclass(frozen=True, slots=True)
class Checker:
    """
    Checks chunks against FRS's rules; pure.

    Args:
        types: what each custom field must be.
        strict: whether soft rules refuse a row.
        complete: whether a row that leaves anything out is refused.
    """

    types: FieldTypes
    strict: bool = False
    complete: bool = False

    def check(self, frame: pd.DataFrame, columns: BoundColumns) -> Checked:
        """
        Return what the rules say about a frame.

        Args:
            frame: columns by position, Arrow-backed or of Python objects.
            columns: what each position is.

        Raises:
            InputError: an id column is not text, so ids may have lost zeros.
        """
        checked = Checked()
        self._check_face_ids(frame, columns, checked)
        given = self._check_image_ids(frame, columns, checked)
        counts = np.zeros(len(frame), dtype=np.int64)
        fields = Given(given)
        for bound in columns.fields:
            present = self._check_field(
                frame, bound.index, bound.name, columns, checked
            )
            counts += present
            fields.take(bound.name, present)
        if columns.external_fields is not None:
            self._check_objects(frame, columns, checked, counts)
        if not columns.ids_only:
            _check_counts(checked, given, counts, columns)
        if self.complete:
            for position, problem in fields.left_out(self.types, checked.objects):
                checked.add(position, problem, strict=self.strict)
        return checked

    def _check_face_ids(
        self, frame: pd.DataFrame, columns: BoundColumns, checked: Checked
    ) -> None:
        name = columns.header[columns.face_id]
        series = _id_column(frame[columns.face_id], name)
        left = ~_matches(series, _SURE_FACE_ID)
        odd = _of_length(series, left, None)  # but an id as any other
        left &= ~self._warn(checked, series, odd, name, face_id_problem)
        for position, value in _left(series, left):
            self._file(checked, position, name, face_id_problem(value))

    def _check_image_ids(
        self, frame: pd.DataFrame, columns: BoundColumns, checked: Checked
    ) -> Mask:
        if columns.external_image_id is None:
            return np.zeros(len(frame), dtype=np.bool_)
        name = columns.header[columns.external_image_id]
        series = _id_column(frame[columns.external_image_id], name)
        given = ~missing(series)
        for position, value in _left(series, given & ~_matches(series, _SURE_IMAGE_ID)):
            self._file(checked, position, name, image_id_problem(value))
        return given

    def _check_field(
        self,
        frame: pd.DataFrame,
        index: int,
        name: str,
        columns: BoundColumns,
        checked: Checked,
    ) -> Mask:
        series, kind = frame[index], self.types.types.get(name)
        given = ~missing(series)
        # JSON Lines may bring a column after the types were settled.
        fine = _surely_fine(series, kind) & self.types.allows(name)
        left = given & ~fine

        def judge(value: object) -> Broken | None:
            broken = member_problem(name, value, self.types)
            # Of an unknown type: it may be a number, whose characters are fine.
            known = self.types.knows(name) or not broken or broken[0] not in SOFT_RULES
            return broken if known else None

        if kind in {None, FieldType.STRING} and self.types.allows(name):
            odd = _of_length(series, left, MAX_TEXT)
            left &= ~self._warn(checked, series, odd, columns.header[index], judge)
        for position, value in _left(series, left):
            self._file(checked, position, columns.header[index], judge(value))
        return given

    def _warn(
        self,
        checked: Checked,
        series: "pd.Series[Any]",
        odd: Mask,
        column: str,
        judge: Callable[[object], Broken | None],
    ) -> Mask:
        """
        Count values that are odd in one way, which the first of them shows.

        Returns:
            Which values are done with: none when soft rules refuse rows.
        """
        if self.strict or not odd.any():
            return np.zeros(len(odd), dtype=np.bool_)
        first = int(odd.argmax())
        if broken := judge(series.iloc[first]):
            problem = Problem(broken[0], column, broken[1])
            checked.warnings.append(Warned(first, problem, int(odd.sum())))
        return odd

    def _check_objects(
        self,
        frame: pd.DataFrame,
        columns: BoundColumns,
        checked: Checked,
        counts: npt.NDArray[np.int64],
    ) -> None:
        index = columns.external_fields
        assert index is not None  # noqa: S101  (the caller asked)
        name, series = columns.header[index], frame[index]
        struct = series.dtype != object and not _is_text(series)
        for position, cell in _left(series, ~missing(series)):
            parsed = read_struct(cell) if struct else parse_object(cell)
            if isinstance(parsed, tuple):
                self._file(checked, position, name, parsed)
                continue
            checked.objects[position] = parsed
            counts[position] += len(parsed)
            for problem in fields_problems(parsed, self.types, name):
                checked.add(position, problem, strict=self.strict)
            self._check_overlap(frame, columns, position, checked)

    def _check_overlap(
        self,
        frame: pd.DataFrame,
        columns: BoundColumns,
        position: int,
        checked: Checked,
    ) -> None:
        for bound in columns.fields:
            if bound.name not in checked.objects[position]:
                continue
            if not is_missing(frame[bound.index].iloc[position]):
                said = f"{bound.name!r} is also in the column external_fields"
                self._file(checked, position, bound.column, ("field_given_twice", said))

    def _file(
        self, checked: Checked, position: int, column: str, broken: Broken | None
    ) -> None:
        if broken:
            problem = Problem(broken[0], column, broken[1])
            checked.add(position, problem, strict=self.strict)


def _check_counts(
    checked: Checked, given: Mask, counts: npt.NDArray[np.int64], columns: BoundColumns
) -> None:
    for position in np.flatnonzero(~given & (counts == 0)).tolist():
        if position not in checked.problems:
            problem = Problem("nothing_to_update", "", NOTHING_TO_UPDATE)
            checked.problems[position] = [problem]
    name = "external_fields"
    if columns.external_fields is None and columns.fields:
        name = columns.fields[-1].column
    for position in np.flatnonzero(counts > 10).tolist():
        problem_ = count_problem(int(counts[position]), name)
        if problem_:
            checked.problems.setdefault(position, []).append(problem_)


def missing(series: "pd.Series[Any]") -> Mask:
    """Return where a cell is empty or null: "leave this value alone"."""
    mask = series.isna()
    if _is_text(series) or series.dtype == object:
        mask = mask | (series == "")
    return mask.to_numpy(dtype=np.bool_, na_value=True)


def cells(series: "pd.Series[Any]") -> npt.NDArray[Any]:
    """Return a column as Python values, None where it is to be left alone."""
    if _is_nested(series):
        # to_numpy turns the integers in a struct to floats when one is null.
        nested = pa.array(series).to_pylist()
        return np.array([*nested, None], dtype=object)[:-1]
    values: npt.NDArray[Any] = series.to_numpy(dtype=object, copy=True)
    values[missing(series)] = None
    return values


def _is_nested(series: "pd.Series[Any]") -> bool:
    dtype = series.dtype
    return isinstance(dtype, pd.ArrowDtype) and pa.types.is_nested(dtype.pyarrow_dtype)


def is_missing(value: object) -> bool:
    """Return whether one cell means "leave this value alone"."""
    return value is None or value is pd.NA or value == ""


def _surely_fine(series: "pd.Series[Any]", kind: FieldType | None) -> Mask:
    if _is_text(series):
        return _matches(series, _SURELY_FINE[kind or FieldType.STRING])
    dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype):
        arrow = dtype.pyarrow_dtype
        if pa.types.is_integer(arrow):
            return _integers_fine(series, kind, unsigned=arrow == pa.uint64())
        if pa.types.is_boolean(arrow) and kind in {None, FieldType.BOOLEAN}:
            return np.ones(len(series), dtype=np.bool_)
        if pa.types.is_floating(arrow) and kind in {None, FieldType.DOUBLE}:
            values = series.to_numpy(dtype=np.float64, na_value=np.nan)
            return np.asarray(np.isfinite(values))
    return np.zeros(len(series), dtype=np.bool_)


def _integers_fine(
    series: "pd.Series[Any]", kind: FieldType | None, *, unsigned: bool
) -> Mask:
    if kind is FieldType.BOOLEAN:
        return np.zeros(len(series), dtype=np.bool_)
    half = 2**31 if kind is FieldType.INTEGER else 2**63
    if unsigned:
        half = min(half, 2**53)  # Arrow compares unsigned with signed as doubles
    inside = series.between(-half, half - 1)
    return inside.to_numpy(dtype=np.bool_, na_value=False)


def _matches(series: "pd.Series[Any]", pattern: str) -> Mask:
    if not _is_text(series):
        return np.zeros(len(series), dtype=np.bool_)
    matched = series.str.fullmatch(f"(?:{pattern})")  # pandas 2 adds ^ and $ only
    return matched.to_numpy(dtype=np.bool_, na_value=False)


def _of_length(series: "pd.Series[Any]", mask: Mask, most: int | None) -> Mask:
    """Return where a masked cell is text of one character at least, and at most so many."""
    if not mask.any() or not _is_text(series):
        return np.zeros(len(series), dtype=np.bool_)
    lengths = series.str.len().to_numpy(dtype=np.int64, na_value=0)
    return mask & (lengths > 0) & (lengths <= (most or lengths.max(initial=0)))


def _left(series: "pd.Series[Any]", mask: Mask) -> Iterator[tuple[int, Any]]:
    """Yield position and value wherever the mask is set."""
    positions = np.flatnonzero(mask)
    if len(positions):
        yield from zip(positions.tolist(), cells(series.iloc[positions]), strict=True)


def _is_text(series: "pd.Series[Any]") -> bool:
    dtype = series.dtype
    return isinstance(dtype, pd.ArrowDtype) and pa.types.is_string(dtype.pyarrow_dtype)


def _id_column(series: "pd.Series[Any]", name: str) -> "pd.Series[Any]":
    if _is_text(series) or series.dtype == object:
        return series
    if isinstance(series.dtype, pd.ArrowDtype) and series.isna().all():
        return series.astype(pd.ArrowDtype(pa.string()))
    raise InputError(
        f"column {name!r} holds {series.dtype}, not text",
        hint="Ids are text: as numbers they may have lost leading zeros. "
        "Write the column as strings.",
    )
