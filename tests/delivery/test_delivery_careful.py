"""One task, carefully: the face is looked at, what it holds is kept, then it is changed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from batch_updater.delivery.careful import CarefulSender
from batch_updater.delivery.gate import Gate
from batch_updater.errors import JournalFailed
from batch_updater.frs.protocol import encode_update, payload_hash, write_faces
from batch_updater.mapping.care import Care
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.comparison import ABSENT, fields_of
from batch_updater.models import (
    Attempt,
    BeforeImage,
    ErrorClass,
    FaceUpdate,
    FieldType,
    Outcome,
    Planned,
    Result,
    Task,
    UpdateMode,
)

DECLARED = {
    "age": FieldType.INTEGER,
    "city": FieldType.STRING,
    "score": FieldType.DOUBLE,
}
TYPES = FieldTypes(types=DECLARED, allowed=frozenset(DECLARED))
BACKUP = Care(backup=True, types=TYPES)
PLAN = replace(BACKUP, backup=False)


@dataclass
class Scene:
    """A face, whoever reads and changes it, and what was kept of it, in order."""

    face: dict[str, Any]
    events: list[str] = field(default_factory=list)
    images: list[BeforeImage] = field(default_factory=list)
    sent: list[FaceUpdate] = field(default_factory=list)
    old: Mapping[str, Any] | None = None
    unread: Result | None = None
    full: bool = False
    gate: Gate = field(default_factory=Gate)

    def earlier(self, task: Task) -> Mapping[str, Any] | None:
        return self.old

    async def keep(self, image: BeforeImage) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise JournalFailed("no room")
        self.events.append("kept")
        self.images.append(image)

    async def read(self, task: Task) -> Result:
        self.events.append("read")
        if self.unread:
            return self.unread
        payload = write_faces([{"face_id": task.update.face_id, **self.face}])
        return _result(task, Outcome.EXPORTED, 200, payload=payload)

    async def put(self, task: Task) -> Result:
        self.events.append("sent")
        self.sent.append(task.update)
        sha256 = payload_hash(encode_update(task.update))
        return _result(task, Outcome.UPDATED, 201, payload_sha256=sha256)

    def send(self, task: Task, care: Care, *, values: bool = False) -> Result:
        """Send one task; what it comes to."""
        sender = CarefulSender(
            read=self.read,
            send=self.put,
            images=self,
            care=care,
            gate=self.gate,
            include_values=values,
        )
        return asyncio.run(sender.send_carefully(task))


def _result(task: Task, outcome: Outcome, mark: int, **facts: Any) -> Result:
    return Result(
        source=task.source,
        row_number=task.row_number,
        face_set_name=task.face_set_name,
        face_id=task.update.face_id,
        outcome=outcome,
        attempts=(Attempt(float(mark), 0.1, mark),),
        http_status=mark,
        **facts,
    )


def task_of(planned: Planned | None = None, /, **fields: Any) -> Task:
    """A task that wants these custom fields."""
    update = FaceUpdate("abcdefgh", external_fields=fields)
    return Task(update, "faces", "in.csv", 7, planned)


def holding(**fields: Any) -> dict[str, Any]:
    """A face as FRS writes it, without its id."""
    return {"external_image_id": "image", "external_fields": fields}


def saw(**fields: Any) -> dict[str, Any]:
    """What a plan saw, by the names of comparison."""
    return {f"external_fields.{name}": value for name, value in fields.items()}


def test_image_first() -> None:
    """The face is read, its image kept, and only then is the update sent."""
    scene = Scene(holding(age=1, city="Ulm"))
    result = scene.send(task_of(age=2), BACKUP)
    assert scene.events == ["read", "kept", "sent"]
    (image,) = scene.images
    assert image.before == {"face_id": "abcdefgh", **holding(age=1, city="Ulm")}
    assert (image.source, image.row_number) == ("in.csv", 7)
    assert image.update == scene.sent[0]
    assert result.outcome is Outcome.UPDATED
    assert [each.status for each in result.attempts] == [200, 201]
    assert result.payload_sha256 == payload_hash(encode_update(scene.sent[0]))


def test_what_was_just_read_goes_along() -> None:
    """Whatever the face holds is sent again, so merge and replace mean the same."""
    scene = Scene(holding(age="1", city="Ulm"))
    scene.send(task_of(city="Bonn"), BACKUP)
    (sent,) = scene.sent
    assert sent.external_image_id == "image"
    assert sent.external_fields == {"age": 1, "city": "Bonn"}


@pytest.mark.parametrize("seen", [None, saw(age=5)])
def test_nothing_to_change(seen: dict[str, Any] | None) -> None:
    """A face that holds all that is wanted is left alone, whoever changed it."""
    scene = Scene(holding(age="2", city="Ulm"))
    planned = Planned(seen) if seen else None
    result = scene.send(task_of(planned, age=2), BACKUP, values=True)
    assert scene.events == ["read"]
    assert (result.outcome, result.error_code) == (Outcome.UNCHANGED, "")
    assert result.error_class is None
    assert result.payload == '{"face_id":"abcdefgh","external_fields":{"age":2}}'


def test_drift() -> None:
    """What no longer holds what the plan saw is left alone, with the fields named."""
    scene = Scene(holding(age=3, city="Ulm"))
    planned = Planned(saw(age=1, city="Ulm"))
    result = scene.send(task_of(planned, age=2, city="Bonn"), PLAN)
    assert scene.events == ["read"]
    assert (result.outcome, result.error_code) == (Outcome.DRIFTED, "PLAN.DRIFTED")
    assert result.error_class is ErrorClass.PERMANENT
    assert "external_fields.age" in result.error_msg
    assert not {"3", "city"} & set(result.error_msg.replace(".", " ").split())


def test_drift_with_values() -> None:
    """With --include-values the message says what was seen, and what is there."""
    scene = Scene(holding(age=3))
    care = replace(PLAN, values=True)
    result = scene.send(task_of(Planned(saw(age=ABSENT)), age=2), care)
    assert "external_fields.age (was nothing, is 3)" in result.error_msg


@pytest.mark.parametrize(
    ("seen", "held", "outcome"),
    [
        (saw(age=1), holding(age="1"), Outcome.UPDATED),
        (saw(age=ABSENT), holding(), Outcome.UPDATED),
        (saw(age=ABSENT), holding(age=1), Outcome.DRIFTED),
        (saw(age=1), holding(), Outcome.DRIFTED),
        (saw(), holding(age=1), Outcome.DRIFTED),
        (saw(age=[1]), holding(age=[1]), Outcome.UPDATED),
        (None, holding(age=9), Outcome.UPDATED),
    ],
)
def test_what_counts_as_drift(
    seen: dict[str, Any] | None, held: dict[str, Any], outcome: Outcome
) -> None:
    """By declared type, absence included; a plan that did not know sees no drift."""
    result = Scene(held).send(task_of(Planned(seen), age=2), PLAN)
    assert result.outcome is outcome


def test_a_plan_that_has_the_face() -> None:
    """Its own picture is the before-image: nothing is read, and only changes are sent."""
    scene = Scene(holding(age=9, city="Kiel"))
    before = {"face_id": "abcdefgh", **holding(age=1, city="Ulm")}
    planned = Planned(saw(age=1, city="Ulm"), before)
    result = scene.send(task_of(planned, age=2, city="Ulm"), PLAN)
    assert scene.events == ["kept", "sent"]
    assert scene.images[0].before == before
    assert scene.sent[0].external_fields == {"age": 2}
    assert result.outcome is Outcome.UPDATED


@pytest.mark.parametrize(
    "care",
    [
        replace(PLAN, check_drift=True),
        replace(PLAN, mode=UpdateMode.READ_MODIFY_WRITE),
    ],
)
def test_reading_again(care: Care) -> None:
    """--check-drift and read-modify-write read the face though the plan has it."""
    before = {"face_id": "abcdefgh", **holding(age=1)}
    scene = Scene(holding(age=3))
    result = scene.send(task_of(Planned(saw(age=1), before), age=2), care)
    assert (scene.events, result.outcome) == (["read"], Outcome.DRIFTED)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.FAILED, Outcome.FAILED),
        (Outcome.MISSING, Outcome.FAILED),
        (Outcome.UNPROCESSED, Outcome.UNPROCESSED),
    ],
)
def test_a_face_that_cannot_be_read(outcome: Outcome, expected: Outcome) -> None:
    """It is not changed; the read's code and attempts are the row's."""
    task = task_of(age=2)
    unread = _result(task, outcome, 400, error_code="FRS.0303")
    scene = Scene(holding(age=1), unread=unread)
    result = scene.send(task, BACKUP)
    assert scene.events == ["read"]
    assert result == replace(unread, outcome=expected)


def test_an_image_that_cannot_be_kept() -> None:
    """Nothing is sent without it: the gate closes, and the row can be resumed."""
    scene = Scene(holding(age=1), full=True)
    result = scene.send(task_of(age=2), BACKUP)
    assert scene.events == ["read"]
    assert (result.outcome, result.payload) == (Outcome.UNPROCESSED, "")
    assert [each.status for each in result.attempts] == [200]
    assert isinstance(scene.gate.reason, JournalFailed)


async def test_cut_off_while_the_image_is_written() -> None:
    """A second signal while the disk is waited for: nothing more is sent."""
    scene, begun = Scene(holding(age=1)), asyncio.Event()

    async def hang(image: BeforeImage) -> None:
        begun.set()
        await asyncio.Event().wait()

    scene.keep = hang  # type: ignore[method-assign]
    sender = CarefulSender(
        read=scene.read, send=scene.put, images=scene, care=BACKUP, gate=scene.gate
    )
    worker = asyncio.create_task(sender.send_carefully(task_of(age=2)))
    await begun.wait()
    worker.cancel()
    result = await worker
    assert (scene.events, result.outcome) == (["read"], Outcome.UNPROCESSED)


def test_what_this_run_has_sent_before() -> None:
    """After a kill between PUT and journal the same is sent again, and said as updated."""
    old = {"face_id": "abcdefgh", **holding(age=1)}
    scene = Scene(holding(age=2), old=old)
    result = scene.send(task_of(Planned(saw(age=1)), age=2), PLAN)
    assert scene.events == ["read", "sent"], "the image stays the only one"
    assert result.outcome is Outcome.UPDATED


def test_what_this_run_has_not_sent_before() -> None:
    """An image of an earlier session alone proves no change: drift stays drift."""
    old = {"face_id": "abcdefgh", **holding(age=1)}
    scene = Scene(holding(age=3), old=old)
    result = scene.send(task_of(Planned(saw(age=1)), age=2), PLAN)
    assert (scene.events, result.outcome) == (["read"], Outcome.DRIFTED)


@pytest.mark.parametrize("mode", [None, UpdateMode.MERGE])
def test_what_somebody_else_has_changed_between_sessions(
    mode: UpdateMode | None,
) -> None:
    """It is kept as theirs, with what this run may have written as it was before that."""
    old = {"face_id": "abcdefgh", **holding(age=1, city="Ulm")}
    scene = Scene(holding(age=2, city="Kiel", score=0.5), old=old)
    result = scene.send(task_of(age=2, city="Bonn"), replace(BACKUP, mode=mode))
    (image,) = scene.images
    assert image.before == {
        "face_id": "abcdefgh",
        **holding(age=1, city="Kiel", score=0.5),
    }
    assert image.update == scene.sent[0]
    assert saw(age=2, city="Bonn").items() <= fields_of(image.update).items()
    assert (scene.events, result.outcome) == (
        ["read", "kept", "sent"],
        Outcome.UPDATED,
    )


def test_what_somebody_else_has_changed_elsewhere() -> None:
    """In fields that the row does not name it needs no other image."""
    old = {"face_id": "abcdefgh", **holding(age=1, city="Ulm")}
    scene = Scene(holding(age=1, city="Kiel"), old=old)
    scene.send(task_of(age=2), BACKUP)
    assert scene.events == ["read", "sent"]
    assert scene.sent[0].external_fields == {"age": 2, "city": "Kiel"}


@pytest.mark.parametrize("held", [holding(age="", city="Ulm"), holding(age=None)])
def test_what_cannot_be_sent_back(held: dict[str, Any]) -> None:
    """Empty text in an integer field, as a real face held it: the row says which field."""
    result = Scene(held).send(task_of(city="Bonn"), BACKUP)
    assert (result.outcome, result.error_code) == (Outcome.FAILED, "PLAN.UNKEEPABLE")
    assert "external_fields.age" in result.error_msg
    assert "--update-mode merge" in result.error_msg


def test_what_is_overwritten_need_not_be_sent_back() -> None:
    """A value that breaks the rules is in nobody's way when it is what changes."""
    scene = Scene(holding(age="", city="Ulm"))
    result = scene.send(task_of(age=1), BACKUP)
    assert result.outcome is Outcome.UPDATED
    assert scene.sent[0].external_fields == {"age": 1, "city": "Ulm"}


