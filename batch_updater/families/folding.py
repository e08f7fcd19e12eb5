"""A family of runs folded into one truth: for each row of the root, what came last."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from batch_updater.errors import RunDirectoryError
from batch_updater.families.family import Family, Member
from batch_updater.files.batch import Batch, Whole
from batch_updater.files.bulk import Lines, read_bulk
from batch_updater.files.line_reader import LineReader
from batch_updater.files.lines import parse_time
from batch_updater.files.pages import Entries, Pages
from batch_updater.files.replay import Record
from batch_updater.manifest import read_selection
from batch_updater.models import ErrorClass, Outcome, RowLayout
from batch_updater.report.summary import SummaryBuilder
from batch_updater.retries.choice import read_noted
from batch_updater.selection import Flags, Ordinals, Selection
from batch_updater.summaries import add_up

_NOTHING = np.iinfo(np.int64).min
_NOWHERE = -1
_LEFT = (Outcome.FAILED, Outcome.UNPROCESSED)
_ORDER = tuple(Outcome)
_UNPROCESSED = _ORDER.index(Outcome.UNPROCESSED)
_TOLD = ("source", "row_number", "outcome", "error_class", "ambiguous", "attempts")
_ROWS = 1 << 14  # at once

_ENTRY = np.dtype(
    [
        ("time", np.int64),  # when the row ended, in microseconds since the epoch
        ("offset", np.int64),  # where in the member's journal that stands
        ("member", np.int32),
        ("pending_in", np.int32),  # the last member that has yet to send the row
        ("outcome", np.int8),  # as a position in Outcome
        ("transient", np.bool_),  # whether another attempt is worth it
        ("ambiguous", np.bool_),  # whether any attempt may have been applied unseen
    ]
)
_BLANK = np.array(
    (_NOTHING, _NOWHERE, 0, _NOWHERE, _UNPROCESSED, False, False), dtype=_ENTRY
)


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Which rows of the root a member's rows are.

    Args:
        rows: their positions; None when it reads the root's own inputs.
    """

    rows: Ordinals | None

    def at(self, rows: Whole) -> Whole:
        """Return the positions among the root's rows."""
        return rows if self.rows is None else self.rows[rows]

    def back(self, rows: Whole) -> Whole:
        """Return the positions among the member's rows, of those that it has."""
        return rows if self.rows is None else np.flatnonzero(np.isin(self.rows, rows))


@dataclass(frozen=True, slots=True)
class Asked:
    """
    Which rows a member sends.

    Args:
        selected: those that it is about.
        later: those that go along for the sake of order.
    """

    selected: Selection
    later: Selection


class Account:
    """
    What one member says of its rows, by its own positions.

    Args:
        folder: where what is known of them lies, as Pages has it.
    """

    def __init__(self, layout: RowLayout, folder: Path, asked: Asked) -> None:
        self.total = layout.total
        self._layout = layout
        self._asked = asked
        self._entries = Pages(_BLANK, folder)
        self._began = 0

    def begin(self, moment: int) -> None:
        """Take the beginning of a session, in microseconds since the epoch."""
        self._began = moment

    def note(self, lines: Lines) -> None:
        """
        Take results; the last one of a row counts.

        That a row was not sent is no outcome, and leaves what was known of it.
        """
        names = pa.array(_ORDER, pa.string())
        outcomes = pc.index_in(lines.batch["outcome"], names).to_numpy()
        attempts = lines.batch.attempts()
        tried = attempts.counts > 0
        told = np.flatnonzero(tried | (outcomes != _UNPROCESSED))
        entries = np.full(len(lines), _BLANK)
        entries["time"] = self._began
        entries["time"][tried] = (attempts.started + attempts.latency)[attempts.last]
        entries["offset"] = lines.offsets
        entries["outcome"] = outcomes
        entries["transient"] = lines.batch.equal("error_class", ErrorClass.TRANSIENT)
        entries["ambiguous"] = lines.batch.flags("ambiguous")
        self._put(lines.ordinals(self._layout)[told], entries[told])

    def _put(self, rows: Whole, entries: Entries) -> None:
        for page, inside, which in self._entries.at(rows):
            ambiguous = page["ambiguous"][inside] | entries["ambiguous"][which]
            page[inside] = entries[which]
            page["ambiguous"][inside[ambiguous]] = True

    def blocks(self) -> Iterator[tuple[Whole, Entries, Flags]]:
        """Yield rows, what is known of them, and which of them are pending."""
        for first in range(0, self.total, _ROWS):
            stop = min(first + _ROWS, self.total)
            rows = np.arange(first, stop)
            entries = self._entries.read(rows)
            silent = entries["time"] == _NOTHING
            pending = silent & self._asked.selected.within(first, stop)
            pending |= ~silent & (entries["outcome"] == _UNPROCESSED)
            gone_along = self._asked.later.within(first, stop)
            entries["time"][silent & gone_along] = self._began
            yield rows, entries, pending

    def close(self) -> None:
        """Let go of the file."""
        self._entries.close()


