"""Asking the person at the terminal, if there is one, whether something is meant."""

import sys

from batch_updater.applying.refusals import (
    describe_changes,
    is_undo,
    is_unusual,
    refuse_too_many,
    unanswered,
)
from batch_updater.config.settings import Settings
from batch_updater.errors import UsageError
from batch_updater.files.plan_file import PlanFacts


def ask_whether_meant(facts: PlanFacts, settings: Settings, again: str) -> None:
    """
    Return if a plan may be sent: a rollback is always asked about, a plan if it is large.

    A dry run asks nothing, but says what is not allowed.

    Args:
        again: the command to type instead of answering.

    Raises:
        UsageError: it may not; nothing was sent.
    """
    if settings.max_changes is not None:
        refuse_too_many(facts, settings.max_changes)
    asked = is_undo(facts) or (settings.max_changes is None and is_unusual(facts))
    if settings.yes or settings.dry_run or not asked:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise unanswered(facts, again)
    verb = "Put back" if is_undo(facts) else "Change"
    if _answer(f"{verb} {describe_changes(facts)}? [y/N] ") not in {"y", "yes"}:
        raise UsageError("it is not meant; nothing was sent")


def _answer(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower()
