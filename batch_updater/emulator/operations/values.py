"""Which values external_fields may have: documented rules and switches; pure."""

import math
import re
import sys
from collections.abc import Iterable, Mapping

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.rules import FieldTypes, OddValues, Rules

STRICT_VALUE = re.compile(r"[A-Za-z0-9_-]{1,256}")  # page 0012 alone
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
MAX_VALUE = 256
MAX_DEPTH = 20  # of a nested value; ours
INTEGER_BITS = {"integer": 32, "long": 64}
LARGEST = {"float": 3.4028234663852886e38, "double": sys.float_info.max}


def check_values(
    fields: Mapping[str, object], declared: Mapping[str, str], rules: Rules
) -> None:
    """Hold values against the declaration: FRS.0402 undeclared, FRS.0012 wrong."""
    for name, value in fields.items():
        if name not in declared:
            raise Refusal("FRS.0402", f"The field {name} was not declared.")
        kind = declared[name]
        if _is_taken(value, kind, rules.field_types):
            _check_charset(name, value, rules)
        elif _odd_rule(value, rules) == "refuse":
            problem = f"The value of {name} is not a valid {kind}."
            raise Refusal(rules.wrong_type_code, problem)


def cleared(fields: Mapping[str, object], rules: Rules) -> frozenset[str]:
    """Return the names of those checked values that clear their field."""
    if "clear" not in (rules.null_values, rules.empty_values):
        return frozenset()
    return frozenset(
        name for name, value in fields.items() if _odd_rule(value, rules) == "clear"
    )


def fits(value: object, kind: str) -> bool:
    """Say whether a JSON value is a valid value of an FRS field type (page 0012)."""
    if kind == "string":
        return isinstance(value, str) and 1 <= len(value) <= MAX_VALUE
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind in INTEGER_BITS:
        return isinstance(value, int) and _in_bits(value, INTEGER_BITS[kind])
    return kind in LARGEST and _in_range(value, LARGEST[kind])


def readable(value: object, kind: str) -> bool:
    """Say whether a scalar can be read as a type, as search engines do ("7", 1.5)."""
    if kind == "string":
        return True
    if kind == "boolean":
        return isinstance(value, bool) or value in ("true", "false")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    if isinstance(value, str) and not NUMBER.fullmatch(value):
        return False
    number = float(value) if isinstance(value, str) else value
    if kind in INTEGER_BITS and math.isfinite(number):
        return _in_bits(int(number), INTEGER_BITS[kind])
    return kind in LARGEST and _in_range(number, LARGEST[kind])


def _odd_rule(value: object, rules: Rules) -> OddValues:
    # Null and "" are ways in which a client may mean "clear this field".
    if value is None:
        return rules.null_values
    if isinstance(value, list | dict):
        return "refuse" if _is_deep(value) else rules.nested_values
    return rules.empty_values if value == "" else "refuse"


def _is_deep(value: object, left: int = MAX_DEPTH) -> bool:
    # What can be read must not be too deep to be written back.
    inner: Iterable[object] = ()
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
    return left == 0 or any(_is_deep(each, left - 1) for each in inner)


def _check_charset(name: str, value: object, rules: Rules) -> None:
    if (
        rules.string_values == "strict"
        and isinstance(value, str)
        and not STRICT_VALUE.fullmatch(value)
    ):
        raise Refusal("FRS.0012", f"The value of {name} has a forbidden character.")


def _is_taken(value: object, kind: str, types: FieldTypes) -> bool:
    if types == "strict":
        return fits(value, kind)
    sound = fits(value, _own_type(value))
    return sound and (types == "lenient" or readable(value, kind))


def _own_type(value: object) -> str:
    # What a lenient service still needs: a scalar, whatever the field declares.
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    return "double" if isinstance(value, float) else "string"


def _in_bits(value: int, bits: int) -> bool:
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1)


def _in_range(value: float, limit: float) -> bool:
    # Python compares an int of any size with a float exactly, and inf is beyond.
    return -limit <= value <= limit
