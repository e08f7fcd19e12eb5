"""What a plan's rows come to; memory does not grow with them."""

from collections import Counter
from collections.abc import Iterable, Sequence

from batch_updater.models import PlanStatus
from batch_updater.planning.rows import PlanRow
from batch_updater.report.planned import CommonChange

UNKNOWN = "unknown"
"""Stands for where a row's face was seen when nobody knows what it holds."""

_MOST = 20_000  # different changes that are told apart
_KEPT = 5_000  # of them when there are more

_Key = tuple[str, str | None, str, bool]


class Commonest:
    """
    The commonest changes.

    Where there are more than some thousand different ones, those that were rare so
    far are forgotten: what is left is counted too low rather than too high.
    """

    def __init__(self, most: int = _MOST, kept: int = _KEPT) -> None:
        self._counts = Counter[_Key]()
        self._most, self._kept = most, kept
        self.exact = True

    def take(self, keys: Iterable[_Key]) -> None:
        """Count some changes: field, old, new, and whether the old value is known."""
        self._counts.update(keys)
        if len(self._counts) > self._most:
            self._counts = Counter(dict(self._counts.most_common(self._kept)))
            self.exact = False

    def first(self, count: int) -> tuple[CommonChange, ...]:
        """Return the commonest, most frequent first."""
        return tuple(
            CommonChange(field=field, old=old, new=new, known=known, rows=rows)
            for (field, old, new, known), rows in self._counts.most_common(count)
        )


class Counts:
    """Counts rows of a plan."""

    def __init__(self) -> None:
        self.statuses = Counter[PlanStatus]()
        self.fields = Counter[str]()
        self.seen_in = Counter[str]()
        self.commonest = Commonest()
        self.unread = 0

    @property
    def changes(self) -> int:
        """Rows that would change their faces."""
        return self.statuses[PlanStatus.CHANGE]

    @property
    def by_status(self) -> dict[str, int]:
        """Rows by status, all of them named."""
        return {str(status): self.statuses[status] for status in PlanStatus}

    def take(self, rows: Sequence[PlanRow]) -> None:
        """Count some rows."""
        changed = [row for row in rows if row.status is PlanStatus.CHANGE]
        self.statuses.update(row.status for row in rows)
        self.seen_in.update(row.seen_in for row in rows if row.seen_in)
        self.seen_in[UNKNOWN] += sum(row.seen_in is None for row in changed)
        self.unread += sum(row.before is None for row in changed)
        changes = [
            (each.field, each.old, each.new, row.seen_in is not None)
            for row in changed
            for each in row.changes or ()
        ]
        self.fields.update(field for field, _, _, _ in changes)
        self.commonest.take(changes)
