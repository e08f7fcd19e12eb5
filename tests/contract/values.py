"""What an update does to custom fields, where the documents are silent."""

from typing import Any

from contract.asking import Answer
from contract.cases import Found, NotAsked, by_rule, object_of
from contract.stage import Stage, fields_of

BEFORE = "before"
# In the field's own words, or not at all.
_READABLE = (("count", "7"), ("count", 1.5), ("flag", "true"), ("note", 7))
_UNREADABLE = ("count", "seven")
_TEXT = "你好, a.b"


def merge_or_replace(stage: Stage) -> Found:
    """Does an update keep the fields that it does not name"""
    _write(stage, {"note": BEFORE, "count": 7})
    shown = _written(stage, {"note": "after"})
    kept = shown.get("count")
    value = {None: "replace", 7: "merge"}.get(kept, "neither")
    seen = f"count was 7; after an update of note alone it is {object_of(kept)}"
    modes = "say --update-mode read-modify-write or replace, or lose the others"
    means = "" if value == "merge" else modes
    return by_rule("external_fields", value, seen, means)


def image_id_kept(stage: Stage) -> Found:
    """Does an update without external_image_id leave it alone"""
    face_id = stage.faces[0]
    before = (stage.read(face_id) or {}).get("external_image_id")
    answer, marker = stage.write(face_id, {"note": "kept"})
    after = (stage.read_written(face_id, marker) or {}).get("external_image_id")
    if not answer.ok or after is None:
        raise NotAsked(f"the update was not shown: {answer.said}")
    value = "kept" if before == after else "changed"
    return Found(value, f"{before!r}, then {after!r}", expected=value == "kept")


def null_values(stage: Stage) -> Found:
    """What does null do to a field"""
    return _odd(stage, "null_values", None)


def empty_values(stage: Stage) -> Found:
    """What does an empty string do to a field"""
    return _odd(stage, "empty_values", "")


def nested_values(stage: Stage) -> Found:
    """Are lists and objects taken as values"""
    found = [_fate(stage, value) for value in (["a"], {"a": "b"})]
    values = {value for value, _ in found}
    value = values.pop() if len(values) == 1 else "mixed"
    seen = "; ".join(
        f"{what}: {e}" for what, (_, e) in zip(_NESTED, found, strict=True)
    )
    return by_rule("nested_values", value, seen)


def string_values(stage: Stage) -> Found:
    """May a string hold more than letters, digits, - and _"""
    answer, marker = stage.write(stage.faces[0], {"note": _TEXT})
    if not answer.ok:
        return by_rule("string_values", "strict", answer.said, "run with --strict")
    kept = fields_of(stage.read_written(stage.faces[0], marker)).get("note")
    value = "lenient" if kept == _TEXT else "altered"
    return by_rule("string_values", value, f"{_TEXT!r} is shown as {kept!r}")


def field_types(stage: Stage) -> Found:
    """Must a value have the declared type of its field"""
    answers = {
        f"{name}={value!r}": stage.write(stage.faces[0], {name: value})[0]
        for name, value in (*_READABLE, _UNREADABLE)
    }
    taken = [answer.ok for answer in answers.values()]
    seen = ", ".join(f"{what}: {answer.said}" for what, answer in answers.items())
    return by_rule("field_types", _strictness(taken), seen)


def wrong_type_code(stage: Stage) -> Found:
    """Which code refuses a value of another type"""
    name, value = _UNREADABLE
    answer = stage.update(stage.faces[0], external_fields={name: value})
    if answer.ok:
        raise NotAsked("such values are taken")
    return by_rule("wrong_type_code", answer.code, answer.said)


_NESTED = ("a list", "an object")


def _strictness(taken: list[bool]) -> str:
    if all(taken):
        return "lenient"
    if not any(taken):
        return "strict"
    return "coerce" if all(taken[:-1]) else "mixed"


def _odd(stage: Stage, rule: str, value: Any) -> Found:
    found, seen = _fate(stage, value)
    means = "a field can be cleared" if found == "clear" else ""
    return by_rule(rule, found, seen, means)


def _fate(stage: Stage, value: Any) -> tuple[str, str]:
    """Return what becomes of a field that is given a value, and what was seen."""
    _write(stage, {"note": BEFORE})
    answer, marker = stage.write(stage.faces[0], {"note": value})
    if not answer.ok:
        return "refuse", answer.said
    face = stage.read_written(stage.faces[0], marker)
    if face is None:
        raise NotAsked(_UNSEEN)
    fields = fields_of(face)
    seen = f"{answer.said}; note was {BEFORE!r}, then "
    if "note" not in fields:
        return "clear", f"{seen}not there"
    names = {repr(value): "store", repr(BEFORE): "ignore"}
    return names.get(repr(fields["note"]), "altered"), f"{seen}{fields['note']!r}"


_UNSEEN = "the update was not shown in time"


def _write(stage: Stage, fields: dict[str, Any]) -> Answer:
    answer, marker = stage.write(stage.faces[0], fields)
    if not answer.ok or stage.read_written(stage.faces[0], marker) is None:
        raise NotAsked(f"an ordinary update fails: {answer.said}")
    return answer


def _written(stage: Stage, fields: dict[str, Any]) -> Any:
    answer, marker = stage.write(stage.faces[0], fields)
    face = stage.read_written(stage.faces[0], marker)
    if face is None:
        raise NotAsked(f"{_UNSEEN}: {answer.said}")
    return fields_of(face)
