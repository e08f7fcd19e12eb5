"""What an update has to name so that merge and replace mean the same."""

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_updater.mapping.care import Care, Known
from batch_updater.mapping.checks import Checker
from batch_updater.mapping.columns import ColumnMapping, FieldTypes, bind
from batch_updater.mapping.comparison import ABSENT, changed_since, fields_of
from batch_updater.mapping.completeness import INCOMPLETE_RULE, completeness_problem
from batch_updater.mapping.tasks import TaskMaker
from batch_updater.mapping.update_modes import only_changes, unkeepable, with_others
from batch_updater.models import FaceUpdate, FieldType, Task, UpdateMode

TYPES = FieldTypes(
    types={"age": FieldType.INTEGER, "team": FieldType.STRING, "ok": FieldType.BOOLEAN},
    allowed=frozenset({"age", "team", "ok"}),
)
VALUES = {
    "age": st.integers(-5, 5),
    "team": st.sampled_from(["red", "blue", "1"]),
    "ok": st.booleans(),
}
FIELDS = st.fixed_dictionaries({}, optional=VALUES)
IMAGE_IDS = st.none() | st.sampled_from(["one", "two"])
UPDATES = st.builds(FaceUpdate, st.just("iexEBb6t"), IMAGE_IDS, FIELDS.filter(bool))


def merged(face: dict[str, Any], update: FaceUpdate, *, replaces: bool) -> Any:
    """Return a face after an update, as either kind of service would have it."""
    held = {} if replaces and update.external_fields else face["external_fields"]
    image_id = update.external_image_id or face["external_image_id"]
    return image_id, {**held, **update.external_fields}


@given(held=FIELDS, update=UPDATES)
def test_read_modify_write_means_the_same(
    held: dict[str, Any], update: FaceUpdate
) -> None:
    """A service that merges and one that replaces come to what merging alone means."""
    face = {"face_id": "iexEBb6t", "external_image_id": "id", "external_fields": held}
    known = Known(face=face, fresh=True)
    sent = Care(types=TYPES).decide(Task(update, "s", "a.csv", 1), known)
    if isinstance(sent, FaceUpdate):
        wanted = merged(face, update, replaces=False)
        assert merged(face, sent, replaces=False) == wanted
        assert merged(face, sent, replaces=True) == wanted
    else:
        assert merged(face, update, replaces=False) == ("id", held)


@given(held=FIELDS, update=UPDATES)
def test_whole_rows_mean_the_same(held: dict[str, Any], update: FaceUpdate) -> None:
    """What --update-mode replace lets through does, too, whatever the face holds."""
    face = {"external_image_id": "id", "external_fields": held}
    care = Care(mode=UpdateMode.REPLACE, types=TYPES)
    if care.refuse(Task(update, "s", "a.csv", 1)) is None:
        replaced = merged(face, update, replaces=True)
        assert merged(face, update, replaces=False) == replaced


CELLS = st.fixed_dictionaries(
    {
        "external_image_id": st.sampled_from(["", "one"]),
        "external_fields.age": st.sampled_from(["", "7"]),
        "external_fields.team": st.sampled_from(["", "red"]),
        "external_fields": st.sampled_from(["", '{"ok": true}', '{"ok": false}']),
    }
)


@settings(deadline=None)
@given(rows=st.lists(CELLS, min_size=1, max_size=8), dropped=st.integers(0, 3))
def test_rows_are_judged_as_updates_are(
    rows: list[dict[str, str]], dropped: int
) -> None:
    """Whole columns come to the same as each update for itself, columns missing or not."""
    names = [name for n, name in enumerate(rows[0]) if n != dropped]
    header = ("face_id", *names)
    cells = [["iexEBb6t", *(row[name] for name in names)] for row in rows]
    frame = pd.DataFrame(cells, dtype=object)
    columns = bind(header, ColumnMapping(), "s")
    found = Checker(TYPES, complete=True).check(frame, columns).problems
    checked = Checker(TYPES).check(frame, columns)
    clean = [n for n in range(len(rows)) if n not in checked.problems]
    tasks = TaskMaker("set", "s", columns, TYPES).make(frame, checked, clean, 0)
    for task in tasks:
        problem = completeness_problem(task.update, TYPES)
        assert found.get(task.row_number, []) == ([problem] if problem else [])


