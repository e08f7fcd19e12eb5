"""
What a spreadsheet does to text that looks like a number, a date or a boolean.

Pure: two texts in, words out. A value that was mended by hand is none of this.
"""

import re
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

from batch_updater.models import FieldType

_NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE = re.compile(
    rf"\d{{1,4}}([-/.])\d{{1,2}}\1\d{{1,4}}.*|\d{{1,2}}[-. /](?:{_MONTH})\w*\W?\d*|"
    rf"(?:{_MONTH})\w*[-. /]\d{{1,4}}",
    re.ASCII | re.IGNORECASE,
)
_BOOLEANS = frozenset({"true", "false"})
# What Excel keeps of a number, what a double holds for sure, what tells it from
# its neighbours, and all of one that is a whole number.
_KEPT_DIGITS = (15, 16, 17, 400)
_WHOLE = frozenset({FieldType.INTEGER, FieldType.LONG})
_SCIENTIFIC = "it stands in scientific notation now"
_PRECISION = f"digits after the {_KEPT_DIGITS[0]}th are gone"


def damage_of(old: str, new: str, kind: FieldType | None = FieldType.STRING) -> str:
    """
    Return what happened to a text that was not changed on purpose, or nothing.

    Args:
        kind: the type of the field; of a number's, other spellings do no harm.
    """
    if old == new or not old or not new:
        return ""
    a, b = _number(old), _number(new)
    if a is not None and b is not None and a != b:
        return _lost_digits(old, new, kind)
    if kind not in (None, FieldType.STRING):
        return ""
    if a is not None and b is not None:
        return _respelled(old, new)
    if old.lower() == new.lower() and old.lower() in _BOOLEANS:
        return "it was taken for a boolean"
    return "it became a date" if _became_date(old, new) else ""


def damage_of_id(old: str, new: str) -> str:
    """Return what made one id of another, or nothing; spaces count too."""
    if old != new and old.strip() == new.strip():
        return "the spaces around it have changed"
    return damage_of(old, new)


def suspicion(new: str) -> str:
    """Return what an id looks like that nothing is known to have become, or nothing."""
    if _DATE.fullmatch(new):
        return "it looks like a date"
    if _number(new) is None:
        return ""
    if "e" in new.lower():
        return "it looks like a number in scientific notation"
    return "it looks like a fraction" if "." in new or "," in new else ""


def _number(text: str) -> Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    return Decimal(text.replace(",", "."))


def _respelled(old: str, new: str) -> str:
    """Two spellings of one number."""
    if "e" in new.lower() and "e" not in old.lower():
        return _SCIENTIFIC
    if "e" in old.lower():
        return "it was taken for a number in scientific notation"
    if any(c in new for c in ".,") and not any(c in old for c in ".,"):
        return "it was taken for a fraction"
    if old.startswith("0"):
        return "leading zeros are gone"
    return "it was taken for a number"


def _lost_digits(old: str, new: str, kind: FieldType | None) -> str:
    mantissa = re.split("[eE]", new)[0]
    digits = sum(c.isdigit() for c in mantissa.lstrip("+-0.,"))
    if mantissa != new and "e" not in old.lower():
        return _SCIENTIFIC if _is_rounded(old, new, digits) else ""
    if kind not in (None, FieldType.STRING, *_WHOLE):
        return ""
    return _PRECISION if any(_is_rounded(old, new, n) for n in _KEPT_DIGITS) else ""


def _is_rounded(old: str, new: str, digits: int) -> bool:
    """Return whether a number, or its double, was cut or rounded to so many digits."""
    a, b = Decimal(old.replace(",", ".")), Decimal(new.replace(",", "."))
    return digits > 0 and any(
        Context(prec=digits, rounding=how).create_decimal(each) == b
        for how in (ROUND_DOWN, ROUND_HALF_UP)
        for each in (a, Decimal(float(a)))
    )


def _became_date(old: str, new: str) -> bool:
    if not _DATE.fullmatch(new) or _shape(old) == _shape(new):
        return False
    words = re.findall(r"[a-z]+", old.lower())
    months = all(re.match(_MONTH, word) for word in words)
    return months and bool(_numbers(old) & _numbers(new))


def _shape(text: str) -> str:
    return re.sub(r"\d", "0", text)


def _numbers(text: str) -> set[int]:
    return {int(digits) for digits in re.findall(r"[0-9]{1,9}", text)}