class Fold:
    """
    The last outcome of every row of the root over a whole family.

    By time: when the last attempt ended or, of rows that were not sent, when the
    session began that says so. A row that goes along for the sake of order is
    unprocessed until it has gone. A row stays ambiguous once it was, as in a run's
    own results. What is known of the rows lies on disk, but for some pages.

    Args:
        total: rows of the root.
    """

    def __init__(self, family: Family, total: int) -> None:
        self.family = family
        self._total = total
        self._entries = Pages(_BLANK, family.root.directory.path)
        self._readers = [LineReader(m.directory.journal) for m in family.members]

    def close(self) -> None:
        """Let go of the files."""
        self._entries.close()
        for reader in self._readers:
            reader.close()

    def take(self, number: int, account: Account, origin: Origin) -> None:
        """
        Take what a member says.

        Args:
            number: which member it is.
        """
        for rows, told, pending in account.blocks():
            told["member"] = number
            for page, inside, which in self._entries.at(origin.at(rows)):
                new, known = told[which], page[inside]
                newer = (new["time"] > _NOTHING) & (new["time"] >= known["time"])
                new["pending_in"] = known["pending_in"]
                new["ambiguous"] |= known["ambiguous"]
                known["ambiguous"] = new["ambiguous"]
                known[newer] = new[newer]
                known["pending_in"][pending[which]] = number
                page[inside] = known

    def results(self, rows: Whole) -> tuple[Flags, Batch]:
        """Return which rows of the root have a result, and the last ones, in order."""
        entries = self._entries.read(rows)
        known = entries["offset"] >= 0
        entries = entries[known]
        parts, places = [Batch.of([])], [np.empty(0, dtype=np.int64)]
        for number in np.unique(entries["member"]).tolist():
            which = np.flatnonzero(entries["member"] == number)
            parts.append(self._readers[number].results(entries["offset"][which]))
            places.append(which)
        batch = Batch.joined(parts).take(np.argsort(np.concatenate(places)))
        return known, batch.ambiguous_where(entries["ambiguous"])

    def where(self, holds: Callable[[Entries], Flags]) -> Selection:
        """Return the rows of which something holds."""
        selection = Selection.none(self._total)
        for rows, entries in self._blocks():
            selection.add(rows[holds(entries)])
        return selection

    def last_in(self, *members: int) -> Selection:
        """Return the rows whose last outcome is one of these members' word."""
        return self.where(lambda entries: np.isin(entries["member"], members))

    def rows_with(self, *outcomes: Outcome) -> Selection:
        """Return the rows whose last outcome is one of these."""
        return self.where(lambda entries: _ended(entries, *outcomes))

    def count(self, outcome: Outcome) -> int:
        """Return how many rows ended so."""
        return self.rows_with(outcome).count()

    def to_resume(self) -> Member | None:
        """Return the first member that has yet to send rows which are not done."""
        numbers: set[int] = set()
        for _, entries in self._blocks():
            left = entries["pending_in"][_ended(entries, *_LEFT)]
            numbers |= set(left[left >= 0].tolist())
        return self.family.members[min(numbers)] if numbers else None

    def to_retry(self) -> Member | None:
        """Return the last member with failed rows that are worth another attempt."""
        numbers: set[int] = set()
        for _, entries in self._blocks():
            failed = _ended(entries, Outcome.FAILED) & entries["transient"]
            numbers |= set(entries["member"][failed].tolist())
        return self.family.members[max(numbers)] if numbers else None

    def _blocks(self) -> Iterator[tuple[Whole, Entries]]:
        for first in range(0, self._total, _ROWS):
            rows = np.arange(first, min(first + _ROWS, self._total))
            yield rows, self._entries.read(rows)


def _ended(entries: Entries, *outcomes: Outcome) -> Flags:
    return np.isin(entries["outcome"], [_ORDER.index(outcome) for outcome in outcomes])


@contextmanager
def folded(family: Family, builder: SummaryBuilder | None = None) -> Iterator[Fold]:
    """
    Fold a family whose members nobody else is writing.

    Args:
        builder: is given the attempts of all of them.

    Raises:
        RunDirectoryError: a journal is damaged, or a retry's rows are not the root's.
    """
    with ExitStack() as stack:
        fold = Fold(family, family.root.manifest.layout.total)
        stack.enter_context(closing(fold))
        for number, member in enumerate(family.members):
            with closing(_account_of(member)) as account:
                _read(member, account, builder)
                fold.take(number, account, origin_of(member, family.root))
        yield fold


def origin_of(member: Member, root: Member) -> Origin:
    """
    Return which rows of the root the rows of a member's inputs are.

    Raises:
        RunDirectoryError: the root has no such rows.
    """
    total, rows = root.manifest.layout.total, member.manifest.layout.total
    origin = read_noted(member.directory, rows).origin
    if origin is None and dict(member.manifest.rows) == dict(root.manifest.rows):
        return Origin(None)
    if origin is None or origin.max(initial=0) >= total:
        raise RunDirectoryError(
            f"{member.name} is a retry of rows that {root.name} does not have",
            hint="Put run.json and journal.jsonl of both back as they were.",
        )
    return Origin(origin)


def _account_of(member: Member) -> Account:
    directory, layout = member.directory, member.manifest.layout
    asked = Asked(
        selected=read_selection(directory, member.manifest),
        later=read_noted(directory, layout.total).later,
    )
    return Account(layout, directory.path, asked)


def _read(member: Member, account: Account, builder: SummaryBuilder | None) -> None:
    for told in read_bulk(member.directory.journal, _TOLD):
        if builder and (isinstance(told, Lines) or told.kind == "session"):
            add_up(told, builder)
        if isinstance(told, Lines):
            account.note(told)
        elif told.kind == "session":
            account.begin(round(time_of(told) * 1e6))


def time_of(record: Record) -> float:
    """Return when a note was made, in seconds since the epoch."""
    try:
        said: Any = record.facts["at"]
        return parse_time(said)
    except (KeyError, TypeError, ValueError):
        raise record.damage() from None
