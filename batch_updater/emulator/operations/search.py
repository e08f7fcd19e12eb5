"""What SearchFace does: the faces most like a picture, or like another face."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.operations import checks
from batch_updater.emulator.operations.calls import Call, Json, face_set_of
from batch_updater.emulator.operations.filter import (
    NUMERIC,
    Test,
    compile_filter,
    is_number,
    value_of,
)
from batch_updater.emulator.operations.image import portraits_of
from batch_updater.emulator.rules import Rules
from batch_updater.emulator.state.face import Face
from batch_updater.emulator.state.face_set import FaceSet
from batch_updater.emulator.state.face_sets import State
from batch_updater.emulator.state.picture import similarity

TOP_N = 10
MAX_TOP_N = 1000  # page 0016
DIRECTIONS = ("asc", "desc")

Hit = tuple[float, Face]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search asks for; `sort` maps a field to asc or desc, first one first."""

    top_n: int
    threshold: float
    sort: Mapping[str, str]
    test: Test
    fields: frozenset[str]


def search(state: State, rules: Rules, call: Call) -> Json:
    """
    Find the `top_n` most similar faces that the filter means (page 0035).

    They come by similarity, or as `sort` says. FRS.0304 for a picture without a
    face, FRS.0403 for an unknown face id (frs-api.md 3.4).
    """
    by_id = call.operation == "SearchFaceByFaceId"
    looks = None if by_id else _looks_of_picture(call, rules)
    face_set = face_set_of(state, call)
    wanted = wanted_of(call.content, face_set.external_fields, rules)
    if looks is None:
        looks = _looks_of_face(call, face_set)
    hits = found(face_set.shown.values(), looks, wanted)
    return {"faces": [_as_json(hit, wanted) for hit in hits]}


def wanted_of(
    content: Mapping[str, object], declared: Mapping[str, str], rules: Rules
) -> Wanted:
    """Read and check the parameters of a search; Refusal names what is wrong."""
    text = content.get("filter")
    if not isinstance(text, str | None):
        raise Refusal("FRS.0012", "The filter must be a string.")
    return Wanted(
        top_n=_top_n(content.get("top_n")),
        threshold=_threshold(content.get("threshold")),
        sort=_sort(content.get("sort"), declared),
        test=compile_filter(text, declared) if text else lambda face: True,
        fields=_fields(content.get("return_fields"), declared, rules),
    )


def found(faces: Iterable[Face], looks: int, wanted: Wanted) -> list[Hit]:
    """Return the most similar faces; equally similar ones in the order given."""
    hits = (
        (alike, face)
        for face in faces
        if (alike := similarity(face.fingerprint, looks)) >= wanted.threshold
        and wanted.test(face)
    )
    best = heapq.nlargest(wanted.top_n, hits, key=lambda hit: hit[0])
    # Sorting is stable, so the first field is sorted by last.
    for name, direction in reversed(list(wanted.sort.items())):
        best = _sorted(best, name, direction == "desc")
    return best


def _sorted(hits: list[Hit], name: str, descending: bool) -> list[Hit]:
    def place(hit: Hit) -> tuple[bool, float]:
        value = value_of(hit[1], name)
        if not is_number(value):
            return True, 0
        return False, -value if descending else value

    return sorted(hits, key=place)


def _looks_of_picture(call: Call, rules: Rules) -> int:
    shown = portraits_of(call.content, rules.image_format)
    if not shown:
        raise Refusal("FRS.0304")
    return shown[0].fingerprint


def _looks_of_face(call: Call, face_set: FaceSet) -> int:
    face = face_set.shown.get(checks.required_text(call.content, "face_id"))
    if face is None:
        raise Refusal("FRS.0403")
    return face.fingerprint


def _top_n(raw: object) -> int:
    if raw is None:
        return TOP_N
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= MAX_TOP_N:
        raise Refusal("FRS.0012", f"The top_n must be from 1 to {MAX_TOP_N}.")
    return raw


def _threshold(raw: object) -> float:
    if raw is None:
        return 0.0
    if not is_number(raw) or not 0 <= raw <= 1:
        raise Refusal("FRS.0012", "The threshold must be from 0 to 1.")
    return float(raw)


def _sort(raw: object, declared: Mapping[str, str]) -> Mapping[str, str]:
    # Page 0013: a list of objects; a field given twice is overwritten.
    if not isinstance(raw, list | None):
        raise Refusal("FRS.0012", "The sort must be a list.")
    wanted: dict[str, str] = {}
    for each in raw or []:
        if not isinstance(each, dict) or not each:
            raise Refusal("FRS.0012", "The sort must hold objects.")
        for name, direction in each.items():
            if declared.get(name) not in NUMERIC or direction not in DIRECTIONS:
                raise Refusal("FRS.0032")
            wanted[name] = direction
    return wanted


def _fields(raw: object, declared: Mapping[str, str], rules: Rules) -> frozenset[str]:
    if raw is None:
        return frozenset(declared if rules.search_fields == "all" else ())
    if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
        raise Refusal("FRS.0012", "The return_fields must be a list of strings.")
    for name in raw:
        if name not in declared:
            raise Refusal("FRS.0402", f"The field {name} was not declared.")
    return frozenset(raw)


def _as_json(hit: Hit, wanted: Wanted) -> Json:
    alike, face = hit
    fields = {
        name: value
        for name, value in face.external_fields.items()
        if name in wanted.fields
    }
    return {**face.as_json(), "external_fields": fields, "similarity": alike}
