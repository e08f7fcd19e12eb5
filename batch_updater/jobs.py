"""What is to be run, and the same once every row of it has been looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batch_updater.applying.refusals import is_undo
from batch_updater.config.connection import Connection
from batch_updater.config.settings import Settings, Texts
from batch_updater.files.inputs import Input
from batch_updater.files.plan_file import PlanFacts
from batch_updater.frs.protocol import FaceSet
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import Survey
from batch_updater.mapping.columns import FieldTypes
from batch_updater.models import Purpose
from batch_updater.record import Opened
from batch_updater.retries.choice import Retry
from batch_updater.selection import Selection
from batch_updater.states.keeping import Keeper
from batch_updater.verifying.asked import Verified
from batch_updater.verifying.overwritten import Overwritten


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    What to run.

    Args:
        texts: the settings as they were given, for run.json.
        pending: the rows to send; None means all.
        resumed: the run that goes on, or None for a new one.
        retry: whose failed rows are sent again, and why these.
        changed: settings that a resume was told otherwise, as [before, now].
        verified: what is read back, of a verification.
        purpose: whether rows are updates, or faces to read.
        plan: what the plan is about whose rows these are, or None.
    """

    settings: Settings
    texts: Texts
    connection: Connection
    inputs: tuple[Input, ...]
    pending: Selection | None = None
    resumed: Opened | None = None
    retry: Retry | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)
    verified: Verified | None = None
    purpose: Purpose = Purpose.UPDATE
    plan: PlanFacts | None = None

    @property
    def lists(self) -> bool:
        """Whether this is an export that goes by listing."""
        return self.purpose is Purpose.EXPORT and not self.inputs

    @property
    def requests_a_row(self) -> int:
        """How many requests a row takes: two where it is sent and its face read first."""
        if self.purpose is not Purpose.UPDATE:
            return 1
        reads = self.plan is not None and self.settings.check_drift
        return 2 if reads else self.settings.requests_a_row

    @property
    def command(self) -> str:
        """The word for it in the journal."""
        if self.resumed:
            return "resume"
        if self.purpose is not Purpose.UPDATE:
            return str(self.purpose)
        if self.retry:
            return "retry"
        if self.plan:
            return "rollback" if is_undo(self.plan) else "apply"
        return "run"

    @property
    def session(self) -> Mapping[str, Any]:
        """What the journal says of this session."""
        changed = {"settings": dict(self.changed)} if self.changed else {}
        return {"command": self.command, **changed}


@dataclass(frozen=True, slots=True)
class Ready:
    """
    A job whose every row has been checked; nothing is sent yet.

    Args:
        project_id: as the service knows it.
        keeper: what keeps the face set's state, or None when the run keeps none.
        known: rows that the state can answer for, of a plan that begins.
        overwritten: values of its rows that are not there to be read back.
    """

    job: Job
    intake: Intake
    types: FieldTypes
    face_set: FaceSet
    found: Survey
    project_id: str
    keeper: Keeper | None = None
    known: Selection | None = None
    overwritten: Overwritten | None = None

    @property
    def rows(self) -> int:
        """How many rows will be sent."""
        job, pending, clean = self.job, self.job.pending, self.found.clean
        if pending is not None and job.verified and job.verified.run:
            return pending.count()  # a run wrote them, whatever was to be sent of them
        return clean if pending is None else min(clean, pending.count())
