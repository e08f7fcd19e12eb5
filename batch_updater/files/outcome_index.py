"""The last outcome of every row of a journal, found by the row's position."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from batch_updater.files.replay import Record, open_journal, result_at
from batch_updater.models import Result, RowLayout


class OutcomeIndex:
    """
    The last result of every row, found by the row's position.

    A row that was cut off in one session and updated in a later one may have been
    applied twice: it stays ambiguous, whatever its last line says. Keeps 9 bytes a
    row; the results themselves stay in the file.
    """

    def __init__(self, path: Path, layout: RowLayout) -> None:
        self._layout = layout
        self._offsets = np.full(layout.total, -1, dtype=np.int64)
        self._ambiguous = np.zeros(layout.total, dtype=np.bool_)
        self._file = open_journal(path)

    def note(self, record: Record) -> None:
        """Take a line of the journal; the last line of a row counts."""
        ordinal = record.ordinal(self._layout)
        self._offsets[ordinal] = record.offset
        self._ambiguous[ordinal] |= bool(record.facts.get("ambiguous"))

    def result(self, ordinal: int) -> Result | None:
        """Return the last result of a row, or None when it has none."""
        offset = int(self._offsets[ordinal])
        if offset < 0:
            return None
        result = result_at(self._file, offset)
        return replace(result, ambiguous=True) if self._ambiguous[ordinal] else result

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
