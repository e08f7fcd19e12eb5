"""
What becomes of an update once it is known what its face holds; pure.

An update ends without having been sent when there is nothing to change, when the face
was changed behind the plan's back, or when it could not be sent so that it means the
same whether FRS merges or replaces.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.comparison import (
    ABSENT,
    changed_since,
    differences,
    fields_of,
    held_in,
    with_older,
)
from batch_updater.mapping.completeness import completeness_problem
from batch_updater.mapping.rules import RULES
from batch_updater.mapping.update_modes import (
    only_changes,
    unkeepable,
    with_others,
)
from batch_updater.models import FaceUpdate, Outcome, Task, UpdateMode

DRIFTED = "PLAN.DRIFTED"
UNKEEPABLE = "PLAN.UNKEEPABLE"
KEPT = "PLAN.KEPT"

Face = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """
    What is known of a face before it is changed.

    Args:
        face: as FRS wrote it; None when neither the plan nor anybody has read it.
        fresh: whether it was read for this very call.
        earlier: the face in the before-image that an earlier session of this run
            kept for the row last, or None.
    """

    face: Face | None = None
    fresh: bool = False
    earlier: Face | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a row ends that is not sent, and why, as its result says it."""

    outcome: Outcome
    code: str = ""
    message: str = ""
    rule: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """
    How carefully updates are sent.

    Args:
        mode: None for read-modify-write where the face was just read, else merge.
        backup: whether a before-image is wanted of rows that no plan is behind.
        check_drift: whether a face is read though the plan has what it held.
        types: of the face set's custom fields, and which of them may be sent.
        values: whether messages may show values.
    """

    mode: UpdateMode | None = None
    backup: bool = False
    check_drift: bool = False
    types: FieldTypes = field(default_factory=FieldTypes)
    values: bool = False

    @property
    def reads_first(self) -> bool:
        """Whether faces are read though no plan is behind the rows."""
        return self.backup or self.mode is UpdateMode.READ_MODIFY_WRITE

    def reads(self, task: Task) -> bool:
        """Return whether the task's face has to be read before it is changed."""
        planned = task.planned
        if planned is None:
            return self.reads_first
        return (
            planned.before is None
            or self.check_drift
            or self.mode is UpdateMode.READ_MODIFY_WRITE
        )

    def refuse(self, task: Task) -> Ended | None:
        """Return how a task ends for which not even its face need be read."""
        if self.mode is not UpdateMode.REPLACE:
            return None
        broken = completeness_problem(task.update, self.types)
        if not broken:
            return None
        return Ended(
            Outcome.INVALID,
            message=broken.message,
            rule=broken.rule,
            column=broken.column,
        )

    def decide(self, task: Task, known: Known) -> FaceUpdate | Ended:
        """Return what is sent, or how the row ends without that."""
        if known.fresh and known.face is not None:
            ended = self._look(task, held_in(known.face), known.earlier)
            if ended:
                return ended
        return self._body(task.update, known)

    def to_keep(self, update: FaceUpdate, known: Known) -> Face | None:
        """Return what is to be kept of a face before it is changed, if anything."""
        before, earlier = self._before(update, known), known.earlier
        if before is None or earlier is None:
            return before
        held, types = held_in(before), self.types.types
        return before if changed_since(update, held_in(earlier), held, types) else None

    def _before(self, update: FaceUpdate, known: Known) -> Face | None:
        """
        Return what a face held before this run changed it.

        What it holds as the update wants it, an earlier session may have written: of
        that the image tells. All else is as somebody has changed it since, if at all.
        """
        face, earlier = known.face, known.earlier
        if face is None or earlier is None or not known.fresh:
            return face
        others = {
            each.field for each in differences(update, held_in(face), self.types.types)
        }
        return with_older(face, earlier, fields_of(update).keys() - others)

    def _look(
        self, task: Task, held: Mapping[str, Any], earlier: Face | None
    ) -> Ended | None:
        update, types = task.update, self.types.types
        if not differences(update, held, types):
            ours = earlier is not None and changed_since(
                update, held_in(earlier), held, types
            )
            # It was this run that changed it, and nobody has recorded the answer:
            # the same once more does no harm, and gets one.
            return None if ours else Ended(Outcome.UNCHANGED)
        if task.planned is None or task.planned.seen is None:
            return None
        changed = changed_since(update, task.planned.seen, held, types)
        if not changed:
            return None
        said = self._say_changed(changed, task.planned.seen, held)
        return Ended(Outcome.DRIFTED, DRIFTED, said)

    def _say_changed(
        self, fields: Iterable[str], seen: Mapping[str, Any], held: Mapping[str, Any]
    ) -> str:
        told = ", ".join(
            f"{name} (was {_show(seen, name)}, is {_show(held, name)})"
            if self.values
            else name
            for name in fields
        )
        return f"no longer holds what the plan saw: {told}"

    def _body(self, update: FaceUpdate, known: Known) -> FaceUpdate | Ended:
        face, mode = self._before(update, known), self.mode
        if mode is None and not known.fresh:
            mode = UpdateMode.MERGE
        if mode is UpdateMode.REPLACE or face is None:
            return update
        if mode is UpdateMode.MERGE:
            return only_changes(update, held_in(face), self.types.types)
        stuck = unkeepable(update, face, self.types)
        if stuck:
            return Ended(Outcome.FAILED, UNKEEPABLE, _say_stuck(stuck))
        return with_others(update, face, self.types)


def say_kept(fields: Iterable[str]) -> str:
    """Return the message of a rollback that cannot take some fields back."""
    return f"cannot be taken back, since the API has no way: {', '.join(fields)}"


def _say_stuck(fields: Mapping[str, str]) -> str:
    told = ", ".join(f"{name} ({RULES[rule]})" for name, rule in fields.items())
    return (
        f"the face holds what cannot be sent back: {told}; --update-mode merge sends "
        "only what changes"
    )


def _show(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, ABSENT)
    return "nothing" if value is ABSENT else json.dumps(value)
