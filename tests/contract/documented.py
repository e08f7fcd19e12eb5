"""What the documents say of calls that succeed; page numbers are those of api-face."""

from contract.asking import Answer, Ask
from contract.cases import expect
from contract.stage import FACES, FIELDS, Stage, fields_of


def create_face_set(stage: Stage) -> None:
    """CreateFaceSet tells of an empty face set with what was declared (page 0088)."""
    info = stage.created.face_set_info
    expect(info.get("face_set_name") == stage.name, f"face_set_name {info}")
    expect(info.get("face_number") == 0, f"face_number {info.get('face_number')}")
    expect(info.get("face_set_capacity") == 10_000, f"{info.get('face_set_capacity')}")
    _expect_declared(info.get("external_fields"))


def show_face_set(stage: Stage) -> None:
    """ShowFaceSet tells the declared fields and their types (page 0090)."""
    info = stage.ask("show_face_set").face_set_info
    expect(info.get("face_set_name") == stage.name, f"face_set_name {info}")
    _expect_declared(info.get("external_fields"))


def show_all_face_sets(stage: Stage) -> None:
    """ShowAllFaceSets lists the face set (page 0089)."""
    answer = stage.service.ask(Ask("show_all_face_sets"))
    listed = answer.content.get("face_sets_info")
    expect(isinstance(listed, list), answer.said)
    names = [each.get("face_set_name") for each in listed or ()]
    expect(stage.name in names, f"not among {len(names)} face sets")


def add_faces(stage: Stage) -> None:
    """AddFaces returns a face with its id, box, image id and fields (page 0093)."""
    for number, added in enumerate(stage.added):
        [face] = added.faces[:1]
        expect(len(added.faces) == 1, f"{len(added.faces)} faces for single")
        expect(len(str(face.get("face_id"))) == 8, f"face_id {face.get('face_id')!r}")
        image_id = face.get("external_image_id")
        expect(image_id == f"image-{number}", f"external_image_id {image_id!r}")
        note = fields_of(face).get("note")
        expect(note == f"face-{number}", f"field note {note!r}")
        box = face.get("bounding_box") or {}
        sides = {"width", "height", "top_left_x", "top_left_y"}
        expect(sides <= set(box), f"bounding_box has {sorted(box)}")


def update_both(stage: Stage) -> None:
    """UpdateFace answers 200 with face_number 1 and the face set (page 0095)."""
    fields = {"note": "both"}
    answer = stage.update(
        stage.faces[0], external_image_id="image-0", external_fields=fields
    )
    _expect_updated(stage, answer)


def update_image_id_alone(stage: Stage) -> None:
    """UpdateFace takes an external_image_id alone (page 0095)."""
    answer = stage.update(stage.faces[1], external_image_id="other-1")
    _expect_updated(stage, answer)


def update_fields_alone(stage: Stage) -> None:
    """UpdateFace takes external_fields alone (page 0095)."""
    answer = stage.update(stage.faces[2], external_fields={"note": "alone"})
    _expect_updated(stage, answer)


def every_type(stage: Stage) -> None:
    """A value of every declared type is stored and shown (pages 0012, 0094)."""
    values = {
        "timestamp": 2**40,
        "id": "300018629384756",
        "note": "a-b_c",
        "count": 12,
        "ratio": 0.5,
        "weight": 0.25,
        "flag": True,
    }
    answer, marker = stage.write(stage.faces[0], values)
    _expect_updated(stage, answer)
    face = stage.read_written(stage.faces[0], marker)
    expect(face is not None, f"the values were not shown within {stage.patience:g} s")
    shown = fields_of(face)
    wrong = {
        name: shown.get(name) for name in values if shown.get(name) != values[name]
    }
    expect(not wrong, f"shown otherwise: {wrong}")


def image_id_is_shown(stage: Stage) -> None:
    """A new external_image_id is shown with the face (pages 0094, 0095)."""
    face_id, seen = stage.faces[1], [""]
    _expect_updated(stage, stage.update(face_id, external_image_id="shown-1"))

    def there() -> bool:
        seen.append(str((stage.read(face_id) or {}).get("external_image_id")))
        return seen[-1] == "shown-1"

    stage.until(there)
    expect(seen[-1] == "shown-1", f"external_image_id {seen[-1]!r}")


def default_limit(stage: Stage) -> None:
    """A listing shows five faces unless it says a limit (page 0094)."""
    answer = stage.ask("show_faces_by_limit")
    expect(len(answer.faces) == 5, f"{answer.said}, {len(answer.faces)} of {FACES}")


def limit_and_offset(stage: Stage) -> None:
    """Offset and limit cut a page out of the listing (page 0094)."""
    whole = stage.ask("show_faces_by_limit", offset=0, limit=100)
    page = stage.ask("show_faces_by_limit", offset=1, limit=2)
    ids = [face.get("face_id") for face in whole.faces]
    cut = [face.get("face_id") for face in page.faces]
    expect(set(ids) == set(stage.faces), f"{len(ids)} of {FACES} faces")
    expect(cut == ids[1:3], f"{cut} out of {ids}")


def window_edge(stage: Stage) -> None:
    """A listing with offset + limit of 10000 is allowed (page 0094)."""
    answer = stage.ask("show_faces_by_limit", offset=9_999, limit=1)
    expect(answer.ok, answer.said)


def delete_by_face_id(stage: Stage) -> None:
    """A delete by face_id counts one face, which is then gone (page 0096)."""
    face_id = stage.faces[5]
    answer = stage.ask("delete_face_by_face_id", face_id=face_id)
    _expect_counted(stage, answer)
    gone = stage.until(lambda: stage.read(face_id) is None)
    expect(gone.seconds is not None, "the face is still shown")


def delete_by_image_id(stage: Stage) -> None:
    """A delete by external_image_id counts its faces (page 0096)."""
    said = [Answer(None)]

    def deleted() -> bool:
        operation = "delete_face_by_external_image_id"
        said.append(stage.ask(operation, external_image_id="image-4"))
        return said[-1].ok

    stage.until(deleted)  # what is searched for may lag behind what is shown
    _expect_counted(stage, said[-1])


def batch_delete(stage: Stage) -> None:
    """A batch delete takes the faces that its filter means (pages 0014, 0097)."""
    _, marker = stage.write(stage.faces[3], {"note": "batch"})
    said = [Answer(None)]

    def deleted() -> bool:
        body = {"filter": f"marker:[{marker} TO {marker}]"}
        said.append(stage.tell("batch_delete_faces", body))
        return said[-1].ok

    stage.until(deleted)
    _expect_counted(stage, said[-1])


def _expect_updated(stage: Stage, answer: Answer) -> None:
    _expect_counted(stage, answer)
    named = answer.content.get("face_set_id")
    made = stage.created.face_set_info.get("face_set_id")
    expect(named == made, f"face_set_id {named!r}, but {made!r} was made")


def _expect_counted(stage: Stage, answer: Answer) -> None:
    expect(answer.ok, answer.said)
    number = answer.content.get("face_number")
    expect(number == 1, f"200 with face_number {number}")
    named = answer.content.get("face_set_name")
    expect(named == stage.name, f"face_set_name {named!r}")


def _expect_declared(declared: object) -> None:
    kinds = {name: {"type": kind} for name, kind in FIELDS.items()}
    expect(declared == kinds, f"external_fields {declared}")
