"""Building the stage, and taking it down again whatever happened on it."""

from contract.asking import Answer, Ask
from contract.service import Refused, refusal
from contract.stage import FACES, FIELDS, Lag, Stage, later

_GONE = "FRS.0302"


def build(stage: Stage) -> None:
    """
    Make the face set and its faces.

    Raises:
        Refused: it cannot be made, or no face can be added.
    """
    # The first call of all changes nothing: it shows whether we are let in.
    listed = stage.service.ask(Ask("show_all_face_sets"))
    if not listed.ok:
        raise refusal(listed)
    stage.begun = True
    _create(stage)
    _add_faces(stage)


def take_down(stage: Stage) -> str:
    """Delete the face set, also one whose making was cut off; return what failed."""
    if not stage.begun:
        return ""
    try:
        answer = stage.service.ask(Ask("delete_face_set", stage.name))
    except Refused as problem:
        return problem.message
    except KeyboardInterrupt:
        return "stopped while it was being deleted"
    return "" if answer.ok or answer.code == _GONE else answer.said


def _create(stage: Stage) -> None:
    fields = {name: {"type": kind} for name, kind in FIELDS.items()}
    body = {
        "face_set_name": stage.name,
        "face_set_capacity": 10_000,
        "external_fields": fields,
    }
    stage.created = stage.service.ask(Ask("create_face_set", body=body))
    if not stage.created.ok:
        raise refusal(stage.created)


def _add_faces(stage: Stage) -> None:
    for number in range(FACES):
        added = _add(stage, number)
        if not added.faces:
            said = "a picture in which one face can be seen is needed: IMAGE=face.jpg"
            raise refusal(added, said)
        stage.added.append(added)
        stage.faces.append(str(added.faces[0].get("face_id", "")))
        # One after the other, so that the order of a listing can be told.
        stage.lag = later(stage.lag, _until_known(stage, number))


def _add(stage: Stage, number: int) -> Answer:
    body = {
        "image_base64": stage.image,
        "external_image_id": f"image-{number}",
        "external_fields": {"note": f"face-{number}"},
        "single": True,
    }
    return stage.tell("add_faces_by_base64", body)


def _until_known(stage: Stage, number: int) -> Lag:
    face_id = stage.faces[number]

    def updated() -> bool:
        fields = {"count": number}
        answer = stage.update(face_id, external_fields=fields)
        # A service that counts wrongly is found by the cases, not waited for.
        return answer.ok and answer.content.get("face_number") != 0

    def shown() -> bool:
        return stage.read(face_id) is not None

    # Either may lag: half the faces are looked at in one way, half in the other.
    return stage.until(shown if number % 2 else updated)
