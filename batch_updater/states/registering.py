"""A session of a run joins a state, before it sends anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from batch_updater.files.state_rows import SessionRow
from batch_updater.files.state_store import StateStore
from batch_updater.manifest import RunKey
from batch_updater.models import FieldType
from batch_updater.states.catching_up import Clock, end_sessions, now
from batch_updater.states.faces import LINGERING
from batch_updater.states.seeing import renew


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """
    A session that begins.

    Args:
        directory: of its run.
        declared: types of the face set's custom fields.
        face_set_id: what tells the face set from an earlier one of the same name;
            empty when FRS did not say.
        merges: whether fields that are not sent are taken to be left alone.
        start: how long the run's journal is by now, in bytes.
    """

    key: RunKey
    directory: Path
    declared: Mapping[str, FieldType]
    face_set_id: str
    merges: bool
    start: int = 0


def register(
    store: StateStore, beginning: Beginning, clock: Clock = now
) -> list[SessionRow]:
    """
    Let a state know of a session; on disk when this returns.

    Who calls this holds the run's journal, and has caught up: what is taken in by
    now is older than all that the session does.

    Returns:
        The sessions of the run, this one last.

    Raises:
        StateError: it cannot be written.
    """
    key = beginning.key
    with store.transaction():
        renew(store, beginning.declared, beginning.face_set_id, clock())
        earlier = [
            session
            for session in store.sessions()
            if RunKey(session.run_id, session.created_at) == key
        ]
        until = clock() + LINGERING
        end_sessions(store, earlier, until)
        added = store.add_session(
            SessionRow(
                number=0,
                run=earlier[0].run if earlier else 0,
                run_id=key.run_id,
                created_at=key.created_at,
                directory=str(beginning.directory.absolute()),
                start=beginning.start,
                absorbed=min([beginning.start, *(s.absorbed for s in earlier[-1:])]),
                over=False,
                merges=beginning.merges,
            )
        )
    return [*earlier, added]
