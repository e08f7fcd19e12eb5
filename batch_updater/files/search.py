"""Finding a few lines of a journal without reading the others."""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from batch_updater.files.batch import Whole
from batch_updater.files.bulk import line_edges, look_like_results, whole_lines
from batch_updater.files.replay import Record, open_journal, parse_line

_ESCAPE = b"\\u"  # any letter may be written so, though we do not


def search(
    path: Path, row_numbers: Collection[int] | None, face_id: str | None
) -> Iterator[Record]:
    """
    Yield results with one of these row numbers and this face, and what are no results.

    Only a line that holds their bytes is read, or one that does not look like ours.

    Args:
        row_numbers: None for any.
        face_id: None for any.

    Raises:
        RunDirectoryError: a line that was read is not what we write.
    """
    for record in _lines_with(path, _needles(row_numbers, face_id)):
        if record.kind != "result" or _is_meant(record, row_numbers, face_id):
            yield record


def notes(path: Path) -> Iterator[Record]:
    """
    Yield what a journal tells of the run itself: all that is no result.

    Raises:
        RunDirectoryError: a line that does not look like a result is not ours.
    """
    return (r for r in _lines_with(path, []) if r.kind != "result")


def _lines_with(path: Path, needles: Sequence[bytes]) -> Iterator[Record]:
    with open_journal(path) as file:
        for data, offset, number in whole_lines(file):
            edges = line_edges(data)
            for place in _candidates(data, edges, needles).tolist():
                line, n = data[edges[place] : edges[place + 1]], number + place
                start = offset + int(edges[place])
                yield Record(start, parse_line(line, path, n), path, n)


def _needles(
    row_numbers: Collection[int] | None, face_id: str | None
) -> Sequence[bytes]:
    if row_numbers is not None:
        return [b'"row_number":%d,' % number for number in row_numbers]
    assert face_id is not None  # noqa: S101  (one of the two is asked for)
    spelled = json.dumps(face_id, ensure_ascii=False)  # as we do
    # An argument may hold half a character, which then stands on no line.
    return [spelled.encode(errors="surrogatepass"), _ESCAPE]


def _candidates(data: bytes, edges: Whole, needles: Sequence[bytes]) -> Whole:
    found = np.flatnonzero(~look_like_results(data, edges)).tolist()
    for needle in needles:
        place = data.find(needle)
        while place >= 0:
            line = int(np.searchsorted(edges, place, side="right")) - 1
            found.append(line)
            place = data.find(needle, int(edges[line + 1]))
    return np.unique(np.array(found, dtype=np.int64))


def _is_meant(
    record: Record, row_numbers: Collection[int] | None, face_id: str | None
) -> bool:
    facts = record.facts
    if row_numbers is not None and record.result().row_number not in row_numbers:
        return False
    return face_id is None or facts.get("face_id") == face_id
