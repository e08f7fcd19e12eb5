"""An array with an entry for each row, of which a few pages are in memory."""

import errno
import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from batch_updater.files.batch import Whole

_ROWS = 1 << 14
_HELD = 8  # pages; rows end almost in the order of the input, so few are enough

Entries = npt.NDArray[Any]


class Pages:
    """
    Entries that begin all alike; pages that are not at hand lie in a file.

    The file has no name, so that nothing is left of it, and is not made before more
    than some hundred thousand rows need it.

    Args:
        blank: what an entry begins as, and its type.
        folder: where the file is made if that is allowed, else where such files go.
        rows: of a page.
        held: how many pages are in memory at most.
    """

    def __init__(
        self, blank: Entries, folder: Path, *, rows: int = _ROWS, held: int = _HELD
    ) -> None:
        self._rows, self._most = rows, held
        self._blank = blank
        self._folder = folder
        self._held: OrderedDict[int, Entries] = OrderedDict()
        self._away: set[int] = set()
        self._file: IO[bytes] | None = None

    def at(self, rows: Whole) -> Iterator[tuple[Entries, Whole, Whole]]:
        """
        Yield every page that some of the rows are on.

        Returns:
            The page, which may be changed until the next one comes; the entries that
            the rows have in it; and where those stand among the rows.
        """
        numbers = rows // self._rows
        for number in np.unique(numbers).tolist():
            which = np.flatnonzero(numbers == number)
            yield self._page(number), rows[which] - number * self._rows, which

    def read(self, rows: Whole) -> Entries:
        """Return the entries of rows."""
        entries = np.empty(len(rows), dtype=self._blank.dtype)
        for page, inside, which in self.at(rows):
            entries[which] = page[inside]
        return entries

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._file.close()

    def _page(self, number: int) -> Entries:
        page = self._held.pop(number, None)
        if page is None:
            page = self._load(number)
        self._held[number] = page
        if len(self._held) > self._most:
            self._put_away(*self._held.popitem(last=False))
        return page

    def _load(self, number: int) -> Entries:
        page = np.full(self._rows, self._blank)
        if self._file and number in self._away:
            view, place = page.view(np.uint8).data, number * page.nbytes
            while view:
                read = os.preadv(self._file.fileno(), [view], place)
                if not read:
                    raise OSError(errno.EIO, "a page is gone")
                view, place = view[read:], place + read
        return page

    def _put_away(self, number: int, page: Entries) -> None:
        self._file = self._file or _open_nameless(self._folder)
        self._away.add(number)
        data, place = page.view(np.uint8).data, number * page.nbytes
        while data:
            written = os.pwrite(self._file.fileno(), data, place)
            data, place = data[written:], place + written


def _open_nameless(folder: Path) -> IO[bytes]:
    try:
        return TemporaryFile(dir=folder)
    except OSError:  # of a run that is somebody else's, or read-only
        return TemporaryFile()
