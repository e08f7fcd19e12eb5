"""One setting: flag, environment variable and file key at once."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from batch_updater.config.parsing import parse_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """
    One setting.

    Args:
        name: the flag without its dashes.
        default: as text; None means "not set".
        parse: text to value; raises ValueError with a sentence for people.
        choices: the only texts allowed, if any.
        switch: a flag without a value.
        many: may be given more than once.
        also: another environment variable that is read after our own.
        unquoted: a bad value is not repeated in messages: it may hold a secret.
        mask: how a value is shown that is a secret; such a setting is never recorded,
            and looked for anew by whoever goes on with a run.
        short: the flag with one dash, if it has one.
    """

    name: str
    group: str
    help: str
    parse: Callable[[str], Any] = parse_name
    default: str | None = None
    metavar: str = "NAME"
    choices: tuple[str, ...] = ()
    switch: bool = False
    many: bool = False
    also: str = ""
    unquoted: bool = False
    mask: Callable[[str], str] | None = None
    short: str = ""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "BATCH_UPDATER_" + self.name.replace("-", "_").upper()

    @property
    def attribute(self) -> str:
        """The name in Settings."""
        return self.name.replace("-", "_")


def choice(kind: type[StrEnum], **more: Any) -> dict[str, Any]:
    """Return what an option is whose values are those of an enumeration."""
    return {"parse": kind, "choices": tuple(kind), **more}


def text(*choices: str) -> dict[str, Any]:
    """Return what an option is whose values are these texts."""
    return {"parse": str, "choices": choices}
