"""
What would take one face back to what it held before a run; pure.

The API can set a field and cannot remove one (page 0095): a field that the face did not
have stays, and so does one whose old value breaks FRS's own rules.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batch_updater.frs.protocol import encode_update
from batch_updater.mapping.care import KEPT, say_kept
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.comparison import (
    ABSENT,
    Absent,
    differences,
    held_in,
    kind_of,
    same,
    update_of,
)
from batch_updater.mapping.rules import convert
from batch_updater.mapping.update_modes import unkeepable
from batch_updater.models import BeforeImage, FaceUpdate, FieldValue, PlanStatus


@dataclass(frozen=True, slots=True)
class Written:
    """
    A field that a run changed.

    Args:
        old: what it held before; ABSENT when that cannot be put back.
        new: what the run wrote last.
    """

    old: FieldValue | Absent
    new: FieldValue


@dataclass(frozen=True, slots=True)
class FaceChange:
    """
    What a run did to one face: by one row, or by several in order.

    Args:
        image: what the face held before the first of them.
        written: by field.
    """

    image: BeforeImage
    written: Mapping[str, Written] = field(default_factory=dict)

    def then(self, image: BeforeImage, types: FieldTypes) -> "FaceChange":
        """Return the same with what a later row did to the face."""
        later = {
            name: Written(self.written.get(name, each).old, each.new)
            for name, each in _written(image, types).items()
        }
        return FaceChange(self.image, {**self.written, **later})


def change_of(image: BeforeImage, types: FieldTypes) -> FaceChange:
    """Return what one row did to its face, as its before-image tells it."""
    return FaceChange(image, _written(image, types))


def _written(image: BeforeImage, types: FieldTypes) -> dict[str, Written]:
    nothing = FaceUpdate(image.update.face_id)
    stuck = unkeepable(nothing, image.before, types)
    held = held_in(image.before)
    written = {}
    for each in differences(image.update, held, types.types):
        gone = each.held is ABSENT or each.field in stuck
        kind = kind_of(each.field, types.types)
        old = ABSENT if gone else convert(each.held, kind)
        written[each.field] = Written(old, each.wanted)
    return written


def inverse_row(change: FaceChange, types: FieldTypes) -> dict[str, Any]:
    """Return the row of a plan that takes a face back."""
    back: dict[str, Written] = {}
    kept = []
    for name, each in change.written.items():
        if each.old is ABSENT:
            kept.append(name)
        elif not same(each.new, each.old, kind_of(name, types.types)):
            back[name] = each
    row = {
        "source": change.image.source,
        "row_number": change.image.row_number,
        "face_set_name": change.image.face_set_name,
        "face_id": change.image.update.face_id,
        "status": PlanStatus.SAME,
        "seen_in": "run",
        "changes": [_told(name, each) for name, each in back.items()],
        "kept": kept,
    }
    if back:
        olds = {name: each.old for name, each in back.items()}
        return row | {"status": PlanStatus.CHANGE, "update": _body(change, olds)}
    if kept:
        row |= {"error_code": KEPT, "error_msg": say_kept(kept)}
        return row | {"status": PlanStatus.FAILED}
    return row


def _told(name: str, each: Written) -> dict[str, str]:
    # What the run wrote is what the face holds now, if nobody else was there.
    return {"field": name, "old": _as_json(each.new), "new": _as_json(each.old)}


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _body(change: FaceChange, olds: Mapping[str, Any]) -> str:
    body = json.loads(encode_update(update_of(change.image.update.face_id, olds)))
    del body["face_id"]
    return _as_json(body)
