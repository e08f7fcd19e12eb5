"""
What was just written to faces that come again.

Whether a read shows an update at once is not known (section 3.4 of the facts: faces that
were just added have been seen to take two seconds). To a later row of the same face an
old picture would look like somebody else's change, or like nothing left to do.
"""

from collections.abc import Callable, Mapping
from typing import Any

from batch_updater.delivery.clock import loop_time
from batch_updater.models import FaceUpdate, Task

_LONGEST_LAG = 10.0  # seconds; five times what has been seen


class Written:
    """
    Remembers updates for as long as a read may not show them.

    Args:
        repeats: whether a task's face may come again; None when no face does.
        now: seconds on a clock that does not go back.
    """

    def __init__(
        self,
        repeats: Callable[[Task], bool] | None = None,
        now: Callable[[], float] = loop_time,
    ) -> None:
        self._repeats = repeats
        self._now = now
        self._last: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def note(self, task: Task, update: FaceUpdate) -> None:
        """Take an update that the service said it has made."""
        if not self._repeats or not self._repeats(task):
            return
        self._forget_old()
        face = self.shown(update.face_id, {})
        self._last.pop(update.face_id, None)  # so that the oldest stays the first
        self._last[update.face_id] = self._now(), _after(face, update)

    def shown(self, face_id: str, face: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a face as it was read, with what was written to it lately."""
        self._forget_old()
        if face_id not in self._last:
            return face
        written = self._last[face_id][1]
        fields = {**_fields(face), **_fields(written)}
        return {**face, **written, "external_fields": fields}

    def _forget_old(self) -> None:
        oldest = self._now() - _LONGEST_LAG
        while self._last:
            face_id, (at, _) = next(iter(self._last.items()))
            if at > oldest:
                return
            del self._last[face_id]


def _fields(face: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = face.get("external_fields")
    return fields if isinstance(fields, dict) else {}


def _after(face: Mapping[str, Any], update: FaceUpdate) -> Mapping[str, Any]:
    """Return what is known of a face once an update has been made to it."""
    fields = {**_fields(face), **update.external_fields}
    if update.external_image_id is None:
        return {**face, "external_fields": fields}
    image_id = update.external_image_id
    return {**face, "external_image_id": image_id, "external_fields": fields}
