"""What the documents say of calls that are refused."""

from contract.asking import Answer, Ask
from contract.cases import NotAsked, expect, expect_refusal
from contract.stage import FIELDS, UNKNOWN_FACE, Stage

SEED = {"timestamp": 12, "id": "300018629384756"}


def unknown_face(stage: Stage) -> None:
    """An unknown face is refused with FRS.0303 or FRS.0403 (pages 0095, 0045)."""
    answer = stage.update(UNKNOWN_FACE, external_fields={"count": 1})
    expect_refusal(answer, "FRS.0303", "FRS.0403")


def unknown_face_set(stage: Stage) -> None:
    """An update in an unknown face set is refused with FRS.0302 (page 0045)."""
    body = {"face_id": stage.faces[0], "external_fields": {"count": 1}}
    # A name that was never made, so that nobody's face set can be meant.
    ask = Ask("update_face", f"{stage.name}-none", body=body)
    expect_refusal(stage.service.ask(ask), "FRS.0302")


def undeclared_field(stage: Stage) -> None:
    """A field that was not declared is refused with FRS.0402 (pages 0037, 0045)."""
    answer = stage.update(stage.faces[0], external_fields={"undeclared": 1})
    expect_refusal(answer, "FRS.0402")


def nothing_to_update(stage: Stage) -> None:
    """An update needs an image id or fields (page 0095)."""
    expect_refusal(stage.update(stage.faces[0]))


def no_face_id(stage: Stage) -> None:
    """An update needs a face_id (page 0095)."""
    body = {"external_fields": {"count": 1}}
    expect_refusal(stage.tell("update_face", body))


def long_image_id(stage: Stage) -> None:
    """An external_image_id has 36 characters at the most (page 0095)."""
    expect_refusal(stage.update(stage.faces[0], external_image_id="x" * 37))


def image_id_charset(stage: Stage) -> None:
    """An external_image_id has letters, digits, - and _ alone (page 0095)."""
    expect_refusal(stage.update(stage.faces[0], external_image_id="a b"))


def long_value(stage: Stage) -> None:
    """A string value has 256 characters at the most (page 0095)."""
    fields = {"note": "x" * 257}
    expect_refusal(stage.update(stage.faces[0], external_fields=fields))


def face_set_exists(stage: Stage) -> None:
    """A face set's name cannot be taken twice: FRS.0301 (page 0045)."""
    fields = {name: {"type": kind} for name, kind in FIELDS.items()}
    body = {"face_set_name": stage.name, "external_fields": fields}
    answer = stage.service.ask(Ask("create_face_set", body=body))
    expect_refusal(answer, "FRS.0301")


def plain_seed_body(stage: Stage) -> None:
    """A bare requests.put of the example's body updates one face (page 0095)."""
    answer = _put_seed(stage, stage.faces[0])
    expect(answer.ok, answer.said)
    number = answer.content.get("face_number")
    expect(number == 1, f"200 with face_number {number}")


def plain_unknown_face(stage: Stage) -> None:
    """The same for an unknown face is a 400 with the sample's FRS.0303 (page 0095)."""
    expect_refusal(_put_seed(stage, UNKNOWN_FACE), "FRS.0303")


def _put_seed(stage: Stage, face_id: str) -> Answer:
    if stage.plain is None:
        raise NotAsked("it needs a token, and the credentials are an access key")
    stage.service.pace.wait()
    body = {"face_id": face_id, "external_image_id": "imageID", "external_fields": SEED}
    return stage.service.look(stage.plain.put(body))
