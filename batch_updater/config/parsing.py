"""One function for each kind of value: text in, value out, ValueError with a why."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import floor, inf, isfinite
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from batch_updater.files.formats import SNAPSHOT_SUFFIXES, InputFormat
from batch_updater.frs.endpoints import is_host
from batch_updater.mapping.columns import FieldColumn, field_name_problem
from batch_updater.models import FieldType

T = TypeVar("T")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?")
_ODD = frozenset(' #"<>\\^`{|}')  # no URL holds them as they are (RFC 3986)
_FIELD = re.compile(r"(?P<name>[^:=]+)(:(?P<type>[^=]*))?(=(?P<column>.+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Share:
    """So many of some rows: a number, or a share of all of them."""

    count: int | None = None
    share: float | None = None

    def of(self, rows: int) -> int:
        """Return the number that it comes to; fractions are dropped."""
        if self.count is not None:
            return self.count
        # rounded: 0.07 * 100 is 7.000000000000001 and 0.29 * 100 a bit under 29
        return floor(round((self.share or 0.0) * rows, 6))


def parse_duration(text: str, *, zero: bool = False) -> float:
    """Return seconds for 30s, 1.5h, 1h30m, 250ms; a bare number is seconds."""
    position, seconds = 0, 0.0
    while found := _PART.match(text, position):
        if not found[2] and found[0] != text:
            break  # 1h30: minutes or seconds?
        seconds += float(found[1]) * _UNITS[found[2] or "s"]
        position = found.end()
    if position != len(text) or not text or seconds == inf or not (seconds or zero):
        raise ValueError("give a time such as 30s, 5m or 1h30m")
    return seconds


def parse_rate(text: str) -> float | None:
    """Return requests a second, or None for `unlimited`."""
    if text == "unlimited":
        return None
    rate = parse_number(text)
    if not 0.001 <= rate <= 100_000:
        raise ValueError("give requests a second, from 0.001 to 100000, or unlimited")
    return rate


def parse_share(text: str) -> float:
    """Return a share for 1% or 0.01; under one half."""
    share = parse_number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share < 0.5:
        raise ValueError("give a share from 0% to less than 50%")
    return share


def parse_some(text: str) -> Share:
    """Return how many of some rows for `500` or `1%`."""
    if not text.endswith("%"):
        return Share(count=parse_count(text, least=0))
    share = parse_number(text.removesuffix("%")) / 100
    if not 0 <= share <= 1:
        raise ValueError("give a number of rows, or a share from 0% to 100%")
    return Share(share=share)


def parse_notify_url(text: str) -> str:
    """Return the address of a webhook; no message repeats any of it."""
    try:
        url = urlsplit(text)
        _ = url.port  # raises when it is none
        host = url.hostname or ""
        whole = url.scheme in {"http", "https"} and bool(host) and is_host(host)
    except ValueError:
        whole = False
    if not whole or not text.isascii() or not text.isprintable() or set(text) & _ODD:
        raise ValueError("give an address such as https://hooks.example.com/frs")
    return text


def parse_same_failures(text: str) -> int | None:
    """Return a number of rows, or None for `off`."""
    return _unless_off(text, parse_count)


def parse_max_outage(text: str) -> float | None:
    """Return seconds, or None for `off`; with 0s nobody waits for the service."""
    return _unless_off(text, partial(parse_duration, zero=True))


def _unless_off(text: str, parse: Callable[[str], T]) -> T | None:
    if text == "off":
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def parse_number(text: str) -> float:
    """Return a finite number."""
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number) or "_" in text:  # 1_0 is 10 to Python alone
        raise ValueError("give a number")
    return number


def parse_count(text: str, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number within bounds."""
    bound = f" of at least {least}" if most is None else f" from {least} to {most}"
    if not text.isdecimal() or not text.isascii():
        raise ValueError(f"give a whole number{bound}")
    number = int(text)
    if number < least or (most is not None and number > most):
        raise ValueError(f"give a whole number{bound}")
    return number


def parse_snapshot(text: str) -> Path:
    """Return the path of a file whose name says CSV or Parquet."""
    path = Path(text)
    if path.suffix not in SNAPSHOT_SUFFIXES:
        raise ValueError(f"give a name that ends in {' or '.join(SNAPSHOT_SUFFIXES)}")
    return path


def parse_switch(text: str) -> bool:
    """Return a boolean for true and false (yes, no, 1, 0)."""
    if text.lower() in {"true", "yes", "1", "on"}:
        return True
    if text.lower() in {"false", "no", "0", "off", ""}:
        return False
    raise ValueError("give true or false")


def parse_delimiter(text: str) -> str:
    """Return the one character between cells; `tab` and `\\t` mean a tab."""
    character = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(character) != 1 or character in '"\r\n':
        raise ValueError("give one character, or `tab`")
    return character


def parse_encoding(text: str) -> str:
    """Return the name of an encoding that Python knows."""
    try:
        "".encode(text)
    except LookupError:
        raise ValueError("no such encoding; utf-8, gb18030 and utf-16 are") from None
    return text


def parse_format(text: str) -> InputFormat | None:
    """Return the format, or None for `auto`."""
    return None if text == "auto" else InputFormat(text)


def parse_field(text: str) -> FieldColumn:
    """Return a custom field from NAME=COLUMN, NAME:TYPE=COLUMN or NAME:TYPE."""
    found = _FIELD.fullmatch(text)
    if not found or (found["type"] is None and found["column"] is None):
        raise ValueError("give NAME=COLUMN or NAME:TYPE=COLUMN")
    kind = None if found["type"] is None else parse_field_type(found["type"])
    return make_field(found["name"], found["column"] or "", kind)


def make_field(name: str, column: str, kind: FieldType | None) -> FieldColumn:
    """Return a custom field whose name FRS would take."""
    if problem := field_name_problem(name):
        raise ValueError(problem[1])
    return FieldColumn(name, column, kind)


def parse_field_type(text: str) -> FieldType:
    """Return the type with this name."""
    try:
        return FieldType(text)
    except ValueError:
        kinds = ", ".join(FieldType)
        raise ValueError(f"{text!r} is no field type; there are {kinds}") from None


def parse_name(text: str) -> str:
    """Return text that is not empty and holds no control characters."""
    if not text.strip() or not text.isprintable():
        raise ValueError("give a name")
    return text
