"""`plan`: which faces rows would change, and how; nothing is changed."""

import argparse
from functools import partial
from pathlib import Path

from batch_updater.cli.arguments import open_inputs, resolve_arguments
from batch_updater.cli.export import check_target
from batch_updater.cli.run import look_for_garbage_seldom, perform
from batch_updater.cli.show import note, print_config, print_summary, survey_lines
from batch_updater.config.connection import (
    connect_to_face_set,
    face_set_of,
    whereabouts,
)
from batch_updater.config.modes import OutputMode
from batch_updater.config.settings import Resolved, Settings
from batch_updater.errors import UsageError
from batch_updater.files.inputs import Input
from batch_updater.intake.survey import Survey
from batch_updater.jobs import Job
from batch_updater.models import Against, OnDuplicate, Purpose
from batch_updater.planning.from_state import nothing_applied, plan_from_state
from batch_updater.states.opening import open_place
from batch_updater.states.places import place_of, state_directory

# A plan changes nothing, and says what becomes of every row.
_FORCED = {"check-ahead": ("true",), "dry-run": ("false",)}


def plan(arguments: argparse.Namespace) -> int:
    """Compare rows with what their faces hold, write the plan; return the exit code."""
    resolved = resolve_arguments(arguments, forced=_FORCED)
    if arguments.print_config:
        print_config(resolved)
        return 0
    settings = resolved.settings
    _refuse_in_order(settings)
    check_plan(settings.to, ())
    if settings.against is Against.STATE:
        return _plan_from_state(arguments, resolved)
    connection = connect_to_face_set(resolved)
    with open_inputs(arguments.inputs, resolved) as inputs:
        check_plan(settings.to, inputs)
        job = Job(
            settings=settings,
            texts=resolved.texts,
            connection=connection,
            inputs=inputs,
            purpose=Purpose.PLAN,
        )
        return perform(job, quiet=arguments.quiet)


def _plan_from_state(arguments: argparse.Namespace, resolved: Resolved) -> int:
    """Plan without asking anybody: no credentials, no run directory."""
    settings = resolved.settings
    look_for_garbage_seldom()
    face_set, directory = face_set_of(resolved), settings.state
    place = place_of(
        state_directory(directory, resolved.environ), *whereabouts(resolved), face_set
    )
    if not place.path.exists():
        raise nothing_applied(face_set)
    with (
        open_inputs(arguments.inputs, resolved) as inputs,
        open_place(place) as state,
    ):
        check_plan(settings.to, inputs)
        summary = plan_from_state(
            settings, resolved.texts, inputs, state, partial(_announce, settings)
        )
    print_summary(summary, as_json=settings.output is OutputMode.JSON)
    return summary.exit_code


def _announce(settings: Settings, found: Survey) -> None:
    for line in survey_lines(found, None, None, values=settings.include_values):
        note(line)


def check_plan(path: Path | None, inputs: tuple[Input, ...]) -> None:
    """Raise UsageError when a plan cannot be made there; hours later is too late."""
    check_target(path, inputs)
    if path is not None and path.suffix != ".parquet":
        raise UsageError(
            f"--to {path}: a plan is a Parquet file",
            hint="Give it a name that ends in .parquet.",
        )


def _refuse_in_order(settings: Settings) -> None:
    if settings.on_duplicate is OnDuplicate.IN_ORDER:
        raise UsageError(
            "a plan says what each face will hold, so no two of its rows may be about "
            "the same face: --on-duplicate in-order cannot be planned",
            hint="Say --on-duplicate last, or first, to plan one row of each face; "
            "run sends all of them in order.",
        )
