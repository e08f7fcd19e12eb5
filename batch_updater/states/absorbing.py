"""Taking a run's journal into a state: an offset and what it says, in one step."""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from batch_updater.errors import JournalFailed
from batch_updater.files.batch import Whole
from batch_updater.files.bulk import BulkReader, Lines, whole_lines
from batch_updater.files.replay import Record, open_journal
from batch_updater.files.state_rows import DoubtKey, SessionRow
from batch_updater.files.state_store import StateStore
from batch_updater.frs.codes import find_code
from batch_updater.mapping.comparison import held_in
from batch_updater.models import Outcome, Verdict
from batch_updater.states.faces import FaceState, RowKey, Session, Written

_AT_ONCE = 16  # MiB of a journal in one transaction
_COLUMNS = (
    *("source", "row_number", "face_id", "outcome", "error_code", "ambiguous"),
    *("payload", "attempts"),
)
_LEFT = frozenset({Outcome.UPDATED, Outcome.UNCHANGED})
_MISSING_IN_PLAN = "PLAN.MISSING"
_GONE = frozenset({Outcome.DRIFTED, Outcome.MISSING})


def absorb(
    store: StateStore,
    run: int,
    journal: Path,
    latest_at: Callable[[float], int] | None = None,
) -> None:
    """
    Take in what a run's journal holds beyond what was taken in before.

    A torn last line is passed over: it may be whole the next time. Others may take
    in the same journal meanwhile: each step goes on where the last one of all ended,
    since older lines, taken again, would stand over newer ones.

    Args:
        run: the number of the run's first session.
        latest_at: returns the latest session that had begun at a moment; None when
            that is not known, so that it may be any that has begun by now.

    Raises:
        RunDirectoryError: the journal cannot be read, or is damaged.
        StateError: the state cannot be written.
    """
    reader, place, some = BulkReader(journal, _COLUMNS), -1, True
    blocks: Iterator[tuple[bytes, int, int]] = iter(())
    with open_journal(journal) as file:
        while some:
            with store.transaction():
                sessions = store.sessions(run)
                if not sessions:
                    return  # forgotten meanwhile
                if place != sessions[-1].absorbed:
                    place = _go_to(sessions[-1], file)
                    blocks = whole_lines(file)
                some = False
                for data, offset, number in islice(blocks, _AT_ONCE):
                    told = reader.read(data, offset, number)
                    Page(store, sessions, latest_at).take(told)
                    place, some = offset + len(data), True
                if place != sessions[-1].absorbed:
                    store.advance(sessions[-1].number, place)


def _go_to(session: SessionRow, file: IO[bytes]) -> int:
    """
    Go to the first line that was not taken in; after a power loss, to the end.

    Returns:
        Up to where it has been taken in, in bytes: new lines will stand there where
        others were lost.
    """
    size = file.seek(0, os.SEEK_END)
    place = min(session.absorbed, size)
    file.seek(max(0, place - 1))
    if place:
        file.readline()  # no more than an end of line, unless others were lost
    return place


