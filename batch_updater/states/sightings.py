"""What a plan or a verification has read of faces, as its journal tells it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from batch_updater.files.bulk import Lines, read_bulk
from batch_updater.files.replay import PAGE
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.search import notes
from batch_updater.frs.protocol import read_faces
from batch_updater.mapping.comparison import held_in
from batch_updater.models import Outcome
from batch_updater.states.seeing import SeenFace

_COLUMNS = ("source", "row_number", "outcome", "face_id", "payload", "attempts")
_ANSWERS = frozenset({Outcome.EXPORTED, Outcome.MISSING, Outcome.MISMATCH})


def seen_faces(directory: RunDirectory) -> Iterator[dict[str, SeenFace]]:
    """
    Yield what a journal says of faces that were read, some thousand at a time.

    Of a face that does not hold what a verification expects nothing is believed any
    more, so that the next plan looks at it.
    """
    listed_at = _listed_at(directory)
    for lines in read_bulk(directory.journal, _COLUMNS):
        if isinstance(lines, Lines):
            yield dict(_seen(lines, listed_at))


def _listed_at(directory: RunDirectory) -> float:
    """Return when listing began; what a page showed is no older than that."""
    pages = (record for record in notes(directory.journal) if record.kind == PAGE)
    first = next(pages, None)
    return (first.result().started_at or 0.0) if first else 0.0


def _seen(lines: Lines, listed_at: float) -> Iterator[tuple[str, SeenFace]]:
    attempts = lines.batch.attempts()
    asked = np.full(len(lines), listed_at)
    asked[attempts.counts > 0] = attempts.started[attempts.last] / 1e6
    columns = [
        lines.batch[name].to_pylist() for name in ("face_id", "outcome", "payload")
    ]
    for face_id, outcome, payload, at in zip(*columns, asked.tolist(), strict=True):
        if outcome in _ANSWERS:
            held = _held(payload) if outcome == Outcome.EXPORTED else None
            yield face_id, SeenFace(held, at)


def _held(payload: str | None) -> Mapping[str, Any] | None:
    faces = read_faces(payload) if payload else None
    return held_in(faces[0]) if faces else None
