"""What a command came to, and who is told of it beside whoever reads stdout."""

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from socket import gethostname
from typing import TYPE_CHECKING, Any

from batch_updater.cli.flags import flags_of
from batch_updater.cli.log import log_error, set_log_format
from batch_updater.config.modes import OutputMode
from batch_updater.config.options import BY_NAME, CONFIG_VARIABLE, PROFILE_VARIABLE
from batch_updater.config.settings import (
    Resolved,
    Texts,
    never_recorded,
    read_environment,
    resolve,
)
from batch_updater.errors import BatchUpdaterError
from batch_updater.inert import json_line

if TYPE_CHECKING:
    from batch_updater.config.webhook import Webhook

# What leads to the webhook, for a command that ends before its settings are known.
_OF_THE_WAY = frozenset({"allow-http", "ca-cert", "notify-url", "proxy", "timeout"})


class Ending:
    """
    Keeps what a command has told of its end, until it has ended.

    Args:
        word: the command.
    """

    def __init__(self, word: str, arguments: argparse.Namespace) -> None:
        self.content: Mapping[str, Any] = {}
        self._word = word
        self._arguments = arguments
        self._resolved: Resolved | None = None

    def know(self, resolved: Resolved) -> None:
        """Take the settings; UsageError when whom they name cannot be told."""
        if self._is_told:
            _find(resolved)  # hours later is too late
            self._resolved = resolved

    @property
    def _is_told(self) -> bool:
        """Whether others are told of such a command; of most that only read, nobody is."""
        return hasattr(self._arguments, "notify_url")

    def notify(self, code: int) -> None:
        """Post what the command came to, if somebody wants to know; say when that fails."""
        if not self.content or not self._is_told:
            return
        try:
            webhook = _find(self._resolved or _settings_of_the_way(self._arguments))
        except BatchUpdaterError as error:  # the command has most likely ended by it
            log_error(f"nobody is notified: {error.message}", error.hint)
            return
        if webhook:
            facts = {"command": self._word, "host": gethostname(), "exit_code": code}
            if trouble := _post(webhook, self.content, facts):
                log_error(f"the summary is not posted to {webhook.shown}: {trouble}")


_ENDING: ContextVar[Ending | None] = ContextVar("ending", default=None)


@contextmanager
def ending(word: str, arguments: argparse.Namespace) -> Iterator[Ending]:
    """Keep what the block, a whole command, tells of its end."""
    kept = Ending(word, arguments)
    before = _ENDING.set(kept)
    try:
        yield kept
    finally:
        _ENDING.reset(before)


def came_to(content: Mapping[str, Any]) -> None:
    """Say what the command came to; the last word counts."""
    if kept := _ENDING.get():
        kept.content = content


def print_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object as the last line of stdout."""
    came_to(content)
    print(json_line(content))


def tell_programs(content: Mapping[str, Any], *, as_json: bool) -> None:
    """Tell programs what a command came to, where people are told otherwise."""
    if as_json:
        print_json(content)
    else:
        came_to(content)


def wants_json(arguments: argparse.Namespace) -> bool:
    """Return whether JSON was asked for, as far as can be told without settings."""
    output = BY_NAME["output"]
    said = getattr(arguments, output.attribute, None)
    return (said or os.environ.get(output.variable)) == OutputMode.JSON


def settings_known(resolved: Resolved) -> None:
    """
    Log as the settings say, and tell whom they name, now that they are known.

    Raises:
        UsageError: whom they name cannot be told.
    """
    set_log_format(resolved.settings.log_format)
    if kept := _ENDING.get():
        kept.know(resolved)


def environment_of(arguments: argparse.Namespace) -> Mapping[str, str]:
    """Return the environment, in which flags say which file and profile are meant."""
    chosen = {
        CONFIG_VARIABLE: getattr(arguments, "config", None),
        PROFILE_VARIABLE: getattr(arguments, "profile", None),
    }
    return {**os.environ, **{k: v for k, v in chosen.items() if v}}


def _settings_of_the_way(arguments: argparse.Namespace) -> Resolved:
    environ = environment_of(arguments)
    said: Texts = {
        **never_recorded(environ),
        **read_environment(environ).texts,
        **flags_of(arguments),
    }
    way = {name: given for name, given in said.items() if name in _OF_THE_WAY}
    return resolve(way, environ, recorded={})


def _find(resolved: Resolved) -> "Webhook | None":
    if not resolved.settings.notify_url:
        return None
    # The network's libraries are a fifth of the start, and few are to be told.
    from batch_updater.config.webhook import find_webhook  # noqa: PLC0415

    return find_webhook(resolved)


def _post(
    webhook: "Webhook", content: Mapping[str, Any], facts: Mapping[str, Any]
) -> str:
    from batch_updater.delivery.gate import Gate  # noqa: PLC0415
    from batch_updater.delivery.notices import Notices  # noqa: PLC0415
    from batch_updater.delivery.signals import Signals  # noqa: PLC0415
    from batch_updater.event_loop import run_to_end  # noqa: PLC0415
    from batch_updater.webhook import make_body, post  # noqa: PLC0415

    signals = Signals(Gate(), Notices())
    body = make_body(content, facts, values=webhook.values)

    async def deliver() -> str:
        with signals.installed():
            return await signals.until_cut_off(post(webhook, body))

    try:
        return run_to_end(deliver())
    except BatchUpdaterError as stop:
        return stop.message
    except Exception as error:  # the command has ended, and its exit code stands
        return f"{type(error).__name__}, a bug in batch-updater"
