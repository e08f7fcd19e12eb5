"""The plan that a run makes: a view of its journal and its inputs."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from batch_updater.config.settings import Settings
from batch_updater.errors import InputError, RunDirectoryError
from batch_updater.files.known_rows import KnownRows, open_known_rows
from batch_updater.files.outcome_index import OutcomeIndex, indexed
from batch_updater.files.plan_file import PlanFacts, open_plan
from batch_updater.files.replay import PAGE
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.search import notes
from batch_updater.frs.protocol import read_faces
from batch_updater.intake.rows import Rows
from batch_updater.manifest import (
    Manifest,
    check_unchanged,
    describe_input,
    make_intake,
)
from batch_updater.mapping.checks import Checker
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.comparison import ABSENT, kind_of, same
from batch_updater.models import Against, FieldType, Outcome, Result
from batch_updater.planning.making import Planner
from batch_updater.planning.reports import report_of
from batch_updater.planning.rows import FACE, LISTING, STATE, Sight, sight_of, sliced
from batch_updater.report.planned import Drift, PlanReport
from batch_updater.report.summary import Stop
from batch_updater.summaries import Told

_ROWS = 1024  # at once; a result holds a whole face


def told_plan(
    directory: RunDirectory, manifest: Manifest, settings: Settings, stop: Stop | None
) -> Told:
    """Make the plan of a run unless it was stopped early; return what is to be said."""
    file = str(settings.to)
    if stop is not None:
        kept = settings.to is not None and settings.to.exists()
        return Told(note=f"{file} is of an earlier time: none was made" if kept else "")
    try:
        check_unchanged(manifest.inputs)
    except InputError as error:
        return Told(note=f"{error.message}: the plan was not made again")
    if settings.against is not Against.REMOTE and not directory.known.exists():
        raise RunDirectoryError(
            f"{directory.known} is gone: what the state said of rows is not known",
            hint="Put it back as the plan wrote it, or plan again.",
        )
    plan = write_plan(directory, manifest, settings)
    apply = shlex.join(["batch-updater", "apply", file])
    return Told(file=file, plan=plan, otherwise=apply if plan.changes else "")


def write_plan(
    directory: RunDirectory, manifest: Manifest, settings: Settings
) -> PlanReport:
    """Make the plan of a run whose every row has an answer; return what it says."""
    assert settings.to is not None  # noqa: S101  (run.json of a plan has it)
    intake = make_intake(settings, manifest.inputs, manifest.purpose)
    types = intake.settle_types(dict(manifest.declared))
    checker = Checker(types, intake.strict)
    with ExitStack() as held:
        index = held.enter_context(indexed(directory.journal, manifest.layout))
        known = held.enter_context(open_known_rows(directory.known))
        plan = held.enter_context(open_plan(settings.to, facts_of(manifest, settings)))
        planner, sights = Planner(intake, types, plan), _Sights(index, known, types)
        for rows in intake.rows():
            checked = checker.check(rows.chunk.frame, rows.columns)
            for positions in sliced(range(len(rows)), _ROWS):
                seen = sights.of(rows, positions)
                planner.write(rows, checked, positions, seen)
        plan.facts = replace(plan.facts, counts=planner.counts.by_status)
    pages = sum(record.kind == PAGE for record in notes(directory.journal))
    return report_of(planner.counts, settings, pages=pages, drift=sights.drift)


def facts_of(manifest: Manifest, settings: Settings) -> PlanFacts:
    """Return what a plan of this run is about."""
    return PlanFacts(
        kind="plan",
        tool_version=manifest.tool_version,
        created_at=manifest.created_at,
        endpoint=manifest.endpoint,
        project_id=manifest.project_id,
        face_set_name=settings.face_set or "",
        declared={name: str(kind) for name, kind in manifest.declared.items()},
        face_number=manifest.face_number,
        against=str(settings.against),
        inputs=tuple(
            describe_input(each, manifest.rows[each.name]) for each in manifest.inputs
        ),
        settings=manifest.settings,
    )


class _Sights:
    """What the journal says of faces, and of others what the state said."""

    def __init__(
        self, index: OutcomeIndex, known: KnownRows, types: FieldTypes
    ) -> None:
        self._index = index
        self._known = known
        self._types = types.types
        self._drift = Drift(0, 0)

    @property
    def drift(self) -> Drift | None:
        """What became of the faces that the state knew and that were read too."""
        return self._drift if self._drift.sampled else None

    def of(self, rows: Rows, positions: Sequence[int]) -> dict[int, Sight | Result]:
        """Return what is known of the rows at these positions of a chunk, in order."""
        start, stop = rows.start + positions[0], rows.start + positions[-1] + 1
        seen: dict[int, Sight | Result] = {
            row - rows.start: Sight(STATE, fields)
            for row, fields in self._known.within(start, stop)
        }
        ended, results = self._index.results(np.arange(start, stop))
        places = (np.flatnonzero(ended) + positions[0]).tolist()
        for position, result in zip(places, results, strict=True):
            sight = _sight(result)
            known = seen.get(position)
            if isinstance(known, Sight):
                self._compare(known.held, sight, result)
            seen[position] = sight
        return seen

    def _compare(
        self, known: Mapping[str, Any], sight: Sight | Result, result: Result
    ) -> None:
        """Compare what the state says of a sampled face with what FRS does."""
        if isinstance(sight, Sight):
            other = drifted(known, sight.held, self._types)
        elif sight.outcome is Outcome.MISSING:
            other = True
        else:
            return
        before = self._drift
        example = before.example
        if other and not example:
            example = f"{result.source} row {result.row_number}, face {result.face_id}"
        self._drift = Drift(before.sampled + 1, before.drifted + other, example)


def drifted(
    known: Mapping[str, Any], held: Mapping[str, Any], types: Mapping[str, FieldType]
) -> bool:
    """Return whether a face holds something else than was last applied; pure."""
    return any(
        not same(value, held.get(field, ABSENT), kind_of(field, types))
        for field, value in known.items()
    )


def _sight(result: Result) -> Sight | Result:
    """Return what a result says of a face: of a listing when nobody asked for it."""
    if result.outcome is not Outcome.EXPORTED:
        return result
    faces = read_faces(result.payload)
    if not faces:
        raise RunDirectoryError(
            f"the journal is damaged: the result of {result.source} row "
            f"{result.row_number} holds no face",
            hint="Put the journal back as the run wrote it, or plan again.",
        )
    return sight_of(faces[0], FACE if result.attempts else LISTING)
