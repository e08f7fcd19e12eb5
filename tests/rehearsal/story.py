"""What a rehearsal is made of: how many of what; pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """
    Some nights of reconciliation.

    Args:
        faces: rows of the warehouse's table, and faces of the face set.
        changed: rows that the warehouse changes each day.
        drifting: faces that somebody else changes each day.
        meddled: faces that somebody else changes each night, between plan and apply,
            out of those that are about to be changed.
        refused: faces that the service refuses to change each night.
        every: one update in so many meets each passing fault.
        read_back: faces that the SDK reads when a night is over.
    """

    nights: int = 5
    faces: int = 100_000
    changed: int = 2000
    drifting: int = 100
    meddled: int = 20
    refused: int = 20
    every: int = 50
    read_back: int = 50
    seed: int = 20261125


def faults(refused: Iterable[str], every: int) -> Iterator[Mapping[str, Any]]:
    """
    Yield one night's faults: some pass, and some faces are refused for good.

    Args:
        refused: faces whose updates the service does not take.
    """
    for face_id in refused:
        yield {
            "name": f"refused {face_id}",
            "action": "respond",
            "code": "FRS.0402",
            "face_id": face_id,
            "times": 0,
        }
    passing: list[dict[str, Any]] = [
        {"action": "respond", "code": "FRS.0018"},
        {"action": "reset"},
        {"action": "reset-after-commit"},
        {"action": "partial"},
    ]
    for number, fault in enumerate(passing):
        after = number * every // len(passing)
        yield {"name": f"passing {number}", "every": every, "after": after} | {
            "times": 0,
            **fault,
        }
    # Once only: who is told to slow down does, for minutes.
    yield {"name": "throttled", "action": "respond", "code": "FRS.0033", "after": 7}
    for operation in ("ShowFacesByFaceId", "ShowFacesByLimit"):
        yield {
            "name": f"unread {operation}",
            "operation": operation,
            "action": "respond",
            "code": "FRS.0018",
            "every": every,
            "times": 0,
        }
