"""
What is sent of an update, so that it means the same under merge and replace; pure.

Whether FRS keeps the custom fields that an update does not name is not documented
(section 1.3 of the facts). An update that names all of them does not depend on it.
"""

from collections.abc import Mapping
from typing import Any

from batch_updater.mapping.columns import FIELD_PREFIX, FieldTypes
from batch_updater.mapping.comparison import (
    IMAGE_ID,
    differences,
    fields_of,
    held_in,
    kind_of,
    update_of,
)
from batch_updater.mapping.rules import (
    SOFT_RULES,
    Broken,
    convert,
    image_id_problem,
    member_problem,
)
from batch_updater.models import FaceUpdate, FieldType

_CUSTOM = "external_fields"


def only_changes(
    update: FaceUpdate, held: Mapping[str, Any], types: Mapping[str, FieldType]
) -> FaceUpdate:
    """Return an update of the fields that differ; all of them when none does."""
    changes = {each.field: each.wanted for each in differences(update, held, types)}
    return update_of(update.face_id, changes) if changes else update


def unkeepable(
    update: FaceUpdate, face: Mapping[str, Any], types: FieldTypes
) -> Mapping[str, str]:
    """
    Return fields that a face holds and that cannot be sent back, with their rules.

    Args:
        face: as FRS wrote it; what the update names need not be sent back.
    """
    found = {}
    if not isinstance(face.get(_CUSTOM), dict | None):
        found[_CUSTOM] = "external_fields_json"
    for field, value in _others(update, face).items():
        broken = _problem(field, value, types)
        if broken and broken[0] not in SOFT_RULES:
            found[field] = broken[0]
    return found


def with_others(
    update: FaceUpdate, face: Mapping[str, Any], types: FieldTypes
) -> FaceUpdate:
    """Return an update that names all that a face holds; nothing may be unkeepable."""
    kept = {
        field: convert(value, kind_of(field, types.types))
        for field, value in _others(update, face).items()
    }
    return update_of(update.face_id, {**kept, **fields_of(update)})


def _others(update: FaceUpdate, face: Mapping[str, Any]) -> dict[str, Any]:
    named = fields_of(update)
    return {k: value for k, value in held_in(face).items() if k not in named}


def _problem(field: str, value: object, types: FieldTypes) -> Broken | None:
    if field == IMAGE_ID:
        return image_id_problem(value)
    return member_problem(field.removeprefix(FIELD_PREFIX), value, types)
