"""Reading a journal back, line by line: the judge of what a line means."""

import operator
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from batch_updater.errors import RunDirectoryError
from batch_updater.files.lines import decode_result
from batch_updater.files.lock import cannot_open
from batch_updater.files.versions import FORMAT, refuse_newer
from batch_updater.models import Result, RowLayout
from batch_updater.selection import Selection

PAGE = "page"
"""The kind of line that tells of a page that a plan has listed; it is no row's."""


@dataclass(frozen=True, slots=True)
class Record:
    """
    A line of the journal, and where it is.

    Args:
        offset: where the line starts, in bytes.
        number: of the line, from 1.
    """

    offset: int
    facts: Mapping[str, Any]
    path: Path
    number: int

    @property
    def kind(self) -> str:
        """What the line tells: `session`, `selection`, `result`, `end`."""
        return str(self.facts["kind"])

    def result(self) -> Result:
        """Return the result that the line tells."""
        try:
            return decode_result(self.facts)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self.damage() from None

    def ordinal(self, layout: RowLayout) -> int:
        """Return the position of the row that the line is about."""
        try:
            row_number = operator.index(self.facts["row_number"])
            return layout.ordinal(self.facts["source"], row_number)
        except (KeyError, TypeError):
            raise self.damage() from None

    def selection(self, total: int) -> Selection:
        """Return the selection that the line tells."""
        try:
            rows = self.facts["rows"]
            if not all(0 <= first <= last < total for first, last in rows):
                raise self.damage()
            return Selection.of_ranges(rows, total)
        except (KeyError, TypeError, ValueError):
            raise self.damage() from None

    def damage(self) -> RunDirectoryError:
        """Return the error that says that the line is not one of ours."""
        return damage(self.path, self.number)


def replay(path: Path) -> Iterator[Record]:
    """
    Yield every whole line of a journal; a torn last one is passed over.

    Raises:
        RunDirectoryError: a line in the middle is not what we write.
    """
    offset = 0
    with open_journal(path) as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            yield Record(offset, parse_line(line, path, number), path, number)
            offset += len(line)


def open_journal(path: Path) -> IO[bytes]:
    """Open a journal for reading; RunDirectoryError when it is not there."""
    try:
        return path.open("rb")
    except OSError as error:
        raise cannot_open(path, error) from None


def parse_line(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """Return the facts on a line; RunDirectoryError when it is none of ours."""
    try:
        facts = orjson.loads(line)
    except orjson.JSONDecodeError:
        facts = None
    if not isinstance(facts, dict) or "kind" not in facts:
        raise damage(path, number)
    if facts["kind"] == "result" and not facts.keys() >= _RESULT_KEYS:
        raise damage(path, number)
    if facts["kind"] == "session":
        refuse_newer(path, facts.get("format", FORMAT), facts.get("version"))
    return facts


_RESULT_KEYS = frozenset({"source", "row_number", "outcome"})


def damage(path: Path, number: int) -> RunDirectoryError:
    """Return the error that says that a line is not one of ours."""
    name = shlex.quote(str(path))
    return RunDirectoryError(
        f"{path}, line {number} is damaged",
        hint="Nothing after that line can be trusted. Keep a copy, keep only the "
        f"lines before it (head -n {number - 1} COPY > {name}), and resume: rows "
        "after it are sent again.",
    )
