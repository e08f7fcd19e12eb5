"""`apply`: send what a plan says, and nothing else."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from batch_updater.applying.inherited import FORCED, inherited
from batch_updater.applying.refusals import (
    Target,
    apply_command,
    changes_of,
    is_undo,
    refuse_old,
    refuse_other_target,
)
from batch_updater.cli.arguments import resolve_arguments
from batch_updater.cli.asking import ask_whether_meant
from batch_updater.cli.ending import tell_programs
from batch_updater.cli.run import perform
from batch_updater.cli.show import note, print_config
from batch_updater.config.connection import connect_to_face_set
from batch_updater.config.modes import OutputMode
from batch_updater.config.settings import Layer, Resolved, Texts
from batch_updater.files.inputs import Input, InputFormat, as_input
from batch_updater.files.plan_file import PlanFacts, read_plan
from batch_updater.intake.planned import survey_plan
from batch_updater.jobs import Job
from batch_updater.manifest import make_intake
from batch_updater.models import OnDuplicate
from batch_updater.report.text import count_rows


def apply(arguments: argparse.Namespace) -> int:
    """Send a plan's changes; return the exit code."""
    path = Path(arguments.plan)
    facts = read_plan(path)
    resolved = resolve_for(facts, arguments)
    if arguments.print_config:
        print_config(resolved)
        return 0
    job = make_plan_job(facts, open_plan_input(path, arguments.plan), resolved)
    if not changes_of(facts):
        return leave(job)
    ask_whether_meant(facts, job.settings, apply_command(arguments.plan))
    return perform(job, quiet=arguments.quiet)


def resolve_for(
    facts: PlanFacts,
    arguments: argparse.Namespace,
    origin: str = "the plan",
) -> Resolved:
    """Return the settings of a command line for a plan that knows where it belongs."""
    face_set = {"face-set": (facts.face_set_name,)}
    layer = Layer(origin, {**inherited(facts.settings), **face_set})
    forced: Texts = FORCED
    if is_undo(facts):
        forced = {**FORCED, "check-drift": ("true",)}
    return resolve_arguments(arguments, forced=forced, inherited=layer)


def open_plan_input(path: Path, name: str) -> Input:
    """Return a plan as the input of a run; its name is what results call it."""
    return as_input(path, name=name, input_format=InputFormat.PLAN)


def make_plan_job(facts: PlanFacts, source: Input, resolved: Resolved) -> Job:
    """Return the job of sending a plan; UsageError when it may not be sent so."""
    job = Job(
        settings=resolved.settings,
        texts=resolved.texts,
        connection=connect_to_face_set(resolved),
        inputs=(source,),
        plan=facts,
    )
    refuse_unfit(job)
    return job


def refuse_unfit(job: Job) -> None:
    """Raise UsageError when a job's plan is too old, or for somewhere else."""
    if job.plan is None:
        return
    connection, face_set = job.connection, job.settings.face_set or ""
    target = Target(connection.endpoint, connection.project_id, face_set)
    refuse_other_target(job.plan, target)
    refuse_old(job.plan, job.settings.max_age, datetime.now(UTC))


def leave(job: Job) -> int:
    """End where there is nothing to send: on most nights that is as it should be."""
    found = survey_plan(make_intake(job.settings, job.inputs))
    duplicates_bad = job.settings.on_duplicate is OnDuplicate.ERROR
    bad = found.bad - (0 if duplicates_bad else found.duplicates)
    what = "put back" if job.plan and is_undo(job.plan) else "change"
    note(f"nothing to {what} in {count_rows(found.total)}: nothing was sent")
    content = {**found.as_json(), "exit_code": int(bad > 0)}
    tell_programs(content, as_json=job.settings.output is OutputMode.JSON)
    return int(bad > 0)