class Page:
    """Some lines of a journal, and the faces they are about."""

    def __init__(
        self,
        store: StateStore,
        sessions: Sequence[SessionRow],
        latest_at: Callable[[float], int] | None = None,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._starts = [session.start for session in sessions]
        latest = store.last_session()
        self._latest_at = latest_at or (lambda moment: latest)
        self._faces: dict[str, FaceState] = {}
        self._open: set[DoubtKey] = set()

    def take(self, told: Sequence[Record | Lines]) -> None:
        """Take the lines; inside a transaction."""
        self._load(sorted({*_faces_in(told)}))
        for some in told:
            if isinstance(some, Lines):
                self._take_results(some)
            elif some.kind == "sending":
                self._take_sending(some)
            elif some.kind == "end" and _is_drained(some):
                self._save()
                self._store.drop_unanswered(self._at(some.offset).number)
                self._load([*self._faces])
        self._save()

    def _load(self, ids: Sequence[str]) -> None:
        self._faces = {face_id: FaceState() for face_id in ids}
        for row in self._store.faces(ids):
            self._faces[row.face_id] = FaceState.of(row)
        for doubt in self._store.doubts(ids):
            key = (doubt.run, doubt.source, doubt.row_number)
            self._faces[doubt.face_id].doubts[key] = doubt
        self._open = self._keys()

    def _keys(self) -> set[DoubtKey]:
        return {(f, *key) for f, face in self._faces.items() for key in face.doubts}

    def _save(self) -> None:
        faces = self._faces
        self._store.put_faces(
            face.row(face_id) for face_id, face in faces.items() if face.mark >= 0
        )
        self._store.drop_doubts(self._open - self._keys())
        doubts = (d for face in faces.values() for d in face.doubts.values())
        self._store.put_doubts(doubts)
        self._open = self._keys()

    def _at(self, offset: int) -> SessionRow:
        return self._sessions[max(0, bisect_right(self._starts, offset) - 1)]

    def _take_sending(self, record: Record) -> None:
        session = self._at(record.offset)
        try:
            source = record.facts["source"]
            pairs = zip(record.facts["faces"], record.facts["rows"], strict=True)
            for face_id, row in pairs:
                key = (session.run, source, row)
                self._faces[face_id].handed_out(face_id, key, session.number)
        except (KeyError, TypeError, ValueError):
            raise record.damage() from None

    def _take_results(self, lines: Lines) -> None:
        row = self._at(int(lines.offsets[0]))
        for told in _results(lines):
            session = Session(row.number, row.run, self._latest_at(told["ended"]))
            self._take_result(told, session, merges=row.merges)

    def _take_result(
        self, told: Mapping[str, Any], session: Session, *, merges: bool
    ) -> None:
        face = self._faces.get(told["face_id"])
        if face is None:
            return  # a row without a face
        key: RowKey = (session.run, told["source"], told["row_number"])
        outcome, ended = told["outcome"], told["ended"]
        if told["ambiguous"]:
            face.left_open(told["face_id"], key, session, ended)
        elif outcome in _GONE or _tells_of_no_face(told["error_code"]):
            face.gone(key, session, ended)
        elif not told["tried"]:
            face.not_applied(key, session, ended)
        elif outcome in _LEFT and (told["payload"] or outcome == Outcome.UPDATED):
            face.written(key, _written(told, merges=merges), session)
        else:
            face.not_applied(key, session, ended)


def _faces_in(told: Sequence[Record | Lines]) -> Iterator[str]:
    for some in told:
        if isinstance(some, Lines):
            yield from filter(None, some.batch["face_id"].to_pylist())
        elif some.kind == "sending":
            try:
                yield from map(str, some.facts["faces"])
            except (KeyError, TypeError):
                raise some.damage() from None


def _results(lines: Lines) -> Iterator[Mapping[str, Any]]:
    batch = lines.batch
    attempts = batch.attempts()
    tried = attempts.counts > 0
    columns = {name: batch[name].to_pylist() for name in _COLUMNS[:-1]}
    columns["tried"] = tried.tolist()
    began = attempts.started[attempts.first]
    ended = (attempts.started + attempts.latency)[attempts.last]
    columns["began"] = _spread(began, tried)
    columns["ended"] = _spread(ended, tried)
    names = tuple(columns)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(names, values, strict=True))


def _spread(moments: Whole, tried: Any) -> list[float]:
    """Return moments in seconds, one for each row; 0 for those without."""
    seconds = np.zeros(len(tried))
    seconds[tried] = moments / 1e6
    return list(seconds.tolist())


def _written(told: Mapping[str, Any], *, merges: bool) -> Written:
    body = orjson.loads(told["payload"]) if told["payload"] else None
    return Written(
        fields=None if body is None else held_in(body),
        custom=body is None or "external_fields" in body,
        began=told["began"],
        ended=told["ended"],
        merges=merges,
    )


@lru_cache(maxsize=1024)
def _tells_of_no_face(code: str | None) -> bool:
    entry = find_code(code) if code else None
    settles = entry is not None and entry.verdict is Verdict.SETTLE
    return settles or code == _MISSING_IN_PLAN


def _is_drained(end: Record) -> bool:
    """Return whether all that was sent has its outcome on record."""
    stop = end.facts.get("stop")
    return not (isinstance(stop, dict) and stop.get("name") == JournalFailed.name)
