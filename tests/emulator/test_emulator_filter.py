"""The filter language of page 0014: what it means, and what it refuses."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.operations.filter import compile_filter, equals
from batch_updater.emulator.operations.filter_syntax import (
    MAX_DEPTH,
    FilterError,
    parse,
)
from batch_updater.emulator.state.face import Face

FIELDS = {
    "age": "integer",
    "size": "double",
    "color": "string",
    "title": "string",
    "male": "boolean",
}
WORDS = ("red", "reddish", "blue", "a-b_1", "\u5f20\u4e09", "TO", "true", "7")

Judge = Callable[[dict[str, Any]], bool]
# A filter in its text, and what it should say of a face's values.
Case = tuple[str, Judge]


def face(image_id: str = "image", **values: object) -> Face:
    """Return a face with these values."""
    return Face("f", image_id, (1, 2, 3, 4), values, 0)


def means(text: str, **values: object) -> bool:
    """Say whether a filter means a face with these values."""
    return compile_filter(text, FIELDS)(face(**values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "ages"),
    [
        ("age:[1 TO *]", [1, 2, 3]),
        ("age:[* TO 1]", [0, 1]),
        ("age:[1 TO 2]", [1, 2]),
        ("age:{1 TO 3}", [2]),
        ("age:[1 TO 3}", [1, 2]),
        ("age:{1 TO 3]", [2, 3]),
        ("age:{* TO *}", [0, 1, 2, 3]),
        ("age:[0.5 TO 1.5]", [1]),
        ("age:2", [2]),
        ('age:"2"', [2]),
        ("age:2.0", [2]),
        ("(!age:2)", [0, 1, 3]),
        ("age:0 || age:1 && age:2", [0]),
        ("(age:0 || age:1) && age:1", [1]),
        ("(!(age:0 || age:1))", [2, 3]),
        ("(!(!age:3))", [3]),
        ("  age :[ 1   TO 2 ]  &&(age:1)", [1]),
        ("age:[-5 TO 1e0]", [0, 1]),
    ],
)
def test_numbers(text: str, ages: list[int]) -> None:
    """Square brackets hold their ends, curly ones do not; && binds before ||."""
    assert [age for age in range(4) if means(text, age=age)] == ages


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("title:quick", ["quick"]),
        ('title:"quick fox"', ["quick fox"]),
        ("title:quick*", ["quick", "quick fox", "quickly"]),
        ("title:q?ick", ["quick"]),
        ("title:*", ["quick", "quick fox", "quickly", 'a "b" \\', "*", "Quick"]),
        ('title:"*"', ["*"]),
        (r'title:"a \"b\" \\"', ['a "b" \\']),
        ("title:?", ["*"]),
    ],
)
def test_strings(text: str, titles: list[str]) -> None:
    """A word means the whole string, with wildcards unless it is quoted."""
    every = ["quick", "quick fox", "quickly", 'a "b" \\', "*", "Quick"]
    assert [title for title in every if means(text, title=title)] == titles


def test_image_id_and_flags() -> None:
    """external_image_id can be asked for, and true and false are no numbers."""
    test = compile_filter("external_image_id:im*", FIELDS)
    assert (test(face("image")), test(face("other"))) == (True, False)
    assert means("male:true", male=True)
    assert not means("male:true", male=1)
    assert not means("age:1", age=True)
    assert not means("age:[0 TO 9]", age="5")


def test_a_face_without_the_field() -> None:
    """A face without a value matches no term of it, and every negation of one."""
    for text in ("age:[* TO *]", "age:1", "color:*", "male:false"):
        assert not means(text)
        assert means(f"(!{text})")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("   ", 4),
        ("age", 4),
        ("age:", 5),
        (":1", 1),
        ("age:1 age:2", 7),
        ("age:1 &&", 9),
        ("age:1 & age:2", 7),
        ("age:1 | age:2", 7),
        ("|| age:1", 1),
        ("(age:1", 7),
        ("age:1)", 6),
        ("()", 2),
        ("!age:1", 1),
        ("age:1 && !age:2", 10),
        ("(!age:1 && age:2)", 9),
        ("age:x", 5),
        ("age:1.0f", 5),
        ("age:1_0", 5),
        ("age:\u0661", 5),
        ("age:[1 TO", 10),
        ("age:[1 to 2]", 8),
        ("age:[1 TO 2", 12),
        ("age:[x TO 2]", 6),
        ("age:[1 TO x]", 11),
        ("age:[1 2]", 8),
        ('age:["1" TO 2]', 6),
        ("color:[a TO b]", 8),
        ('color:""', 7),
        ('color:"open', 7),
        ("male:yes", 6),
        ("male:[1 TO 2]", 7),
        ("age:" + "9" * 301, 5),
        ("(" * 100_000, MAX_DEPTH + 1),
    ],
)
def test_bad_filter(text: str, position: int) -> None:
    """A wrong filter is refused with FRS.0012 and the character at fault."""
    with pytest.raises(Refusal, match=rf"at character {position}\.$") as refused:
        compile_filter(text, FIELDS)
    assert refused.value.code == "FRS.0012"


def test_undeclared_field() -> None:
    """A field that the face set has not declared is refused with FRS.0402."""
    with pytest.raises(Refusal, match="height was not declared") as refused:
        compile_filter("age:1 || height:2", FIELDS)
    assert refused.value.code == "FRS.0402"


def test_many_wildcards_end_soon() -> None:
    """A pattern of many wildcards takes no longer than it is long."""
    assert not means("title:" + "a*" * 120 + "b", title="a" * 256)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("age", "7", True),
        ("age", "7.0", True),
        ("title", "a*", False),
        ("title", "a(", True),
        ("male", "true", True),
        ("external_image_id", "image", True),
    ],
)
def test_equals(name: str, text: str, found: bool) -> None:
    """A value from a query is compared as the field's type, without wildcards."""
    assert equals(name, text, FIELDS)(face(age=7, title="a(", male=True)) is found


