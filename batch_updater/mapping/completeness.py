"""
Rows that name every field of a face: with --update-mode replace no other is sent.

Merge and replace mean the same then, whatever FRS does.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from batch_updater.mapping.columns import FIELD_PREFIX, FieldTypes
from batch_updater.mapping.comparison import IMAGE_ID, fields_of
from batch_updater.mapping.rules import Problem
from batch_updater.models import FaceUpdate

INCOMPLETE_RULE = "incomplete"

Mask = npt.NDArray[np.bool_]


class Given:
    """
    Which cells of a chunk are given, by field.

    Args:
        image_ids: where the external image id is.
    """

    def __init__(self, image_ids: Mask) -> None:
        self._image_ids = image_ids
        self._fields: dict[str, Mask] = {}

    def take(self, name: str, given: Mask) -> None:
        """Take where a custom field is given in its own column."""
        self._fields[name] = self._fields.get(name, False) | given

    def left_out(
        self, types: FieldTypes, objects: Mapping[int, Mapping[str, Any]]
    ) -> Iterator[tuple[int, Problem]]:
        """
        Yield positions of rows that leave something out, and what.

        Args:
            types: of all fields that the face set declares.
            objects: by position, the parsed ``external_fields`` cells.
        """
        without = [(IMAGE_ID, "", ~self._image_ids)]
        nowhere = np.zeros(len(self._image_ids), dtype=np.bool_)
        for name in {**types.types, **self._fields}:  # types may not all be known
            absent = ~self._fields.get(name, nowhere)
            without.append((f"{FIELD_PREFIX}{name}", name, absent))
        rows = np.logical_or.reduce([absent for *_, absent in without])
        for position in np.flatnonzero(rows).tolist():
            members = objects.get(position, {})
            fields = [
                field
                for field, name, absent in without
                if absent[position] and name not in members
            ]
            if fields:
                yield position, _incomplete(fields)


def completeness_problem(update: FaceUpdate, types: FieldTypes) -> Problem | None:
    """
    Return the problem of an update that leaves something out, or None.

    Args:
        types: of all fields that the face set declares.
    """
    named = fields_of(update)
    wanted = (IMAGE_ID, *(f"{FIELD_PREFIX}{name}" for name in types.types))
    missing = [field for field in wanted if field not in named]
    return _incomplete(missing) if missing else None


def _incomplete(fields: Iterable[str]) -> Problem:
    named = ", ".join(fields)
    said = f"--update-mode replace wants every field in every row; without: {named}"
    return Problem(INCOMPLETE_RULE, named, said)