def test_merge_sends_what_differs() -> None:
    """With --update-mode merge a value that cannot be sent back is left where it is."""
    scene = Scene(holding(age="", city="Ulm", score=1.0))
    care = replace(BACKUP, mode=UpdateMode.MERGE)
    scene.send(task_of(city="Bonn", score=1), care)
    assert fields_of(scene.sent[0]) == {"external_fields.city": "Bonn"}


def test_replace_wants_every_field() -> None:
    """A row that leaves one out is invalid, and not even read."""
    scene = Scene(holding(age=1))
    care = replace(BACKUP, mode=UpdateMode.REPLACE)
    result = scene.send(task_of(age=2, score=0.5), care)
    assert scene.events == []
    assert (result.outcome, result.rule) == (Outcome.INVALID, "incomplete")
    assert result.column == "external_image_id, external_fields.city"
    whole = FaceUpdate("abcdefgh", "new", {"age": 2, "city": "Bonn", "score": 0.5})
    scene.send(Task(whole, "faces", "in.csv", 8), care)
    assert scene.sent == [whole]


def test_replace_alone_reads_nothing() -> None:
    """Without --backup it costs no request more, and keeps no image."""
    scene = Scene(holding(age=1))
    age = FieldTypes(types={"age": FieldType.INTEGER})
    care = replace(PLAN, mode=UpdateMode.REPLACE, types=age)
    task = task_of(age=2)
    whole = replace(task, update=replace(task.update, external_image_id="new"))
    scene.send(whole, care)
    assert scene.events == ["sent"]


def test_a_rollback_that_keeps_a_field() -> None:
    """What cannot be taken back is said beside the outcome, never passed over."""
    planned = Planned(saw(age=2), kept=("external_fields.city",))
    result = Scene(holding(age=2, city="Bonn")).send(task_of(planned, age=1), PLAN)
    assert (result.outcome, result.error_code) == (Outcome.UPDATED, "PLAN.KEPT")
    assert "external_fields.city" in result.error_msg
