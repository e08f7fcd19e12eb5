"""
The pages of a listing that a plan has read, and whether to read more.

A listing shows many faces with one request, but the first 10 000 only, in no order
that is documented, and misses faces where others are removed meanwhile. So it only
ever says what a face holds; that there is none is asked for each face by itself.
"""

from collections.abc import Mapping
from math import ceil

from batch_updater.files.replay import PAGE
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.search import notes
from batch_updater.frs.protocol import LIST_WINDOW, Face, read_faces
from batch_updater.models import Outcome, Result


class Listed:
    """
    Faces that pages have shown; what a later page says of a face is newer.

    Args:
        face_number: how many faces the face set says to hold.
    """

    def __init__(self, face_number: int) -> None:
        self._faces: dict[str, Face] = {}
        self._end = min(face_number, LIST_WINDOW)
        self._share = self._end / face_number if face_number else 0.0
        self._empty = False
        self.offset = 0

    @property
    def faces(self) -> Mapping[str, Face]:
        """The faces by id."""
        return self._faces

    @property
    def left(self) -> int:
        """How many faces no page has shown yet, of those that FRS lists."""
        return 0 if self._empty else max(0, self._end - self.offset)

    def take(self, page: Result) -> None:
        """Take a page that was read; one that could not be has nothing to say."""
        if page.outcome is not Outcome.EXPORTED:
            return
        faces = read_faces(page.payload) or []
        self._faces |= {face["face_id"]: face for face in faces}
        self.offset = page.row_number - 1 + len(faces)
        self._empty = not faces

    def limit(self, page: int) -> int:
        """Return how many faces to ask for next; 0 when there are no more."""
        return min(page, self.left)

    def pays(self, rows: int, page: int) -> bool:
        """
        Return whether the pages that are left cost less than asking row by row.

        Args:
            rows: how many faces are to be looked at, any of the face set.
            page: faces of a page.
        """
        if not self.left:
            return False
        shown = min(rows * self._share * self.left / self._end, self.left)
        return ceil(self.left / page) < shown


def listed_before(directory: RunDirectory, face_number: int) -> Listed:
    """Return what pages have shown in earlier sessions of a run."""
    listed = Listed(face_number)
    for record in notes(directory.journal):
        if record.kind == PAGE:
            listed.take(record.result())
    return listed
