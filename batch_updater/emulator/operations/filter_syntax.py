"""The filter language of page 0014, as text and as a tree; pure."""

import re
from dataclasses import dataclass

MAX_DEPTH = 50

TOKEN = re.compile(
    r"""\s*(?:
      (?P<mark>&&|\|\||[!:()\[\]{}])
    | "(?P<quoted>(?:[^"\\]|\\.)*)"
    | (?P<word>[^\s!:()\[\]{}"&|]+)
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)


class FilterError(ValueError):
    """A filter is wrong; says in what, and at which character, counted from 1."""

    def __init__(self, problem: str, position: int) -> None:
        super().__init__(f"{problem} at character {position}")


@dataclass(frozen=True, slots=True)
class Token:
    """A mark, a word or a quoted text, and where it starts."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Value:
    """`name:value`: a word, which may hold wildcards, or a quoted text."""

    name: Token
    value: Token


@dataclass(frozen=True, slots=True)
class Range:
    """`name:[low TO high]`; a curly bracket leaves its end out, `*` is no limit."""

    name: Token
    low: Token
    high: Token
    low_included: bool
    high_included: bool


@dataclass(frozen=True, slots=True)
class Not:
    """`(!inner)`."""

    inner: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """`one && other && ...`."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """`one || other || ...`, which binds less than `&&`."""

    parts: tuple["Node", ...]


Node = Value | Range | Not | And | Or


def parse(text: str) -> Node:
    """Return the tree of a filter; FilterError names the character at fault."""
    parser = _Parser(_tokens(text))
    tree = parser.any()
    parser.expect("end", "the end of the filter")
    return tree


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while not found or found[-1].kind != "end":
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            stray = len(text) - len(text[at:].lstrip())
            raise FilterError(f"{text[stray]!r} is not understood", stray + 1)
        kind, value = match.lastgroup, match[match.lastgroup]
        start = match.start(kind) + (kind != "quoted")
        if kind == "mark":
            kind = value
        elif kind == "quoted":
            value = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        found.append(Token(kind, value, start))
        at = match.end()
    return found


class _Parser:
    """Recursive descent: one method for each level of precedence."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def any(self) -> Node:
        parts = [self._all()]
        while self._take("||"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def expect(self, kind: str, what: str) -> Token:
        token = self._take(kind)
        if token is None:
            found = self._next
            seen = f"not {found.text!r}" if found.text else "and there is none"
            raise FilterError(f"{what} is expected, {seen},", found.position)
        return token

    def _all(self) -> Node:
        parts = [self._part()]
        while self._take("&&"):
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _part(self) -> Node:
        opened = self._take("(")
        if opened is None:
            return self._term()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            deep = f"more than {MAX_DEPTH} parentheses in one another"
            raise FilterError(deep, opened.position)
        # Page 0014: a negation stands in parentheses of its own.
        inner: Node = Not(self._part()) if self._take("!") else self.any()
        self.expect(")", "')'")
        self._depth -= 1
        return inner

    def _term(self) -> Node:
        name = self.expect("word", "the name of a field")
        self.expect(":", "':'")
        opened = self._take("[") or self._take("{")
        if opened is not None:
            return self._range(name, opened)
        value = self._take("quoted") or self.expect("word", "a value")
        return Value(name, value)

    def _range(self, name: Token, opened: Token) -> Node:
        low = self.expect("word", "a number or *")
        to = self.expect("word", "TO")
        if to.text != "TO":
            raise FilterError(f"TO is expected, not {to.text!r},", to.position)
        high = self.expect("word", "a number or *")
        closed = self._take("]") or self.expect("}", "']' or '}'")
        return Range(name, low, high, opened.kind == "[", closed.kind == "]")

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, kind: str) -> Token | None:
        token = self._next
        if token.kind != kind:
            return None
        self._at += 1
        return token
