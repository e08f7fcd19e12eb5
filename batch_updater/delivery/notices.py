"""What happens to a run as a whole: a line for people, and a note for the journal."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Say = Callable[[str], None]
Note = Callable[[str, Mapping[str, Any]], None]


class Notices:
    """
    Takes what happens to the run, not to one of its rows.

    Rooms that know of such a thing (pacing, circuit, renewal, signals) are given
    this one; where it is shown and kept is not theirs to know.

    Args:
        say: told each of them in a sentence.
    """

    def __init__(self, say: Say = lambda said: None) -> None:
        self._say = say
        self._note: Note | None = None

    def tell(self, said: str) -> None:
        """Say something that only matters to whoever looks on."""
        self._say(said)

    def record(self, kind: str, said: str, **facts: Any) -> None:
        """
        Say that the run's state has changed, and note it where that is kept.

        Args:
            kind: what has changed, as the journal names it: `rate`, `circuit`.
            facts: values of the change, as JSON takes them.
        """
        self._say(said)
        if self._note:
            self._note(kind, {"said": said, **facts})

    @contextmanager
    def kept(self, note: Note) -> Iterator[None]:
        """Note changes with this (the journal's) while the block runs."""
        self._note = note
        try:
            yield
        finally:
            self._note = None
