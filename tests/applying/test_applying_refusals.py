"""When a plan may be sent, as rules without any file or network."""

from datetime import UTC, datetime
from typing import Any

import pytest

from batch_updater.applying.refusals import (
    Target,
    describe_changes,
    is_unusual,
    refuse_old,
    refuse_other_rows,
    refuse_other_target,
    refuse_other_types,
    refuse_too_many,
    unanswered,
)
from batch_updater.config.parsing import Share
from batch_updater.errors import InputError, UsageError
from batch_updater.files.plan_file import PlanFacts
from batch_updater.models import FieldType

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = 3600.0


def facts(changes: int = 10, faces: int = 100, **otherwise: Any) -> PlanFacts:
    """Return what a plan of noon yesterday is about."""
    usual: dict[str, Any] = {
        "kind": "plan",
        "tool_version": "1",
        "created_at": "2026-11-24T12:00:00.000000Z",
        "endpoint": "https://face.cn-north-4.myhuaweicloud.com",
        "project_id": "p",
        "face_set_name": "staff",
        "declared": {"age": "integer"},
        "face_number": faces,
        "against": "remote",
        "counts": {"change": changes, "same": 3, "missing": 0},
    }
    return PlanFacts(**{**usual, **otherwise})


def test_age() -> None:
    """A plan is as old as --max-age at the most; a rollback's has no age."""
    refuse_old(facts(), 24 * HOUR, NOW)
    with pytest.raises(UsageError, match="24 h 0 min ago") as refused:
        refuse_old(facts(), 23 * HOUR, NOW)
    assert "--no-check-drift" in refused.value.hint
    refuse_old(facts(kind="rollback"), 1.0, NOW)


@pytest.mark.parametrize(
    ("changes", "faces", "unusual"),
    [(20, 100, False), (21, 100, True), (1, 0, True), (0, 0, False), (1, 5, False)],
)
def test_what_is_unusual(changes: int, faces: int, unusual: bool) -> None:
    """More than a fifth of the face set is, and any change where nobody knows its size."""
    assert is_unusual(facts(changes, faces)) is unusual


@pytest.mark.parametrize(
    ("allowed", "fine"),
    [(Share(count=10), True), (Share(count=9), False), (Share(share=0.1), True)],
)
def test_a_limit(allowed: Share, fine: bool) -> None:
    """A limit is a number of faces or a share of the face set."""
    if fine:
        refuse_too_many(facts(), allowed)
        return
    with pytest.raises(UsageError, match=r"10 of 100 faces \(10.0 %\)"):
        refuse_too_many(facts(), allowed)


def test_a_face_set_of_unknown_size() -> None:
    """Without a size there is no share to tell."""
    assert describe_changes(facts(1, 0)) == "1 of 0 faces"


def test_a_target_that_is_not_known_yet() -> None:
    """What either side does not know is not held against the plan."""
    fits = Target(facts().endpoint, "", "staff")
    refuse_other_target(facts(), fits)
    refuse_other_target(facts(project_id=""), Target(fits.endpoint, "q", "staff"))
    with pytest.raises(UsageError, match="for the project p, not for q"):
        refuse_other_target(facts(), Target(fits.endpoint, "q", "staff"))


def test_a_new_field_does_no_harm() -> None:
    """Only fields that the plan knows have to be as they were."""
    declared = {"age": FieldType.INTEGER, "new": FieldType.STRING}
    refuse_other_types(facts(), declared)
    with pytest.raises(UsageError, match="declared as long now"):
        refuse_other_types(facts(), {"age": FieldType.LONG})


def test_rows_that_were_not_counted() -> None:
    """A plan whose rows are not those that were counted is damaged."""
    refuse_other_rows(facts(), {"change": 10, "same": 3})
    with pytest.raises(InputError, match="damaged"):
        refuse_other_rows(facts(), {"change": 10, "same": 2})


def test_nobody_to_ask() -> None:
    """The refusal names the command to type, and for a plan the other way."""
    plan, undo = (unanswered(facts(kind=k), "CMD").hint for k in ("plan", "rollback"))
    assert "CMD --yes; or say with --max-changes" in plan
    assert undo.endswith("CMD --yes.")
