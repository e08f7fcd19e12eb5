"""Which faces a filter means: the tree of a filter against their values; pure."""

import fnmatch
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.operations.filter_syntax import (
    And,
    FilterError,
    Node,
    Not,
    Or,
    Range,
    Token,
    Value,
    parse,
)
from batch_updater.emulator.state.face import Face

IMAGE_ID = "external_image_id"
NUMBER = re.compile(r"[+-]?\d{1,300}(\.\d{1,300})?([eE][+-]?\d{1,3})?", re.ASCII)
FLAGS = {"true": True, "false": False}
NUMERIC = ("integer", "long", "float", "double")

Test = Callable[[Face], bool]
Number = int | float
Limit = Callable[[Number], bool]


def compile_filter(text: str, declared: Mapping[str, str]) -> Test:
    """
    Return the predicate of a filter over a face set's declared fields.

    Fields are the declared ones and external_image_id. A word matches a whole
    string, with `*` for any letters and `?` for one; what is quoted has no
    wildcards. A face without the field matches no term of it. FRS.0012 names the
    character at fault, FRS.0402 the field that was not declared.
    """
    try:
        return _test(parse(text), declared)
    except FilterError as problem:
        raise Refusal("FRS.0012", f"The filter is wrong: {problem}.") from None


def equals(name: str, text: str, declared: Mapping[str, str]) -> Test:
    """Return the predicate of a field with exactly this value, given as text.

    FRS.0012 for a value that the field cannot have, FRS.0402 for an undeclared field.
    """
    field = Value(Token("word", name, 1), Token("quoted", text, 1))
    try:
        return _value(field, declared)
    except FilterError:
        raise Refusal("FRS.0012", f"The value of {name} has a wrong format.") from None


def value_of(face: Face, name: str) -> object:
    """Return what a filter or a sort sees of a face; None when it has no such value."""
    if name == IMAGE_ID:
        return face.external_image_id
    return face.external_fields.get(name)


def _test(node: Node, declared: Mapping[str, str]) -> Test:
    match node:
        case Or(parts):
            some = [_test(part, declared) for part in parts]
            return lambda face: any(test(face) for test in some)
        case And(parts):
            every = [_test(part, declared) for part in parts]
            return lambda face: all(test(face) for test in every)
        case Not(inner):
            test = _test(inner, declared)
            return lambda face: not test(face)
        case Range():
            return _range(node, declared)
        case Value():
            return _value(node, declared)


def _range(node: Range, declared: Mapping[str, str]) -> Test:
    if _kind(node.name, declared) not in NUMERIC:
        raise FilterError(
            f"{node.name.text} is no number, so a range", node.low.position
        )
    name = node.name.text
    above = _bound(node.low, operator.ge if node.low_included else operator.gt)
    below = _bound(node.high, operator.le if node.high_included else operator.lt)

    def test(face: Face) -> bool:
        value = value_of(face, name)
        return is_number(value) and above(value) and below(value)

    return test


def _bound(token: Token, compare: Callable[[Any, Any], bool]) -> Limit:
    if token.text == "*":
        return lambda value: True
    limit = _number(token)
    return lambda value: compare(value, limit)


def _value(node: Value, declared: Mapping[str, str]) -> Test:
    kind, name = _kind(node.name, declared), node.name.text
    if not node.value.text:
        raise FilterError("an empty string cannot be searched for", node.value.position)
    if kind in NUMERIC:
        number = _number(node.value)
        return lambda face: is_number(found := value_of(face, name)) and found == number
    if kind == "boolean":
        flag = _flag(node.value)
        return lambda face: value_of(face, name) is flag
    if node.value.kind == "quoted":
        text = node.value.text
        return lambda face: value_of(face, name) == text
    # Words hold no brackets, so that these are all the wildcards fnmatch knows.
    fits = re.compile(fnmatch.translate(node.value.text)).match
    return lambda face: (
        isinstance(found := value_of(face, name), str) and bool(fits(found))
    )


def _kind(name: Token, declared: Mapping[str, str]) -> str:
    if name.text == IMAGE_ID:
        return "string"
    if name.text not in declared:
        raise Refusal("FRS.0402", f"The field {name.text} was not declared.")
    return declared[name.text]


def _number(token: Token) -> Number:
    if not NUMBER.fullmatch(token.text):
        raise FilterError(f"{token.text!r} is no number", token.position)
    whole = token.text.lstrip("+-").isdigit()
    return int(token.text) if whole else float(token.text)


def _flag(token: Token) -> bool:
    if token.text not in FLAGS:
        raise FilterError(f"{token.text!r} is neither true nor false", token.position)
    return FLAGS[token.text]


def is_number(value: object) -> TypeGuard[Number]:
    """Say whether a stored value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
