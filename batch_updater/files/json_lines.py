"""JSON Lines: one object a line, numbers as written, nothing given twice."""

import io
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Never

import pandas as pd

from batch_updater.errors import InputError
from batch_updater.files.chunk import Chunk, ReadOptions
from batch_updater.files.inputs import Input
from batch_updater.files.text import excerpt, open_text

MAX_KEYS = 1000
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read(source: Input, options: ReadOptions) -> Iterator[Chunk]:
    """
    The rows as Python values; blank lines are no rows.

    ``Chunk.header`` holds the keys seen so far in the file, in order of their
    first appearance: a later chunk may know more of them, never fewer.
    """
    header: dict[str, None] = {}
    row = 1
    records = _records(source, options)
    while rows := list(islice(records, options.chunk_rows)):
        for record in rows:
            header.update(dict.fromkeys(record))
        _refuse_many_keys(header, source)
        yield Chunk(source.name, row, tuple(header), _frame(rows, header))
        row += len(rows)


def read_names(source: Input, options: ReadOptions) -> tuple[str, ...]:
    """The keys of the first chunk; later rows may bring more."""
    for chunk in read(source, options):
        return chunk.header
    raise InputError(
        f"{source.name}: is empty: there are only blank lines",
        hint="Each line must be a JSON object.",
    )


def _frame(rows: list[dict[str, Any]], header: dict[str, None]) -> pd.DataFrame:
    columns = {
        i: pd.Series([row.get(key) for row in rows], dtype=object)
        for i, key in enumerate(header)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def _records(source: Input, options: ReadOptions) -> Iterator[dict[str, Any]]:
    with open_text(source, options) as text:
        lines = io.BufferedReader(text, options.block_bytes)
        for number, line in enumerate(iter(lines.readline, b""), 1):
            if not line.isspace():
                yield _record(line.decode(), number, source)


def _record(line: str, number: int, source: Input) -> dict[str, Any]:
    try:
        record = _DECODER.decode(line)
        if _SURROGATE.search(line):
            json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _bad_line(_words(error), line, number, source) from error
    if isinstance(record, dict):
        return record
    raise _bad_line("is not an object", line, number, source)


def _words(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"is not JSON ({error.msg} at character {error.pos + 1})"
        case UnicodeEncodeError():
            return r"has half a character (a lone surrogate such as \ud800)"
        case RecursionError():
            return "is nested too deeply"
        case _:
            return str(error)


def _bad_line(what: str, line: str, number: int, source: Input) -> InputError:
    return InputError(
        f"{source.name}, line {number}: {what}; it begins '{excerpt(line)}'",
        hint="Each line must be one JSON object: {...}. An array of objects is "
        "turned into lines by: jq -c '.[]'",
    )


def _refuse_many_keys(header: dict[str, None], source: Input) -> None:
    if len(header) > MAX_KEYS:
        raise InputError(
            f"{source.name}: has more than {MAX_KEYS} different keys",
            hint="Keys name columns; put what differs from row to row in values.",
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has the key {twice!r} twice")
    return record


def _no_constant(word: str) -> Never:
    raise ValueError(f"has {word}, which is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