def test_what_is_left_out_is_named() -> None:
    """Rule, column and message say which fields, and hold no values."""
    update = FaceUpdate("iexEBb6t", None, {"age": 42})
    problem = completeness_problem(update, TYPES)
    assert problem
    assert problem.rule == INCOMPLETE_RULE
    assert (
        problem.column == "external_image_id, external_fields.team, external_fields.ok"
    )
    assert "--update-mode replace" in problem.message
    assert "42" not in problem.message


@given(held=FIELDS, update=UPDATES)
def test_only_changes(held: dict[str, Any], update: FaceUpdate) -> None:
    """Merged over the face it comes to the same as the whole update."""
    face = {"external_image_id": "id", "external_fields": held}
    known = {f"external_fields.{name}": value for name, value in held.items()}
    sent = only_changes(update, {"external_image_id": "id", **known}, TYPES.types)
    assert fields_of(sent).items() <= fields_of(update).items()
    assert merged(face, sent, replaces=False) == merged(face, update, replaces=False)


@pytest.mark.parametrize(
    ("face", "rules"),
    [
        ({"external_fields": {"age": ""}}, {"external_fields.age": "integer"}),
        ({"external_fields": {"age": None}}, {"external_fields.age": "field_kind"}),
        ({"external_fields": {"age": 2**40}}, {"external_fields.age": "integer_range"}),
        ({"external_fields": {"old": 1}}, {"external_fields.old": "field_undeclared"}),
        ({"external_fields": {"ok": [True]}}, {"external_fields.ok": "field_kind"}),
        ({"external_fields": [1]}, {"external_fields": "external_fields_json"}),
        ({"external_image_id": "a b"}, {"external_image_id": "external_image_id"}),
        ({"external_fields": {"age": "7", "ok": "true"}}, {}),
        ({"external_fields": {"team": "overwritten, so it may be odd \ud800"}}, {}),
        ({"external_fields": None}, {}),
        ({}, {}),
    ],
)
def test_what_can_be_sent_back(face: dict[str, Any], rules: dict[str, str]) -> None:
    """By FRS's own rules and declared types; what the row overwrites does not matter."""
    update = FaceUpdate("iexEBb6t", None, {"team": "blue"})
    assert unkeepable(update, face, TYPES) == rules
    if not rules:
        json.dumps(fields_of(with_others(update, face, TYPES)))


def test_sent_back_by_declared_type() -> None:
    """Text that spells a number goes back as the number that the face set declares."""
    face = {"external_fields": {"age": "7", "ok": "TRUE"}, "external_image_id": "id"}
    sent = with_others(FaceUpdate("iexEBb6t", None, {"team": "blue"}), face, TYPES)
    assert sent.external_fields == {"age": 7, "ok": True, "team": "blue"}
    assert sent.external_image_id == "id"


@given(seen=FIELDS, held=FIELDS, update=UPDATES)
def test_drift_is_about_the_fields_of_the_update(
    seen: dict[str, Any], held: dict[str, Any], update: FaceUpdate
) -> None:
    """A field that the update does not name may be anything; of others, absence counts."""

    def named(fields: dict[str, Any]) -> dict[str, Any]:
        return {f"external_fields.{name}": value for name, value in fields.items()}

    changed = changed_since(update, named(seen), named(held), TYPES.types)
    for name in update.external_fields:
        now, then = held.get(name, ABSENT), seen.get(name, ABSENT)
        assert (f"external_fields.{name}" in changed) is (now != then)
    assert set(changed) <= set(fields_of(update))
