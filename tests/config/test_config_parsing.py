"""One function for each kind of setting: good texts, bad texts."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.config.parsing import (
    Share,
    parse_count,
    parse_delimiter,
    parse_duration,
    parse_encoding,
    parse_field,
    parse_format,
    parse_name,
    parse_number,
    parse_rate,
    parse_same_failures,
    parse_share,
    parse_some,
    parse_switch,
)
from batch_updater.files.formats import InputFormat
from batch_updater.mapping.columns import FieldColumn
from batch_updater.models import FieldType

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

Parse = Callable[[str], Any]

GOOD: list[tuple[Parse, str, object]] = [
    (parse_duration, "30", 30.0),
    (parse_duration, "0.5", 0.5),
    (parse_duration, "30s", 30.0),
    (parse_duration, "250ms", 0.25),
    (parse_duration, "5m", 300.0),
    (parse_duration, "1.5h", 5400.0),
    (parse_duration, "1h30m", 5400.0),
    (parse_duration, "2d", 172800.0),
    (parse_duration, "1m1ms", 60.001),
    (partial(parse_duration, zero=True), "0s", 0.0),
    (partial(parse_duration, zero=True), "0", 0.0),
    (partial(parse_duration, zero=True), "2s", 2.0),
    (parse_same_failures, "50", 50),
    (parse_same_failures, "1", 1),
    (parse_same_failures, "off", None),
    (parse_rate, "10", 10.0),
    (parse_rate, "0.5", 0.5),
    (parse_rate, "0.001", 0.001),
    (parse_rate, "100000", 100000.0),
    (parse_rate, "unlimited", None),
    (parse_share, "1%", 0.01),
    (parse_share, "0.01", 0.01),
    (parse_share, "0", 0.0),
    (parse_share, "49.9%", 0.499),
    (parse_some, "0", Share(count=0)),
    (parse_some, "100", Share(count=100)),
    (parse_some, "5%", Share(share=0.05)),
    (parse_some, "100%", Share(share=1.0)),
    (parse_number, "1e3", 1000.0),
    (parse_count, "1", 1),
    (parse_count, "007", 7),
    (parse_switch, "true", True),
    (parse_switch, "YES", True),
    (parse_switch, "on", True),
    (parse_switch, "1", True),
    (parse_switch, "false", False),
    (parse_switch, "No", False),
    (parse_switch, "off", False),
    (parse_switch, "0", False),
    (parse_delimiter, ",", ","),
    (parse_delimiter, "tab", "\t"),
    (parse_delimiter, "\\t", "\t"),
    (parse_delimiter, "\t", "\t"),
    (parse_encoding, "utf-8", "utf-8"),
    (parse_encoding, "gb18030", "gb18030"),
    (parse_format, "auto", None),
    (parse_format, "jsonl", InputFormat("jsonl")),
    (parse_field, "age=Age", FieldColumn("age", "Age")),
    (parse_field, "age:integer=Age", FieldColumn("age", "Age", FieldType.INTEGER)),
    (parse_field, "age:long", FieldColumn("age", "", FieldType.LONG)),
    (parse_field, "a=b=c:d", FieldColumn("a", "b=c:d")),
    (parse_field, "a=年 龄\n", FieldColumn("a", "年 龄\n")),
    (parse_name, "a b", "a b"),
    (parse_name, "年龄", "年龄"),
]

BAD: list[tuple[Parse, tuple[str, ...]]] = [
    (parse_duration, ("", "0", "0s", "-5", "5x", "s", "1h30", "30 s", "1e3", "inf")),
    (parse_duration, ("1..5s", "5S", "9" * 400 + "d")),
    (partial(parse_duration, zero=True), ("", "-1", "s", "inf", "0x")),
    (parse_same_failures, ("", "0", "-1", "none", "OFF", "1%")),
    (parse_rate, ("", "0", "-1", "nan", "inf", "100001", "0.0001", "ten", "Unlimited")),
    (parse_rate, ("1_0", "5/s", "2,5")),
    (parse_share, ("", "%", "50%", "0.5", "1", "-1%", "nan%", "x")),
    (parse_some, ("", "-1", "1.5", "101%", "-1%", "%", "nan%", "x")),
    (parse_number, ("", "x", "nan", "inf", "-inf", "1e999")),
    (parse_count, ("", "0", "-1", "1.0", "1e3", "+1", " 1", "\u0661", "x")),
    (parse_switch, ("2", "maybe", "tru")),
    (parse_delimiter, ("", ",,", '"', "\n", "\r", "TAB")),
    (parse_encoding, ("", "utf-99", "hex", "a\x00b")),
    (parse_format, ("", "xml", "CSV")),
    (parse_field, ("", "age", "=Age", "age=", ":integer=Age", "age:=Age")),
    (parse_field, ("age:int=Age", "age:INTEGER=Age", "age:integer=", "a b=Age")),
    (parse_field, ("_id=Age", "年龄=Age", "x" * 37 + "=Age")),
    (parse_name, ("", " ", "a\nb", "a\x1b[31m", "\t", "\ud800")),
]


@pytest.mark.parametrize(("parse", "text", "value"), GOOD)
def test_good_texts(parse: Parse, text: str, value: object) -> None:
    """A setting's text means this value."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"), [(parse, text) for parse, texts in BAD for text in texts]
)
def test_bad_texts(parse: Parse, text: str) -> None:
    """What cannot be meant raises ValueError with a sentence, and is never guessed."""
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "rows", "allowed"),
    [
        ("0", 1000, 0),
        ("7", 10, 7),
        ("0%", 1000, 0),
        ("1%", 1000, 10),
        ("7%", 100, 7),
        ("29%", 100, 29),
        ("100%", 3, 3),
        ("1%", 150, 1),
        ("1%", 99, 0),
        ("1%", 0, 0),
        ("0.1%", 1_000_000, 1000),
    ],
)
def test_allowed_errors(text: str, rows: int, allowed: int) -> None:
    """--max-errors stops as soon as more than this number or share has failed."""
    assert parse_some(text).of(rows) == allowed


@MANY
@given(percent=st.integers(0, 100), rows=st.integers(0, 10**9))
def test_a_share_is_exact(percent: int, rows: int) -> None:
    """A percentage of rows is what integers say it is, without binary noise."""
    assert parse_some(f"{percent}%").of(rows) == percent * rows // 100


def test_counts_have_bounds() -> None:
    """Both ends of a range are inside it."""
    assert parse_count("5", least=5, most=5) == 5
    for text in ("4", "6"):
        with pytest.raises(ValueError, match="from 5 to 5"):
            parse_count(text, least=5, most=5)


@MANY
@given(text=st.text(max_size=12))
def test_nothing_but_value_errors(text: str) -> None:
    """Whatever is typed, the answer is a value or a ValueError."""
    said = []
    for parse in {parse for parse, _, _ in GOOD}:
        try:
            parse(text)
        except ValueError as error:
            said.append(str(error))
    assert all(said)
