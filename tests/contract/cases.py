"""What a case is: a documented fact that must hold, or a question with a finding."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from batch_updater.emulator.rules import switches
from contract.asking import Answer
from contract.stage import Stage

RULES = {switch.name: switch for switch in switches()}


class NotHeld(Exception):
    """A documented fact is not so; the text is the evidence."""


class NotAsked(Exception):
    """A case cannot, or may not, be tried here; the text says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """
    The answer to a question.

    Args:
        value: what is so, in a word or two.
        evidence: what was seen.
        switch: the emulator's flag that makes it so too, or empty.
        setting: what it means for the updater, or empty.
        expected: whether it is what is assumed; None when nothing is.
    """

    value: str
    evidence: str
    switch: str = ""
    setting: str = ""
    expected: bool | None = None


Fact = Callable[[Stage], None]
Question = Callable[[Stage], Found]


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One line of the report.

    Args:
        state: held, NOT HELD, found, or not asked.
    """

    case: str
    about: str
    state: str
    evidence: str = ""
    found: Found | None = None


HELD, NOT_HELD, FOUND, NOT_ASKED = "held", "NOT HELD", "found", "not asked"


def about(case: Fact | Question) -> str:
    """Return a case's fact or question: the first line of its docstring."""
    return (case.__doc__ or "").strip().splitlines()[0].rstrip(".")


def check_fact(case: Fact, stage: Stage) -> Entry:
    """Try a documented fact."""
    name, said = case.__name__, about(case)
    try:
        case(stage)
    except NotHeld as problem:
        return Entry(name, said, NOT_HELD, str(problem))
    except NotAsked as reason:
        return Entry(name, said, NOT_ASKED, str(reason))
    return Entry(name, said, HELD)


def ask_question(case: Question, stage: Stage) -> Entry:
    """Find out an unknown."""
    name, said = case.__name__, about(case)
    try:
        found = case(stage)
    except NotAsked as reason:
        return Entry(name, said, NOT_ASKED, str(reason))
    return Entry(name, said, FOUND, found.evidence, found)


def expect(so: object, evidence: str) -> None:
    """Raise NotHeld unless it is so."""
    if not so:
        raise NotHeld(evidence)


def expect_refusal(answer: Answer, *codes: str) -> None:
    """Raise NotHeld unless it is a 400 with one of these codes (any of FRS's)."""
    wanted = answer.code in codes if codes else answer.code.startswith("FRS.")
    expect(answer.status == 400 and wanted, answer.said)


def by_rule(rule: str, value: str, evidence: str, setting: str = "") -> Found:
    """Return a finding that a switch of the emulator has, or has not."""
    switch = RULES[rule]
    known = value in switch.allowed
    return Found(
        value,
        evidence,
        f"--{rule.replace('_', '-')} {value}" if known else "",
        setting,
        value == switch.default,
    )


def object_of(value: Any) -> str:
    """Return a value as evidence writes it."""
    return "nothing" if value is None else repr(value)