def quoted(text: str) -> str:
    """Return a text as a filter quotes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def has(name: str, judge: Callable[[Any], bool]) -> Judge:
    """Return a judge of one value; a face without it is judged false."""
    return lambda values: name in values and judge(values[name])


@st.composite
def ranges(draw: st.DrawFn) -> Case:
    """Return a range over one of the numeric fields."""
    name = draw(st.sampled_from(["age", "size"]))
    low = draw(st.none() | st.integers(-3, 3))
    high = draw(st.none() | st.integers(-3, 3))
    left, right = draw(st.sampled_from("[{")), draw(st.sampled_from("]}"))

    def inside(value: float) -> bool:
        above = low is None or value > low or (left == "[" and value == low)
        below = high is None or value < high or (right == "]" and value == high)
        return above and below

    ends = ["*" if end is None else str(end) for end in (low, high)]
    return f"{name}:{left}{ends[0]} TO {ends[1]}{right}", has(name, inside)


def terms() -> st.SearchStrategy[Case]:
    """Return terms on single values."""
    numbers = st.tuples(st.sampled_from(["age", "size"]), st.integers(-3, 3))
    words = st.tuples(st.sampled_from(["color", "title"]), st.sampled_from(WORDS))
    texts = st.tuples(st.sampled_from(["color", "title"]), st.text(min_size=1))
    return st.one_of(
        ranges(),
        numbers.map(lambda t: (f"{t[0]}:{t[1]}", has(t[0], lambda v: v == t[1]))),
        words.map(lambda t: (f"{t[0]}:{t[1]}", has(t[0], lambda v: v == t[1]))),
        words.map(
            lambda t: (f"{t[0]}:{t[1]}*", has(t[0], lambda v: v.startswith(t[1])))
        ),
        texts.map(lambda t: (f"{t[0]}:{quoted(t[1])}", has(t[0], lambda v: v == t[1]))),
        st.booleans().map(
            lambda flag: (f"male:{str(flag).lower()}", has("male", lambda v: v is flag))
        ),
    )


def negated(case: Case) -> Case:
    """Return `(!case)`."""
    text, judge = case
    inner = f"({text})" if "&&" in text or "||" in text else text
    return f"(!{inner})", lambda values: not judge(values)


def joined(cases: list[Case]) -> Case:
    """Return parts joined by &&, each in parentheses if it has an ||."""
    texts = [f"({text})" if "||" in text else text for text, _ in cases]
    return " && ".join(texts), lambda values: all(judge(values) for _, judge in cases)


def either(cases: list[Case]) -> Case:
    """Return parts joined by ||, without parentheses, as && binds before it."""
    text = "||".join(text for text, _ in cases)
    return text, lambda values: any(judge(values) for _, judge in cases)


def trees() -> st.SearchStrategy[Case]:
    """Return whole filters with their meaning."""
    return st.recursive(
        terms(),
        lambda inner: st.one_of(
            inner.map(negated),
            st.lists(inner, min_size=2, max_size=4).map(joined),
            st.lists(inner, min_size=2, max_size=4).map(either),
        ),
        max_leaves=8,
    )


def faces() -> st.SearchStrategy[dict[str, Any]]:
    """Return values of a face, any of them missing."""
    return st.fixed_dictionaries(
        {},
        optional={
            "age": st.integers(-4, 4),
            "size": st.sampled_from([-1.5, 0.0, 1.0, 2.5]),
            "color": st.sampled_from(WORDS),
            "title": st.sampled_from(WORDS) | st.text(min_size=1),
            "male": st.booleans(),
        },
    )


@given(case=trees(), values=st.lists(faces(), min_size=1, max_size=10))
def test_filters_mean_what_their_tree_says(
    case: Case, values: list[dict[str, Any]]
) -> None:
    """On generated trees, a filter agrees with a plain evaluation of the tree."""
    text, judge = case
    test = compile_filter(text, FIELDS)
    assert [test(face(**each)) for each in values] == [judge(each) for each in values]


@given(text=st.text() | st.text(alphabet='age:1 ()[]{}!&|"\\*TO'))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No text at all makes the parser fail in another way than its own."""
    assert re.fullmatch(r"|.* at character \d+", refusal(text), re.DOTALL)


def refusal(text: str) -> str:
    """Return why a text is no filter; nothing when it is one."""
    try:
        parse(text)
    except FilterError as problem:
        return str(problem)
    return ""
