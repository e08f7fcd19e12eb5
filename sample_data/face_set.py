"""The face set of the sample data: its fields, and 3 000 believable faces."""

import string
from dataclasses import dataclass, field
from random import Random

FACE_SET = "showFaceSet"
FIELDS = {
    "timestamp": "long",  # when the badge was issued, milliseconds since 1970
    "id": "string",  # the citizen number: digits, and yet no number
    "department": "string",
    "floor": "integer",
    "score": "double",  # quality of the enrolled picture
    "weekly_hours": "float",
    "vip": "boolean",
}
FACES = 3_000
SEED = 20_260_801
LONG_MAX = 2**63 - 1

DEPARTMENTS = ("R-and-D", "sales", "finance", "legal", "logistics", "canteen")
NOTES = (
    "",
    "",
    "",
    "",
    "night shift",
    "moved from 3F, keeps the old badge",
    "李伟, 研发部",
    "张敏: 工牌已更换",
    'signs as "Max", not Maximilian',
    "two badges,\nthe older one is blocked",
)


@dataclass(frozen=True, slots=True)
class Face:
    """
    One row of faces.csv; None and "" are empty cells.

    Args:
        known: whether the face is in the face set at all.
    """

    face_id: str
    image_id: str | None
    fields: dict[str, str | int | float | bool] = field(default_factory=dict)
    note: str = ""
    known: bool = True


# The example of FRS's own documentation.
EXAMPLE = Face("iexEBb6t", "imageID", {"timestamp": 12, "id": "300018629384756"})

# What a reader that guesses types would spoil, by row number.
TRAPS = {
    100: Face("00123456", None, {"id": "00123456", "department": "NA"}),
    400: Face("12345678", "0042", {"id": "1e5", "department": "nan", "score": 1e-05}),
    900: Face("1234e567", "1e5", {"id": "0x1F", "department": "1e5", "floor": 0}),
    1500: Face("Infinity", "NaN", {"id": "inf", "department": "null", "vip": False}),
    1600: Face("00000000", None, {"timestamp": 2**53 + 1, "id": "-0"}),
    1700: Face("TRUEtrue", "True", {"timestamp": LONG_MAX, "id": "9" * 19}),
}
LEFT = {
    777: "left the company on 2026-06-30, face deleted",
    1234: "left the company on 2026-07-15, face deleted",
    2345: "离职 2026-07-31, face deleted",
}
VISITORS = 5


def make_faces() -> list[Face]:
    """Return the faces in the order of faces.csv; always the same ones."""
    chance = Random(SEED)
    taken = {EXAMPLE.face_id, *(face.face_id for face in TRAPS.values())}
    return [_face(row, chance, taken) for row in range(1, FACES + 1)]


def _face(row: int, chance: Random, taken: set[str]) -> Face:
    # Drawn for every row, so that a trap does not change the rows behind it.
    face_id, fields = _face_id(chance, taken), _fields(chance)
    image_id, note = f"badge-{row:05}", chance.choice(NOTES)
    if row == 1:
        return EXAMPLE
    if row in TRAPS:
        return TRAPS[row]
    if row in LEFT:
        return Face(face_id, image_id, fields, LEFT[row], known=False)
    return Face(face_id, image_id if chance.random() < 0.8 else None, fields, note)


def _face_id(chance: Random, taken: set[str]) -> str:
    letters = string.ascii_letters + string.digits
    while (made := "".join(chance.choices(letters, k=8))) in taken:
        pass
    taken.add(made)
    return made


def _fields(chance: Random) -> dict[str, str | int | float | bool]:
    fields: dict[str, str | int | float | bool] = {
        "timestamp": chance.randrange(1_546_300_800_000, 1_785_000_000_000),
        "id": _citizen_number(chance),
        "department": chance.choice(DEPARTMENTS),
        "floor": chance.randrange(-2, 43),
        "score": round(chance.uniform(0.5, 1.0), 4),
        # Quarters are the same number in 32 and in 64 bits.
        "weekly_hours": chance.randrange(40, 161) / 4,
        "vip": chance.random() < 0.05,
    }
    return {name: value for name, value in fields.items() if chance.random() < 0.9}


def _citizen_number(chance: Random) -> str:
    # No region's numbers begin with 3000.
    if chance.random() < 0.1:
        return f"300018{chance.randrange(10**11):011}X"
    return f"300018{chance.randrange(10**13):013}"


def seed() -> dict[str, object]:
    """
    Return the face set before the update, as the emulator's seed door takes it.

    Every stored value differs from the one in faces.csv. Faces of people who
    left are not there any more; some visitors are there and in no file.
    """
    visitors = [Face(f"visitor{n}", f"guest-{n}") for n in range(VISITORS)]
    known = [face for face in make_faces() if face.known]
    faces = [_before(n, face) for n, face in enumerate([*known, *visitors], 1)]
    return {"face_set_name": FACE_SET, "external_fields": FIELDS, "faces": faces}


def _before(number: int, face: Face) -> dict[str, object]:
    fields: dict[str, object] = {"department": f"unit-{number % 7}", "floor": 99}
    if number % 3 == 0:
        fields |= {"timestamp": number, "score": 0.0, "weekly_hours": 0.5}
    image_id = f"old-{number:05}"
    return {
        "face_id": face.face_id,
        "external_image_id": image_id,
        "external_fields": fields,
    }
