"""A plan against the state alone: nobody is asked, and nothing is run."""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from batch_updater.config.mapping_file import settle
from batch_updater.config.settings import Settings, Texts
from batch_updater.errors import StateError
from batch_updater.files.inputs import Input
from batch_updater.files.lines import format_time
from batch_updater.files.plan_file import PlanFacts, open_plan
from batch_updater.intake.items import examine
from batch_updater.intake.rows import Intake, Rows
from batch_updater.intake.survey import Survey, refuse_broken, survey
from batch_updater.manifest import describe_input, make_intake
from batch_updater.mapping.checks import cells
from batch_updater.mapping.rules import RULES
from batch_updater.mapping.tasks import DUPLICATE_RULE
from batch_updater.models import FieldType, OnDuplicate, Outcome, Purpose
from batch_updater.planning.knowing import Faces
from batch_updater.planning.making import Planner
from batch_updater.planning.reports import report_of
from batch_updater.planning.rows import STATE, Sight, sliced
from batch_updater.report.planned import PlanReport
from batch_updater.report.summary import ErrorCount, Summary
from batch_updater.states.opening import State
from batch_updater.version import __version__

_ROWS = 8192  # at once


def plan_from_state(
    settings: Settings,
    texts: Texts,
    inputs: tuple[Input, ...],
    state: State,
    announce: Callable[[Survey], None],
) -> Summary:
    """
    Compare rows with what was last applied; write the plan.

    Args:
        texts: the settings as they were given, for the plan's metadata.
        announce: told what the check of the rows found.

    Raises:
        StateError: what was last applied is not known.
        InputError: an input cannot be read, or its rows are to be refused.
    """
    assert settings.to is not None  # noqa: S101  (the command has asked)
    began, now = time.monotonic(), datetime.now(UTC).timestamp()
    declared = _declared(state)
    intake = make_intake(settings, inputs, Purpose.PLAN)
    types = intake.settle_types(dict(declared))
    found = survey(intake, types, settings.on_duplicate)
    announce(found)
    refuse_broken(found, settings.on_invalid)
    facts = _facts(settings, texts, intake, state, found, now)
    with open_plan(settings.to, facts) as plan:
        planner = Planner(intake, types, plan)
        for rows, checked in examine(intake, types, found):
            for positions in sliced(range(len(rows)), _ROWS):
                seen = _seen(rows, positions, state, now - settings.state_max_age)
                planner.write(rows, checked, positions, seen)
        plan.facts = replace(facts, counts=planner.counts.by_status)
    report = report_of(planner.counts, settings)
    return _summary(settings, found, report, time.monotonic() - began)


def _declared(state: State) -> Mapping[str, FieldType]:
    """Return the types that the face set declared, from a state that can be believed."""
    if remarks := state.catch_up():
        raise StateError("; ".join(remarks), hint="Or plan with --against remote.")
    facts = state.facts
    if not state.is_begun:
        raise nothing_applied(facts.face_set_name)
    return facts.declared


def nothing_applied(face_set_name: str) -> StateError:
    """Return the error of a face set that has no state yet."""
    return StateError(
        f"no run that keeps the state has updated {face_set_name} yet",
        hint="Plan with --against remote or auto; apply keeps the state from then on.",
    )


def _seen(
    rows: Rows, positions: Sequence[int], faces: Faces, oldest: float
) -> dict[int, Sight]:
    column = rows.chunk.frame[rows.columns.face_id]
    ids = cells(column.iloc[positions[0] : positions[-1] + 1]).tolist()
    known = faces.look_up([face_id for face_id in ids if isinstance(face_id, str)])
    return {
        position: Sight(STATE, face.fields)
        for position, face_id in zip(positions, ids, strict=True)
        if (face := known.get(face_id)) and face.at >= oldest
    }


def _facts(
    settings: Settings,
    texts: Texts,
    intake: Intake,
    state: State,
    found: Survey,
    now: float,
) -> PlanFacts:
    about = state.facts
    inputs = (describe_input(each, found.rows[each.name]) for each in intake.inputs)
    return PlanFacts(
        kind="plan",
        tool_version=__version__,
        created_at=format_time(now),
        endpoint=about.endpoint,
        project_id=about.project_id,
        face_set_name=about.face_set_name,
        declared={name: str(kind) for name, kind in about.declared.items()},
        face_number=about.faces,
        against=str(settings.against),
        inputs=tuple(inputs),
        settings=settle(texts, intake.mapping, about.endpoint),
    )


def _summary(
    settings: Settings, found: Survey, report: PlanReport, seconds: float
) -> Summary:
    """Return the summary of a plan that took no request, and so has no run."""
    bad = found.invalid
    if settings.on_duplicate is OnDuplicate.ERROR:
        bad += found.duplicates
    code = 1 if bad else 0
    if not report.changes:
        code = code or settings.exit_code_no_change
    apply = shlex.join(["batch-updater", "apply", str(settings.to)])
    outcomes = {
        Outcome.EXPORTED: found.clean,
        Outcome.INVALID: found.invalid,
        Outcome.DUPLICATE: found.duplicates,
    }
    return Summary(
        run_dir="",
        face_set_name=settings.face_set or "",
        read=found.total,
        outcomes={str(each): outcomes.get(each, 0) for each in Outcome},
        errors=tuple(_errors(found)),
        attempts=0,
        throttled=0,
        ambiguous=0,
        rate=settings.rate,
        achieved_rate=None,
        busiest_second=0,
        latency={"p50": None, "p95": None, "p99": None},
        seconds=seconds,
        exit_code=code,
        stop=None,
        note="",
        next_command=apply if report.changes else "",
        file=str(settings.to),
        wanted=str(Purpose.PLAN.wanted),
        plan=report,
    )


def _errors(found: Survey) -> list[ErrorCount]:
    first: dict[str, str] = {}
    for source, row_number, problems in found.examples:
        for problem in problems:
            first.setdefault(problem.rule, f"{source} row {row_number}")
    return [
        ErrorCount(
            code=rule,
            count=count,
            outcome=str(_outcome_of(rule)),
            message=RULES.get(rule, ""),
            remedy="mend these rows in the input",
            example=first.get(rule, ""),
        )
        for rule, count in found.rules.most_common()
    ]


def _outcome_of(rule: str) -> Outcome:
    return Outcome.DUPLICATE if rule == DUPLICATE_RULE else Outcome.INVALID
