"""A failed.csv that comes back from a spreadsheet: its rows, as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from batch_updater.errors import InputError
from batch_updater.files.inputs import Input, InputFormat, as_input
from batch_updater.files.results import align
from batch_updater.files.source import Chunk, ReadOptions, read, read_header
from batch_updater.mapping.columns import BoundColumns

_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Edited:
    """
    The rows of an edited file, held in memory: a spreadsheet's are few enough.

    Args:
        name: of the file, for messages.
        frame: text, with the columns of the run in the run's order.
        row_numbers: of the rows in the file, 1-based, the header not counted;
            rows of empty cells are left out.
    """

    name: str
    frame: pd.DataFrame
    row_numbers: npt.NDArray[np.int64]

    def where(self, index: int) -> str:
        """Return which row that is, for a person with a spreadsheet open."""
        number = int(self.row_numbers[index])
        return f"row {number} ({number + 1} in a spreadsheet)"


def read_edited(
    path: Path, columns: BoundColumns, *, delimiter: str | None, encoding: str
) -> Edited:
    """
    Read a file whose columns may stand in another order, between any delimiters.

    Args:
        columns: the run's own header, and which of its columns are mapped; these
            the file has to have. Others may be missing, and more may be there.
        delimiter: None goes by the header, which is known.

    Raises:
        InputError: it cannot be read, or lacks a column that matters.
    """
    source = as_input(path, name=str(path), input_format=InputFormat.CSV)
    options = _options(source, columns, delimiter, encoding)
    names = read_header(source, options).names
    _refuse_unclear(names, columns, source.name)
    places = align(columns.header, names)
    chunks = [_filled(chunk) for chunk in read(source, options, verify=True)]
    chunks = [(frame, numbers) for frame, numbers in chunks if len(frame)]
    if not chunks:
        raise InputError(f"{source.name}: there are no rows")
    frame = pd.concat([frame for frame, _ in chunks], ignore_index=True)
    aligned = [pd.Series([""] * len(frame)) if i is None else frame[i] for i in places]
    return Edited(
        name=source.name,
        frame=pd.DataFrame(dict(enumerate(aligned))),
        row_numbers=np.concatenate([numbers for _, numbers in chunks]),
    )


def _options(
    source: Input, columns: BoundColumns, delimiter: str | None, encoding: str
) -> ReadOptions:
    face_column = columns.header[columns.face_id]
    trouble: list[InputError] = []
    for each in [delimiter] if delimiter else _DELIMITERS:
        options = ReadOptions(delimiter=each, encoding=encoding)
        try:
            if face_column in read_header(source, options).names:
                return options
        except InputError as error:  # not between these cells, or no text at all
            trouble.append(error)
    if len(trouble) == (1 if delimiter else len(_DELIMITERS)):
        raise trouble[0]
    raise InputError(
        f"{source.name}: its first line names no column {face_column!r}",
        hint="Keep the header of failed.csv; say --delimiter if something unusual "
        "stands between its cells.",
    )


def _refuse_unclear(names: Sequence[str], columns: BoundColumns, name: str) -> None:
    """Raise InputError unless each column that the run sends is there once."""
    mapped = [columns.face_id, columns.external_image_id, columns.external_fields]
    mapped += [bound.index for bound in columns.fields]
    for column in [columns.header[i] for i in mapped if i is not None]:
        count = list(names).count(column)
        if not count:
            raise InputError(
                f"{name}: there is no column {column!r}, which the run sends",
                hint="Put it back; empty its cells to leave the values alone.",
            )
        if count > 1:
            raise InputError(
                f"{name}: {count} columns are called {column!r}",
                hint="Leave one of them.",
            )


def _filled(chunk: Chunk) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """Return the rows that hold anything, and their numbers."""
    frame = chunk.frame
    filled = np.zeros(len(frame), dtype=np.bool_)
    for index in range(frame.shape[1]):
        filled |= frame[index].str.strip().to_numpy(dtype=object) != ""
    numbers = chunk.first_row + np.flatnonzero(filled)
    return frame[filled].reset_index(drop=True), numbers
