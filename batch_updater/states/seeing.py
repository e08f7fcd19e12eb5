"""What FRS says is taken into a state: of the face set, and of faces that were read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from batch_updater.files.state_rows import FORGOTTEN, DoubtRow, FaceRow
from batch_updater.files.state_store import StateStore
from batch_updater.mapping.columns import FIELD_PREFIX
from batch_updater.models import FieldType
from batch_updater.states.faces import LINGERING
from batch_updater.states.places import DECLARED

_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class SeenFace:
    """
    What a face was seen to hold.

    Args:
        fields: by the names of mapping/comparison; None when there is no such face,
            or it is not what anybody thought.
        at: when FRS was asked, in seconds since the epoch.
    """

    fields: Mapping[str, Any] | None
    at: float


_SINCE = "since"


def renew(
    store: StateStore,
    declared: Mapping[str, FieldType],
    face_set_id: str,
    moment: float,
) -> None:
    """
    Begin a state anew if it is forgotten, and forget what the face set, as it is now,
    cannot hold; inside a transaction.

    Args:
        declared: types of its custom fields.
        face_set_id: what tells it from an earlier one of the same name; empty when
            FRS did not say.
        moment: now, in seconds since the epoch.
    """
    if store.noted(FORGOTTEN) or not store.noted(DECLARED):
        store.note(_SINCE, str(moment))
    before = store.noted("face_set_id")
    is_another = bool(before and face_set_id and before != face_set_id)
    # Who wrote while it was forgotten has told nobody.
    if is_another or store.noted(FORGOTTEN):
        store.forget_values()
    store.note(FORGOTTEN, "")
    store.note("face_set_id", face_set_id or before)
    said = orjson.loads(store.noted(DECLARED) or "{}")
    now = {name: str(kind) for name, kind in declared.items()}
    changed = [name for name, kind in said.items() if now.get(name) != kind]
    store.forget_fields(f"{FIELD_PREFIX}{name}" for name in changed)
    store.note(DECLARED, orjson.dumps(now).decode())


def take_seen(store: StateStore, seen: Mapping[str, SeenFace]) -> None:
    """
    Take in what faces were seen to hold, where nothing newer is known.

    What was seen before the state was begun is passed over: who has written since
    may have told nobody.

    A face of which anything is open stays so, but for what can no longer be carried
    out when the face is asked for. One that was written within a minute
    before may have been seen as it was before that, so what it holds is passed over;
    that nothing is known of it can be said at any time. Of a run
    that goes on meanwhile nobody knows the order: no run is named as the writer, so
    that of both only what they agree on holds.
    """
    ids = sorted(seen)
    with store.transaction():
        mark, since = store.last_session(), float(store.noted(_SINCE) or 0)
        written = {row.face_id: row.at for row in store.faces(ids)}
        doubts = list(store.doubts(ids))
        doubtful = {d.face_id for d in doubts if not _is_over(d, seen[d.face_id].at)}
        news = {
            face_id: each
            for face_id, each in sorted(seen.items())
            if face_id not in doubtful
            and _is_news(each, max(since, written.get(face_id, -1) + LINGERING))
        }
        store.put_faces(
            FaceRow(face_id, _plain(each.fields), at, 0, mark)
            for face_id, each in news.items()
            for at in [max(int(each.at), written.get(face_id, 0))]
        )
        store.drop_doubts(
            (d.face_id, d.run, d.source, d.row_number)
            for d in doubts
            if d.face_id in news
        )


def _is_over(doubt: DoubtRow, at: float) -> bool:
    """Return whether a row that is in doubt could not be applied any more by then."""
    return doubt.until is not None and doubt.until <= at


def _is_news(seen: SeenFace, after: float) -> bool:
    return seen.fields is None or after < seen.at


def _plain(fields: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Leave out what no row could want, and what a state cannot keep."""
    if fields is None:
        return None
    return {name: value for name, value in fields.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if not isinstance(value, _PLAIN):
        return False
    try:
        orjson.dumps(value)
    except TypeError:  # half of a pair of surrogates, or more digits than 64 bits have
        return False
    return True
