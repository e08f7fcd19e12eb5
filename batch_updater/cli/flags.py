"""Settings as flags: what a command takes of the table of settings."""

import argparse
from collections.abc import Iterable
from typing import Any

from batch_updater.config.option import Option
from batch_updater.config.options import OPTIONS
from batch_updater.config.settings import Texts

_TITLES = {
    "input": "input",
    "mapping": "columns",
    "export": "the file, and listing",
    "target": "target",
    "pace": "pace",
    "retry": "retry",
    "safety": "safety",
    "update": "what is sent",
    "state": "what was last applied",
    "plan": "planning",
    "apply": "applying",
    "verify": "verifying",
    "output": "output",
    "credentials": "credentials",
}


def add_options(
    command: argparse.ArgumentParser,
    groups: Iterable[str],
    without: Iterable[str] = (),
) -> None:
    """Add the settings of some groups to a command, but for those that it lacks."""
    left_out = set(without)
    for name in groups:
        group = command.add_argument_group(_TITLES[name])
        for option in OPTIONS:
            if option.group == name and option.name not in left_out:
                _add_option(group, option)
        if name == "output":
            _add_loudness(group)


def _add_loudness(group: Any) -> None:
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "-q", "--quiet", action="store_true", help="nothing but errors on stderr"
    )
    either.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="log each attempt that did not succeed and each row that failed; -vv "
        "logs every attempt",
    )


def _add_option(group: Any, option: Option) -> None:
    default = (
        "" if option.default in {None, "false"} else f" (default: {option.default})"
    )
    text = (option.help + default).replace("%", "%%")
    if option.switch:
        group.add_argument(
            f"--{option.name}", action=argparse.BooleanOptionalAction, help=text
        )
    elif option.choices:
        group.add_argument(
            f"--{option.name}", choices=[str(c) for c in option.choices], help=text
        )
    else:
        action = "append" if option.many else "store"
        flags = [option.short, f"--{option.name}"][not option.short :]
        group.add_argument(*flags, action=action, metavar=option.metavar, help=text)


def flags_of(arguments: argparse.Namespace) -> Texts:
    """Return the settings that were given as flags, as text."""
    texts = {}
    for option in OPTIONS:
        value = getattr(arguments, option.attribute, None)
        if isinstance(value, bool):
            texts[option.name] = ("true" if value else "false",)
        elif value is not None:
            texts[option.name] = tuple(value) if option.many else (value,)
    return texts
