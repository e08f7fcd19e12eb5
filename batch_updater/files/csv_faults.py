"""CSV and TSV by the letter: slow, and exact about the line that is wrong."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from batch_updater.errors import InputError
from batch_updater.files.chunk import ReadOptions
from batch_updater.files.inputs import Input, InputFormat
from batch_updater.files.text import excerpt, only_returns, open_text

_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')
_SAY_DELIMITER = "If something else stands between the cells, say --delimiter."


class Misquoting(Enum):
    """What can be wrong with a record besides its number of cells."""

    OPEN = "a quote is never closed"
    TEXT_AFTER = "text follows a closing quote"
    RETURN = "a CR stands alone outside quotes"
    NONE = "nothing"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record is; row 0 is the header, lines are physical and 1-based."""

    row: int
    first_line: int
    last_line: int

    def words(self, name: str) -> str:
        """How messages begin."""
        which = f"row {self.row}" if self.row else "the header"
        return f"{name}, line {self.first_line} ({which})"


def delimiter_of(source: Input, options: ReadOptions) -> str:
    """What stands between the cells of this source: one ASCII character."""
    default = "\t" if source.format is InputFormat.TSV else ","
    delimiter = options.delimiter or default
    if delimiter == r"\t":
        return "\t"  # what a shell makes of '\t'
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise InputError(
            f"--delimiter {delimiter!r}: is not one ASCII character",
            hint=r"For example --delimiter ';' or --delimiter '\t'.",
        )
    return delimiter


def delimiter_hint(names: Sequence[str]) -> str:
    """The delimiter a header of one column seems to want, as a hint, or empty."""
    if len(names) != 1:
        return ""
    for delimiter, written in ((";", ";"), ("\t", r"\t"), ("|", "|"), (",", ",")):
        if delimiter in names[0]:
            return f"The header is one column; say --delimiter '{written}'."
    return ""


def count_rows(source: Input, options: ReadOptions) -> int:
    """
    The number of rows, the header not counted.

    Raises:
        InputError: at the first record that is no proper CSV, or has another
            number of cells than the header.
    """
    delimiter = delimiter_of(source, options)
    header: list[str] = []
    rows, before = -1, 0
    with _lines(source, options) as lines, field_limit(options.block_bytes):
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for record in reader:
                if record:
                    rows += 1
                    header = header or record
                    if len(record) != len(header) or reader.line_num - before > 1:
                        place = Place(rows, before + 1, reader.line_num)
                        _check(record, header, place, source, options)
                before = reader.line_num
        except csv.Error as error:
            place = Place(rows + 1, before + 1, reader.line_num)
            raise _misquoted(error, place, source, options) from error
    return max(rows, 0)


def misquoting(text: str, delimiter: str) -> Misquoting:
    """What is wrong with the quotes of a record, its line end included."""
    position = 0
    while position < len(text):
        quoted = text[position] == '"'
        if quoted:
            closed = _QUOTED.match(text, position)
            if not closed:
                return Misquoting.OPEN
            position = closed.end()
        end = _end_of_cell(text, position, delimiter)
        if quoted and end > position:
            return Misquoting.TEXT_AFTER
        if text[end : end + 1] != delimiter:
            rest = text[end:].strip("\r\n")
            return Misquoting.RETURN if rest else Misquoting.NONE
        position = end + 1
    return Misquoting.NONE


def _end_of_cell(text: str, position: int, delimiter: str) -> int:
    while position < len(text) and text[position] not in (delimiter, "\r", "\n"):
        position += 1
    return position


@contextmanager
def _lines(source: Input, options: ReadOptions) -> Iterator[io.TextIOWrapper]:
    with open_text(source, options) as text:
        body = io.BufferedReader(text, options.block_bytes)
        # only LF ends a line here, so that lines are those an editor shows
        yield io.TextIOWrapper(body, encoding="utf-8", newline="\n")


@contextmanager
def field_limit(characters: int) -> Iterator[None]:
    """The csv module's limit for one cell, which is global, set for a while."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _check(
    record: list[str],
    header: list[str],
    place: Place,
    source: Input,
    options: ReadOptions,
) -> None:
    if len(record) != len(header):
        raise _ragged(record, header, place, source, options)
    size = sum(len(cell.encode()) for cell in record)
    if size > options.block_bytes:
        raise InputError(
            f"{place.words(source.name)}: is {size} bytes long, "
            f"more than {options.block_bytes}",
            hint='Look for a quote too many; a quote in a cell is written as "".',
        )


def _ragged(
    record: list[str],
    header: list[str],
    place: Place,
    source: Input,
    options: ReadOptions,
) -> InputError:
    need = 'A cell with the delimiter in it must be in quotes ("a,b"). '
    more = need if len(record) > len(header) else "A row may end in empty cells. "
    return InputError(
        f"{place.words(source.name)}: has {len(record)} cells, the header "
        f"{len(header)}; it begins '{excerpt(_text_at(place, source, options))}'",
        hint=delimiter_hint(header) or more + _SAY_DELIMITER,
    )


def _misquoted(
    error: csv.Error, place: Place, source: Input, options: ReadOptions
) -> InputError:
    text = _text_at(place, source, options)
    kind = misquoting(text, delimiter_of(source, options))
    if kind is Misquoting.RETURN:
        return only_returns(source.name)
    what = error if kind is Misquoting.NONE else kind.value
    return InputError(
        f"{place.words(source.name)}: {what}; it begins '{excerpt(text)}'",
        hint='A quote in a quoted cell is written as "", and the cell ends with ".',
    )


def _text_at(place: Place, source: Input, options: ReadOptions) -> str:
    with _lines(source, options) as lines:
        return "".join(islice(lines, place.first_line - 1, place.last_line))
