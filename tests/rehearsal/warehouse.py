"""What faces should hold, and how that changes by day."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

TOLD = {"age": "integer", "team": "string", "badge": "string", "score": "double"}
"""Fields that the table has."""

TYPES = {**TOLD, "note": "string"}
"""Fields that faces have: one that the table does not tell has to stay as it is."""

_TEAMS = ("north", "south", "east", "west")
_DRAWN: Mapping[str, Callable[[Random], Any]] = {
    "age": lambda random: random.randrange(18, 80),
    "team": lambda random: random.choice(_TEAMS),
    "badge": lambda random: f"b{random.randrange(10**6):06d}",
    "score": lambda random: random.randrange(1000) / 8,
    "note": lambda random: f"n{random.randrange(10**6):06d}",
}

Fields = dict[str, Any]


@dataclass(frozen=True)
class Warehouse:
    """
    The table that the nightly job brings to FRS.

    Args:
        faces: the custom fields of every face.
    """

    faces: dict[str, Fields]

    def change(self, random: Random, count: int) -> None:
        """Let so many faces have other values from now on."""
        for face_id in random.sample(sorted(self.faces), count):
            self.faces[face_id] = other(self.faces[face_id], random)

    def write(self, path: Path) -> None:
        """Write the table as Parquet."""
        columns: dict[str, list[Any]] = {"face_id": list(self.faces)}
        for name in TOLD:
            values = [fields[name] for fields in self.faces.values()]
            columns[f"external_fields.{name}"] = values
        pd.DataFrame(columns).to_parquet(path)


def open_warehouse(random: Random, faces: int) -> Warehouse:
    """Return the table as it is on the first day."""
    ids = (f"F{number:07d}" for number in range(1, faces + 1))
    return Warehouse({face_id: _draw(random, TYPES) for face_id in ids})


def other(fields: Mapping[str, Any], random: Random) -> Fields:
    """Return fields of which one or more differ from these."""
    named = random.sample(sorted(TOLD), random.randint(1, len(TOLD)))
    while (drawn := {**fields, **_draw(random, named)}) == fields:
        pass
    return drawn


def _draw(random: Random, names: Iterable[str]) -> Fields:
    return {name: _DRAWN[name](random) for name in names}
