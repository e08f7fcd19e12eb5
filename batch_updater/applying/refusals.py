"""Why a plan is not sent; pure."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from batch_updater.config.parsing import Share
from batch_updater.errors import InputError, UsageError
from batch_updater.files.lines import parse_time
from batch_updater.files.plan_file import PlanFacts
from batch_updater.models import FieldType, PlanStatus
from batch_updater.report.durations import format_duration

USUAL = Share(share=0.2)
"""How much of a face set is changed without anybody being asked."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where a plan is to be sent.

    Args:
        project_id: empty when the service is yet to be asked for it.
    """

    endpoint: str
    project_id: str
    face_set_name: str


def is_undo(facts: PlanFacts) -> bool:
    """Return whether a plan takes a run back."""
    return facts.kind == "rollback"


def refuse_old(facts: PlanFacts, max_age: float, now: datetime) -> None:
    """
    Raise UsageError when a plan is older than may be; one from the future is, too.

    A rollback has no age: each face is read first, and has to hold what the run wrote.

    Args:
        max_age: in seconds.
    """
    if is_undo(facts):
        return
    age = now.timestamp() - parse_time(facts.created_at)
    if abs(age) <= max_age:
        return
    when = format_duration(abs(age)) + (" ago" if age > 0 else " from now")
    raise UsageError(
        f"the plan was made {when}, at {facts.created_at}; --max-age allows "
        f"{format_duration(max_age)}",
        hint="Plan again. To send it all the same, allow more with --max-age: faces "
        "that have changed since are left alone, unless --no-check-drift is said."
        if age > 0
        else "Check this machine's clock, then plan again.",
    )


def refuse_other_target(facts: PlanFacts, target: Target) -> None:
    """Raise UsageError when a plan was made for somewhere else."""
    for what, flag, planned, asked in (
        ("endpoint", "--endpoint or --region", facts.endpoint, target.endpoint),
        ("project", "--project-id", facts.project_id, target.project_id),
        ("face set", "--face-set", facts.face_set_name, target.face_set_name),
    ):
        if planned and asked and planned != asked:
            raise UsageError(
                f"the plan was made for the {what} {planned}, not for {asked}",
                hint=f"Leave out {flag}: a plan knows where it belongs. For {asked}, "
                "make another plan.",
            )


def refuse_other_types(facts: PlanFacts, declared: Mapping[str, FieldType]) -> None:
    """
    Raise UsageError when a field has another type now, or is gone.

    A field that is new does no harm: the plan does not name it.
    """
    for name, planned in facts.declared.items():
        now = declared.get(name)
        if now != planned:
            said = f"is declared as {now} now" if now else "is not declared any more"
            raise UsageError(
                f"the custom field {name!r} was declared as {planned} when the plan "
                f"was made, and {said}",
                hint="What the plan compared may mean something else now: plan again.",
            )


def refuse_other_rows(facts: PlanFacts, statuses: Mapping[str, int]) -> None:
    """Raise InputError when a plan has other rows than were counted as it was made."""
    if {k: n for k, n in facts.counts.items() if n} != dict(statuses):
        raise InputError(
            "the plan has not the rows that were written: it is damaged",
            hint="Plan again; nothing was sent.",
        )


def changes_of(facts: PlanFacts) -> int:
    """Return how many rows of a plan change something."""
    return facts.counts.get(PlanStatus.CHANGE, 0)


def describe_changes(facts: PlanFacts) -> str:
    """Return how much of its face set a plan changes, in words."""
    changes, faces = changes_of(facts), facts.face_number
    share = f" ({100 * changes / faces:.1f} %)" if faces else ""
    return f"{changes:,} of {faces:,} faces{share}"


def refuse_too_many(facts: PlanFacts, allowed: Share) -> None:
    """Raise UsageError when a plan changes more faces than --max-changes allows."""
    most = allowed.of(facts.face_number)
    if changes_of(facts) > most:
        raise UsageError(
            f"the plan changes {describe_changes(facts)}; --max-changes allows {most:,}",
            hint="Look at the plan. If all of it is meant, allow as many.",
        )


def is_unusual(facts: PlanFacts) -> bool:
    """Return whether a plan changes so much that somebody should say that it is meant."""
    return changes_of(facts) > USUAL.of(facts.face_number)


def unanswered(facts: PlanFacts, again: str) -> UsageError:
    """
    Return the refusal of what should be asked, where there is nobody to ask.

    Args:
        again: the command to type.
    """
    what = "rollback" if is_undo(facts) else "plan"
    limit = "" if is_undo(facts) else "; or say with --max-changes how many may be"
    return UsageError(
        f"the {what} changes {describe_changes(facts)}, and there is no terminal to ask "
        "whether that is meant",
        hint=f"Look at it first. If it is meant: {again} --yes{limit}.",
    )


def apply_command(path: str) -> str:
    """Return what to type to apply a plan."""
    return shlex.join(["batch-updater", "apply", path])
