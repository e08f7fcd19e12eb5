"""A family of runs folded into one truth: for each row of the root, what came last."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from batch_updater.errors import RunDirectoryError
from batch_updater.families.family import Family, Member
from batch_updater.files.lines import parse_time
from batch_updater.files.replay import Record, open_journal, replay, result_at
from batch_updater.manifest import read_selection
from batch_updater.models import ErrorClass, Outcome, Result
from batch_updater.report.summary import SummaryBuilder
from batch_updater.retries.choice import read_noted
from batch_updater.selection import Flags, Ordinals

_NOTHING = -math.inf
_NOWHERE = -1
_LEFT = (Outcome.FAILED, Outcome.UNPROCESSED)
_NUMBERS = {outcome: number for number, outcome in enumerate(Outcome)}


@dataclass(frozen=True, slots=True)
class Account:
    """
    What one member says of its rows, by its own positions.

    Args:
        times: when each row ended, in seconds since the epoch; minus infinity for
            rows of which it says nothing.
        offsets: where in its journal that stands, in bytes; -1 where it does not.
        outcomes: how, as positions in Outcome.
        transient: whether another attempt is worth it.
        ambiguous: whether any attempt may have been applied unseen.
        pending: rows that it is about and that have no final outcome in it.
    """

    times: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int64]
    outcomes: npt.NDArray[np.int8]
    transient: Flags
    ambiguous: Flags
    pending: Flags

    def note(self, record: Record, result: Result, began: float, place: int) -> None:
        """
        Take a result; the last one of a row counts.

        That a row was not sent is no outcome, and leaves what was known of it.
        """
        if result.outcome is Outcome.UNPROCESSED and not result.attempts:
            return
        self.offsets[place] = record.offset
        self.ambiguous[place] |= result.ambiguous
        self.times[place] = result.finished_at or began
        self.outcomes[place] = _NUMBERS[result.outcome]
        self.transient[place] = result.error_class is ErrorClass.TRANSIENT
        self.pending[place] = result.outcome is Outcome.UNPROCESSED


class Fold:
    """
    The last outcome of every row of the root over a whole family.

    By time: when the last attempt ended or, of rows that were not sent, when the
    session began that says so. A row that goes along for the sake of order is
    unprocessed until it has gone. Keeps 27 bytes a row of the root. A row stays
    ambiguous once it was, as in a run's own results.

    Args:
        total: rows of the root.
    """

    def __init__(self, family: Family, total: int, files: list[IO[bytes]]) -> None:
        self.family = family
        self.member = np.zeros(total, dtype=np.int32)
        self._files = files
        self._times = np.full(total, _NOTHING)
        self._outcomes = np.full(total, _NUMBERS[Outcome.UNPROCESSED], dtype=np.int8)
        self._transient = np.zeros(total, dtype=np.bool_)
        self._ambiguous = np.zeros(total, dtype=np.bool_)
        self._pending_in = np.full(total, _NOWHERE, dtype=np.int32)
        self._offsets = np.full(total, _NOWHERE, dtype=np.int64)

    def take(self, number: int, account: Account, origin: Ordinals) -> None:
        """
        Take what a member says.

        Args:
            number: which member it is.
            origin: for each of its rows the position among the root's.
        """
        self._pending_in[origin[account.pending]] = number
        self._ambiguous[origin] |= account.ambiguous
        known = account.times > _NOTHING
        newer = np.flatnonzero(known & (account.times >= self._times[origin]))
        rows = origin[newer]
        self._times[rows] = account.times[newer]
        self._outcomes[rows] = account.outcomes[newer]
        self._transient[rows] = account.transient[newer]
        self._offsets[rows] = account.offsets[newer]
        self.member[rows] = number

    def result(self, ordinal: int) -> Result | None:
        """Return the last result of a row of the root, or None when it has none."""
        offset = int(self._offsets[ordinal])
        if offset < 0:
            return None
        result = result_at(self._files[int(self.member[ordinal])], offset)
        source, row_number = self.family.root.manifest.layout.locate(ordinal)
        ambiguous = bool(self._ambiguous[ordinal])
        return replace(
            result, source=source, row_number=row_number, ambiguous=ambiguous
        )

    def rows_with(self, *outcomes: Outcome) -> Flags:
        """Return the rows whose last outcome is one of these."""
        return np.isin(self._outcomes, [_NUMBERS[outcome] for outcome in outcomes])

    def count(self, outcome: Outcome) -> int:
        """Return how many rows ended so."""
        return int(self.rows_with(outcome).sum())

    def to_resume(self) -> Member | None:
        """Return the first member that has yet to send rows which are not done."""
        numbers = self._pending_in[self.rows_with(*_LEFT)]
        numbers = numbers[numbers >= 0]
        return self.family.members[int(numbers.min())] if len(numbers) else None

    def to_retry(self) -> Member | None:
        """Return the last member with failed rows that are worth another attempt."""
        numbers = self.member[self.rows_with(Outcome.FAILED) & self._transient]
        return self.family.members[int(numbers.max())] if len(numbers) else None


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
        files = [
            stack.enter_context(open_journal(member.directory.journal))
            for member in family.members
        ]
        fold = Fold(family, family.root.manifest.layout.total, files)
        for number, member in enumerate(family.members):
            account = _read(member, builder)
            fold.take(number, account, origin_of(member, family.root))
        yield fold


def origin_of(member: Member, root: Member) -> Ordinals:
    """
    Return for each row of a member's inputs the position among the root's rows.

    Raises:
        RunDirectoryError: the root has no such rows.
    """
    total, rows = root.manifest.layout.total, member.manifest.layout.total
    origin = read_noted(member.directory, rows).origin
    if origin is None and dict(member.manifest.rows) == dict(root.manifest.rows):
        return np.arange(total)
    if origin is None or origin.max(initial=0) >= total:
        raise RunDirectoryError(
            f"{member.name} is a retry of rows that {root.name} does not have",
            hint="Put run.json and journal.jsonl of both back as they were.",
        )
    return origin


def _read(member: Member, builder: SummaryBuilder | None) -> Account:
    layout = member.manifest.layout
    selected = read_selection(member.directory, member.manifest)
    account = Account(
        times=np.full(layout.total, _NOTHING),
        offsets=np.full(layout.total, _NOWHERE, dtype=np.int64),
        outcomes=np.full(layout.total, _NUMBERS[Outcome.UNPROCESSED], dtype=np.int8),
        transient=np.zeros(layout.total, dtype=np.bool_),
        ambiguous=np.zeros(layout.total, dtype=np.bool_),
        pending=selected.within(0, layout.total),
    )
    began = 0.0
    for record in replay(member.directory.journal):
        if record.kind == "session":
            began = time_of(record)
            if builder:
                builder.new_session()
        elif record.kind == "result":
            result = record.result()
            if builder:
                builder.add_attempts(result)
            account.note(record, result, began, record.ordinal(layout))
    later = read_noted(member.directory, layout.total).later
    gone_along = later.within(0, layout.total)
    account.times[gone_along & (account.times == _NOTHING)] = began
    return account


def time_of(record: Record) -> float:
    """Return when a note was made, in seconds since the epoch."""
    try:
        said: Any = record.facts["at"]
        return parse_time(said)
    except (KeyError, TypeError, ValueError):
        raise record.damage() from None
