"""The last outcome of every row of a journal, found by the row's position."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from batch_updater.files.batch import Batch, Whole
from batch_updater.files.bulk import Lines, read_bulk
from batch_updater.files.line_reader import LineReader
from batch_updater.files.pages import Pages
from batch_updater.models import RowLayout
from batch_updater.selection import Flags

NOTED = ("source", "row_number", "outcome", "ambiguous")
"""The columns of results that an index looks at."""


class OutcomeIndex:
    """
    The last result of every row, found by the row's position.

    A row that was cut off in one session and updated in a later one may have been
    applied twice: it stays ambiguous, whatever its last line says. Of each row it
    keeps where that line stands, on disk but for the rows just noted; the results
    themselves stay in the journal.
    """

    def __init__(self, path: Path, layout: RowLayout) -> None:
        self._layout = layout
        # Twice the offset, counted from 2 on, plus whether the row is ambiguous.
        self._entries = Pages(np.array(0, dtype=np.int64), path.parent)
        self._reader = LineReader(path)

    def note(self, lines: Lines) -> None:
        """Take lines of the journal; the last line of a row counts."""
        rows = lines.ordinals(self._layout)
        ambiguous = lines.batch.flags("ambiguous")
        entries = (lines.offsets + 1) << 1
        for page, inside, which in self._entries.at(rows):
            page[inside] = entries[which] | (page[inside] & 1)
            page[inside[ambiguous[which]]] |= 1

    def results(self, rows: Whole) -> tuple[Flags, Batch]:
        """Return which rows have a result, and the last ones of those, in order."""
        entries = self._entries.read(rows)
        known = entries > 1
        entries = entries[known]
        batch = self._reader.results((entries >> 1) - 1)
        return known, batch.ambiguous_where((entries & 1).astype(np.bool_))

    def close(self) -> None:
        """Let go of the files."""
        self._entries.close()
        self._reader.close()


@contextmanager
def indexed(path: Path, layout: RowLayout) -> Iterator[OutcomeIndex]:
    """Index a whole journal."""
    with closing(OutcomeIndex(path, layout)) as index:
        for told in read_bulk(path, NOTED):
            if isinstance(told, Lines):
                index.note(told)
        yield index
