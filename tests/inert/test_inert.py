"""Text from outside: what it may do to a terminal, a log, a spreadsheet. Nothing."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.inert import inert_cell, json_line, printable

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
# Drawn often enough to meet: signs, spaces, quotes, and what acts.
text = st.text(st.sampled_from(f"{SIGNS} \t\r\n\"'`a1\u3000\xa0\x1b\x9b\u202e")) | (
    st.text()
)


@MANY
@given(text=text)
def test_printable_keeps_what_people_can_read(text: str) -> None:
    """Printable text stays; all else is spelled out in ASCII."""
    shown = printable(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@MANY
@given(name=text, value=text)
def test_a_json_line_says_the_same(name: str, value: str) -> None:
    """It is one printable line, and reads back as what went in."""
    content = {name: value, "half": "\udc80"[: len(value) % 2], "n": 1.5}
    line = json_line(content)
    assert line.isprintable()
    assert json.loads(line) == content


@MANY
@given(text=text)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    """Not even after spaces and quotes; a sign alone is none."""
    cell = inert_cell(text)
    assert not set(cell) & set("\t\r\n\x1b\x9b\u202e\u2028\u2029")
    begin = cell
    while begin and (begin[0].isspace() or begin[0] in '"`'):
        begin = begin[1:]
    assert len(begin) < 2 or begin[0] not in SIGNS


@MANY
@given(text=st.from_regex(r"[A-Za-z0-9_]{1,36}", fullmatch=True))
def test_an_id_stays_itself(text: str) -> None:
    """What FRS takes for an id is written as it is, so that joins find it."""
    assert inert_cell(text) == text


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\t=1+1", r"\t=1+1"),
        ("\r=1+1", r"\r=1+1"),
        (' "=1+1', "' \"=1+1"),
        ("\xa0\u3000=1", "'\xa0\u3000=1"),
        ("'=1", "''=1"),
        ("-", "-"),
        ("", ""),
        ("a=1", "a=1"),
        ("\u4eba\u3000\u8138", "\u4eba\u3000\u8138"),
        ("a\nb\u202ec\x1b", r"a\nb\u202ec\x1b"),
    ],
)
def test_cells(text: str, cell: str) -> None:
    """Signs get an apostrophe, what acts is spelled out, and all else is left alone."""
    assert inert_cell(text) == cell
