"""Which failed rows a retry takes, and what its journal says about that."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from batch_updater.errors import UsageError
from batch_updater.files.outcome_index import indexed
from batch_updater.files.replay import Record, replay
from batch_updater.files.run_dir import RunDirectory
from batch_updater.frs.catalogue.gateway import GATEWAY
from batch_updater.manifest import RunKey, rows_with
from batch_updater.models import ErrorClass, Outcome, Result, RowLayout
from batch_updater.selection import Ordinals, Selection

_ROWS = 8192  # at once


class Wanted(StrEnum):
    """Which class of failed rows is asked for."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What the command line asks for.

    Args:
        codes: error codes, any of which will do; none means all.
        edited: the file that holds the rows, mended by hand, or empty.
    """

    wanted: Wanted = Wanted.ALL
    codes: tuple[str, ...] = ()
    edited: str = ""

    def takes(self, result: Result) -> bool:
        """Return whether a failed row is among those asked for."""
        transient = result.error_class is ErrorClass.TRANSIENT
        if self.wanted is not Wanted.ALL and transient != (
            self.wanted is Wanted.TRANSIENT
        ):
            return False
        return not self.codes or any(is_code(result.error_code, c) for c in self.codes)


def is_code(code: str, written: str) -> bool:
    """Return whether a code is the one somebody wrote: in any case, APIG or APIGW."""
    return bool(code) and _spelled(code) == _spelled(written)


def _spelled(code: str) -> str:
    prefix, dot, number = code.strip().upper().partition(".")
    prefix = GATEWAY.prefixes[0] if prefix in GATEWAY.prefixes else prefix
    return prefix + dot + number


@dataclass(frozen=True, slots=True)
class Retry:
    """
    A retry as its own journal and run.json tell of it.

    Args:
        parent: the directory of the run whose rows are sent again; absolute.
        parent_run: what that run is known by.
        root_run: what the run is known by that the whole family began with.
        origin: for each row of its inputs the position among the root's rows;
            None when it reads the root's own inputs.
        later: rows that did not fail and go along, because an earlier row of
            their face is sent again.
    """

    parent: str
    parent_run: RunKey | None
    root_run: RunKey | None
    asked: Asked = field(default_factory=Asked)
    origin: Ordinals | None = None
    later: Selection | None = None

    def facts(self) -> Mapping[str, Any]:
        """Return what the journal notes."""
        facts: dict[str, Any] = {"class": str(self.asked.wanted)}
        if self.asked.codes:
            facts["codes"] = list(self.asked.codes)
        if self.asked.edited:
            facts["from"] = self.asked.edited
        if self.origin is not None:
            facts["origin"] = write_runs(self.origin)
        if self.later is not None and self.later.any():
            facts["later"] = list(self.later.ranges())
        return facts


def write_runs(ordinals: Ordinals) -> list[list[int]]:
    """Return positions as [first, last] runs, in their own order."""
    if not len(ordinals):
        return []
    breaks = np.flatnonzero(np.diff(ordinals) != 1)
    firsts, lasts = np.r_[0, breaks + 1], np.r_[breaks, len(ordinals) - 1]
    pairs = zip(ordinals[firsts], ordinals[lasts], strict=True)
    return [[int(first), int(last)] for first, last in pairs]


def read_runs(runs: Sequence[Sequence[int]], total: int) -> Ordinals:
    """
    Return the positions that write_runs wrote.

    Raises:
        TypeError, ValueError: it did not write this, or not for so many rows.
    """
    pairs = np.array(runs, dtype=np.int64).reshape(-1, 2)
    if pairs.tolist() != [list(run) for run in runs] or (pairs < 0).any():
        raise ValueError("not what we write")
    lengths = pairs[:, 1] - pairs[:, 0] + 1
    if (lengths < 1).any() or lengths.sum() != total:
        raise ValueError("other rows")
    starts = pairs[:, 0] - np.r_[0, np.cumsum(lengths)[:-1]][: len(pairs)]
    ordinals: Ordinals = np.repeat(starts, lengths) + np.arange(total)
    if len(np.unique(ordinals)) != total:
        raise ValueError("a row twice")
    return ordinals


@dataclass(frozen=True, slots=True)
class Noted:
    """
    What a retry's journal says about its rows.

    Args:
        origin: for each row of its inputs the position among the root's rows.
        later: rows that did not fail and went along.
        mended: whether its rows came back from a file, with other values.
    """

    origin: Ordinals | None
    later: Selection
    mended: bool = False


def read_noted(directory: RunDirectory, total: int) -> Noted:
    """
    Return what a run's journal says about the rows that it sends again.

    Args:
        total: rows of its inputs.

    Raises:
        RunDirectoryError: the line is not one of ours.
    """
    for record in replay(directory.journal):
        if record.kind == "retry":
            return _noted(record, total)
        if record.kind == "result":
            break
    return Noted(None, Selection.none(total))


def _noted(record: Record, total: int) -> Noted:
    origin, later = record.facts.get("origin"), record.facts.get("later", [])
    try:
        if not all(0 <= first <= last < total for first, last in later):
            raise record.damage()
        return Noted(
            None if origin is None else read_runs(origin, total),
            Selection.of_ranges(later, total),
            mended="from" in record.facts,
        )
    except (TypeError, ValueError, OverflowError):
        raise record.damage() from None


def failed_rows(
    directory: RunDirectory, layout: RowLayout, asked: Asked | None = None
) -> Selection:
    """
    Return the failed rows of a run that are asked for.

    Raises:
        UsageError: a code is asked for that no failed row has.
    """
    asked = asked or Asked()
    rows = rows_with(directory, layout, frozenset({Outcome.FAILED}))
    if not rows.any() or (asked.wanted is Wanted.ALL and not asked.codes):
        return rows
    codes, taken = Counter[str](), Selection.none(len(rows))
    with indexed(directory.journal, layout) as index:
        for block in rows.blocks():
            for part in np.split(block, range(_ROWS, len(block), _ROWS)):
                results = list(index.results(part)[1])
                codes.update(result.error_code for result in results)
                taken.add(part[[asked.takes(result) for result in results]])
    _refuse_unknown(asked.codes, codes, directory)
    return taken


def _refuse_unknown(
    asked: Sequence[str], codes: Counter[str], directory: RunDirectory
) -> None:
    for written in asked:
        if not any(is_code(code, written) for code in codes):
            there = ", ".join(f"{code} ({n:,})" for code, n in codes.most_common())
            raise UsageError(
                f"--code {written}: no failed row of {directory.path} has this code",
                hint=f"The codes of its failed rows are {there}.",
            )


def root_positions(directory: RunDirectory, rows: Ordinals, total: int) -> Ordinals:
    """
    Return positions among a run's rows as positions among its root's rows.

    Args:
        total: rows of the run's inputs.
    """
    origin = read_noted(directory, total).origin
    return rows if origin is None else origin[rows]


def refuse_mixed(asked: Asked) -> None:
    """Raise UsageError when rows are chosen in two ways at once."""
    if asked.edited and (asked.codes or asked.wanted is not Wanted.ALL):
        raise UsageError(
            "--from says which rows are sent; --class and --code would choose again",
            hint="Delete the rows from the file that shall not be sent.",
        )
