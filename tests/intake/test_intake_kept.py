"""What a survey found is believed again only when nothing about it has changed."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from batch_updater.files.inputs import InputFormat, as_input
from batch_updater.files.source import ReadOptions
from batch_updater.intake.kept import kept_in, look
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import Survey, survey
from batch_updater.mapping.columns import ColumnMapping, FieldTypes
from batch_updater.models import FieldType, OnDuplicate

TYPES = FieldTypes(types={"age": FieldType.INTEGER}, allowed=frozenset({"age", "team"}))
LINES = ["face_id,external_fields.age,external_fields.team"]
LINES += [f"face{n % 40:04d},{'x' if n % 7 == 0 else n},a" for n in range(60)]


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    path = tmp_path / "faces.csv"
    path.write_text("\n".join(LINES) + "\n")
    source = as_input(path, name="faces.csv", input_format=InputFormat.CSV)
    return Intake(
        inputs=[source],
        options=ReadOptions(),
        mapping=ColumnMapping(),
        face_set_name="staff",
    )


def facts(found: Survey) -> tuple[object, ...]:
    examples = [
        (source, row, [(p.rule, p.column) for p in problems])
        for source, row, problems in found.examples
    ]
    refused = found.refused.within(0, found.total)
    counts = (found.rows, found.header, found.rules, found.warnings, found.invalid)
    return (*counts, found.repeated, refused, len(found.refused), examples)


def never() -> bool:
    return False


def no_survey() -> bool:
    raise AssertionError("the rows were looked at again")


@pytest.mark.parametrize("policy", OnDuplicate)
def test_findings_read_back_equal(
    tmp_path: Path, intake: Intake, policy: OnDuplicate
) -> None:
    """All that a resume needs of a survey comes back, and no row is looked at."""
    kept = kept_in(tmp_path / "survey", intake, TYPES, policy)
    found = look(kept, intake, TYPES, policy, never)
    assert found.repeated.any()
    assert found.invalid
    assert (tmp_path / "survey").stat().st_mode & 0o777 == 0o600
    again = look(kept, intake, TYPES, policy, no_survey)
    assert facts(again) == facts(found) == facts(survey(intake, TYPES, policy))
    assert isinstance(again.rules, Counter)


def test_values_are_kept_only_when_they_are_asked_for(
    tmp_path: Path, intake: Intake
) -> None:
    """Messages may show what stands in the cells, and are left out by default."""
    for values in (False, True):
        asked = replace(intake, include_values=values)
        kept = kept_in(tmp_path / "survey", asked, TYPES, OnDuplicate.ERROR)
        look(kept, asked, TYPES, OnDuplicate.ERROR, never)
        found = kept.load()
        assert found
        messages = [p.message for _, _, problems in found.examples for p in problems]
        assert any(messages) == values


def test_what_findings_depend_on(tmp_path: Path, intake: Intake) -> None:
    """Another input, reading, mapping, type or policy makes them another survey's."""
    path, policy = tmp_path / "survey", OnDuplicate.ERROR
    look(kept_in(path, intake, TYPES, policy), intake, TYPES, policy, never)
    (source,) = intake.inputs
    other_types = replace(TYPES, types={"age": FieldType.LONG})
    for other, types, how in (
        (replace(intake, inputs=[replace(source, sha256="0")]), TYPES, policy),
        (replace(intake, options=ReadOptions(delimiter=";")), TYPES, policy),
        (replace(intake, mapping=ColumnMapping(face_id="x")), TYPES, policy),
        (replace(intake, strict=True), TYPES, policy),
        (replace(intake, complete=True), TYPES, policy),
        (replace(intake, limit=5), TYPES, policy),
        (replace(intake, include_values=True), TYPES, policy),
        (intake, other_types, policy),
        (intake, replace(TYPES, allowed=None), policy),
        (intake, TYPES, OnDuplicate.FIRST),
    ):
        assert kept_in(path, other, types, how).load() is None
    assert kept_in(path, intake, TYPES, policy).load()


def test_findings_that_are_not_whole(tmp_path: Path, intake: Intake) -> None:
    """Cut at any byte, or with any byte changed, they are not believed."""
    path, policy = tmp_path / "survey", OnDuplicate.ERROR
    kept = kept_in(path, intake, TYPES, policy)
    look(kept, intake, TYPES, policy, never)
    whole = path.read_bytes()
    chance = np.random.default_rng(1)
    for place in chance.integers(0, len(whole), 200).tolist():
        path.write_bytes(whole[:place])
        assert kept.load() is None
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert kept.load() is None
    path.unlink()
    assert kept.load() is None
