"""
Text from outside, so that it cannot act: on a terminal, in a log, in a spreadsheet.

Names of files and columns, values, and whatever a service says may hold escape
sequences, line ends, letters that turn the line around, or a formula.
"""

import json
from collections.abc import Mapping
from typing import Any
from unicodedata import category

import orjson

_ACTS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what is not shown, but obeyed."""
# The last four are the full-width forms, which some spreadsheets take as well.
_SIGNS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_SKIPPED = "\"'`"
_GUARD = "'"


def printable(text: str) -> str:
    """Return text as one line that cannot steer a terminal: all else is spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def json_line(content: Mapping[str, Any]) -> str:
    """Return one JSON object on one line that cannot steer a terminal."""
    try:
        text = orjson.dumps(content).decode()
    except TypeError:  # half of a surrogate pair, from a name that is no UTF-8
        text = json.dumps(content)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def inert_cell(text: str) -> str:
    """
    Return text as a cell of CSV that no spreadsheet takes for a formula.

    What begins like one, also after spaces and quotes, gets an apostrophe in front
    (OWASP, "CSV Injection"); what is not shown is spelled out, so that a cell is one
    line. A sign alone is no formula: `-` is what stdin is called.
    """
    if not text.isprintable():
        text = "".join(c if category(c) not in _ACTS else repr(c)[1:-1] for c in text)
    begin = _begin(text)
    return _GUARD + text if len(begin) > 1 and begin.startswith(_SIGNS) else text


def _begin(text: str) -> str:
    while text and (text[0].isspace() or text[0] in _SKIPPED):
        text = text.lstrip().lstrip(_SKIPPED)
    return text
