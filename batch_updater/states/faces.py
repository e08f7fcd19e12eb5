"""
What is believed of one face, from what is recorded of its rows; pure.

A face is known when nothing about it is open: no row of it may still be under way,
or may have been applied without anybody having been told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batch_updater.files.state_rows import DoubtRow, FaceRow
from batch_updater.mapping.columns import FIELD_PREFIX

LINGERING = 60.0
"""Seconds in which a request that nobody waits for any more may still be carried out."""

RowKey = tuple[int, str, int]
"""A row of a run: the run's number, the source, the row number."""


@dataclass(frozen=True, slots=True)
class Session:
    """
    A session whose lines are read.

    Args:
        number: they are counted as they begin.
        run: the number of the run's first session.
        mark: the latest session that has begun by now.
    """

    number: int
    run: int
    mark: int


@dataclass(frozen=True, slots=True)
class Written:
    """
    What a row is known to have left in its face.

    Args:
        fields: None when the values are not recorded.
        custom: whether custom fields are among what was sent.
        began: when it was first tried, in seconds since the epoch.
        ended: when it was answered.
        merges: whether fields that were not sent are taken to be left alone.
    """

    fields: Mapping[str, Any] | None
    custom: bool
    began: float
    ended: float
    merges: bool


@dataclass(slots=True)
class FaceState:
    """What is believed of a face while journals are read."""

    fields: Mapping[str, Any] | None = None
    at: int = 0
    run: int = 0
    mark: int = -1
    doubts: dict[RowKey, DoubtRow] = field(default_factory=dict)

    @classmethod
    def of(cls, row: FaceRow) -> "FaceState":
        """Return what was kept."""
        return cls(row.fields, row.at, row.run, row.mark)

    def row(self, face_id: str) -> FaceRow:
        """Return what is to be kept."""
        return FaceRow(face_id, self.fields, self.at, self.run, self.mark)

    def handed_out(self, face_id: str, key: RowKey, session: int) -> None:
        """Take note that a row may be sent from now on."""
        self.doubts[key] = DoubtRow(
            face_id, *key, session, until=None, mark=0, carried=key in self.doubts
        )

    def left_open(
        self, face_id: str, key: RowKey, session: Session, ended: float
    ) -> None:
        """Take note that a row may have been applied."""
        until, mark = ended + LINGERING, session.mark
        self.doubts[key] = DoubtRow(
            face_id, *key, session.number, until=until, mark=mark, carried=True
        )

    def not_applied(self, key: RowKey, session: Session, ended: float) -> None:
        """Take note that a row was not applied in this session; it may be in doubt yet."""
        doubt = self.doubts.pop(key, None)
        earlier = doubt and (doubt.carried or doubt.session != session.number)
        if doubt and earlier:
            self.left_open(doubt.face_id, key, session, ended)

    def gone(self, key: RowKey, session: Session, ended: float) -> None:
        """Take note that a face is not what anybody thought: nothing is known of it."""
        self.not_applied(key, session, ended)
        self._keep(None, session, max(self.at, ended))

    def written(self, key: RowKey, told: Written, session: Session) -> None:
        """
        Take what a row has left in the face.

        What was taken in before the row's session began is older. Of what other
        sessions did meanwhile, nobody knows the order: only what both say holds.
        """
        self.doubts.pop(key, None)
        sure = not self.doubts
        for other, doubt in list(self.doubts.items()):
            if _is_settled(doubt, told, session):
                del self.doubts[other]
        if self.mark < session.number or self.run == session.run:
            before = self.fields or {} if sure else {}
            self._keep(_after(before, told), session, told.ended)
            return
        agreed, latest = _agreed(self.fields, told.fields), max(self.at, told.ended)
        self._keep(agreed, session, latest)
        self.run = 0

    def _keep(
        self, fields: Mapping[str, Any] | None, session: Session, at: float
    ) -> None:
        self.fields, self.at = fields, int(at)
        self.run, self.mark = session.run, session.mark


def _is_settled(doubt: DoubtRow, told: Written, session: Session) -> bool:
    """
    Return whether a write came for sure after a row that may have been applied.

    Its session began once that row was known to be over; clocks, which people set,
    only say whether it was soon after.
    """
    if doubt.until is None:
        return False
    return doubt.mark < session.number and doubt.until <= told.began


def _after(before: Mapping[str, Any], told: Written) -> Mapping[str, Any] | None:
    """
    Return what a face holds after a write.

    Whether FRS keeps custom fields that an update does not name is not documented
    (section 1.3 of the facts): unless it is taken for granted, they are unknown then.
    """
    if told.fields is None:
        return None
    kept = {
        name: value
        for name, value in before.items()
        if told.merges or not (told.custom and name.startswith(FIELD_PREFIX))
    }
    return {**kept, **told.fields}


def _agreed(
    one: Mapping[str, Any] | None, other: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Return what a face holds whichever of two writes was the later one."""
    if one is None or other is None:
        return None
    both = {name: one[name] for name in one.keys() & other.keys()}
    return {n: v for n, v in both.items() if _alike(v, other[n])} or None


def _alike(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
