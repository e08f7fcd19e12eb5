"""Columns as CSV: what csv.writer makes of rows, many rows at once."""

from collections.abc import Callable, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_updater.inert import inert_cell

# Begins with nothing that a spreadsheet obeys, and holds nothing to spell out or quote.
_PLAIN = r"^(?:[!#$%&()*./0-9:;<>?A-Z\[\\\]^_a-z{|}~][ !#-+\--~]*)?$"
_QUOTED = frozenset(',"\r\n')

Stamps = npt.NDArray[np.int64]


def write_columns(file: IO[bytes], columns: Sequence[Any]) -> None:
    """Write columns of texts that are cells already, as rows of CSV."""
    rows = pc.binary_join_element_wise(*columns, ",")
    lines = pc.binary_join_element_wise(rows, "", "\r\n")
    if len(lines):
        edges = np.frombuffer(lines.buffers()[1], dtype=np.int32)[lines.offset :]
        file.write(memoryview(lines.buffers()[2])[edges[0] : edges[len(lines)]])


def inert_cells(texts: Any) -> Any:
    """Return texts as cells of CSV that no spreadsheet takes for formulas."""
    return inert_texts(texts, lambda text: _quoted(inert_cell(text)))


def inert_texts(texts: Any, make: Callable[[str], str] = inert_cell) -> Any:
    """
    Return texts that no spreadsheet takes for formulas.

    Args:
        make: what is done with a text that is not plain; each is made once.
    """
    plain = pc.match_substring_regex(texts, _PLAIN)
    if pc.all(plain, min_count=0).as_py():
        return texts
    odd = texts.filter(pc.invert(plain)).dictionary_encode()
    made = [make(text) for text in odd.dictionary.to_pylist()]
    mended = pa.array(made, pa.string()).take(odd.indices)
    return pc.replace_with_mask(texts, pc.invert(plain), mended)


def _quoted(text: str) -> str:
    if _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def numbers(column: Any) -> Any:
    """Return whole numbers as cells; nothing where there is none."""
    return pc.fill_null(column.cast(pa.string()), "")


def flags(column: Any) -> Any:
    """Return flags as cells, as Python writes them."""
    return pc.if_else(column, "True", "False")


def fractions(column: Any) -> Any:
    """Return numbers as cells, as Python writes them."""
    texts = column.cast(pa.string())
    whole = pc.match_substring_regex(texts, r"^-?[0-9]+$")
    dotted = pc.binary_join_element_wise(texts, "", ".0")
    texts = pc.if_else(whole, dotted, texts)
    if (odd := pc.match_substring(texts, "e")) and pc.any(odd).as_py():
        spelled = [
            None if n is None else repr(n) for n in column.filter(odd).to_pylist()
        ]
        texts = pc.replace_with_mask(texts, odd, pa.array(spelled, pa.string()))
    return pc.fill_null(texts, "")


def stamps(microseconds: Stamps) -> Any:
    """Return microseconds since the epoch as UTC ISO-8601 with microseconds."""
    texts = pa.array(microseconds).cast(pa.timestamp("us")).cast(pa.string())
    zoned = pc.binary_join_element_wise(texts, "", "Z")
    return pc.replace_substring(zoned, " ", "T", max_replacements=1)
