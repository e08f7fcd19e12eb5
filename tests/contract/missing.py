"""What is said of things that are not there."""

from contract.asking import Answer, Ask
from contract.cases import Found, NotAsked, by_rule
from contract.stage import UNKNOWN_FACE, Stage

_SETTLE = "known to the updater: fails the row, --settle waits"


def missing_face_code(stage: Stage) -> Found:
    """Which code has an update of an unknown face"""
    answer = stage.update(UNKNOWN_FACE, external_fields={"count": 1})
    value = _code_or(answer, "zero", answer.content.get("face_number") == 0)
    means = "REPLY.FACE_NUMBER fails the row" if value == "zero" else _SETTLE
    return by_rule("missing_face_code", value, answer.said, means)


def missing_face_get(stage: Stage) -> Found:
    """What does a GET of an unknown face say"""
    answer = stage.ask("show_faces_by_face_id", face_id=UNKNOWN_FACE)
    value = _code_or(answer, "empty", not answer.faces)
    return by_rule("missing_face_get", value, answer.said)


def missing_face_delete(stage: Stage) -> Found:
    """What does a delete say that finds no face"""
    answer = stage.ask("delete_face_by_face_id", face_id=UNKNOWN_FACE)
    value = _code_or(answer, "zero", answer.content.get("face_number") == 0)
    return by_rule("missing_face_delete", value, answer.said)


def missing_face_set(stage: Stage) -> Found:
    """What does a GET of an unknown face set say"""
    answer = stage.service.ask(Ask("show_face_set", f"{stage.name}-none"))
    means = "both are known to the updater"
    if answer.code == "FRS.0302":
        return by_rule("missing_face_set", "error", answer.said, means)
    value = _code_or(answer, "empty", not answer.face_set_info.get("face_set_id"))
    return by_rule("missing_face_set", value, answer.said, means)


def window_code(stage: Stage) -> Found:
    """What does a listing say with offset + limit above 10000"""
    answer = stage.ask("show_faces_by_limit", offset=9_999, limit=2)
    value = _code_or(answer, "empty", not answer.faces)
    return by_rule("window_code", value, answer.said)


def versions(stage: Stage) -> Found:
    """Does v1 see what v2 has made"""
    ask = Ask("show_face_set_v1", stage.name)
    if not stage.service.client.knows(ask.operation):
        raise NotAsked("this client knows no v1; CLIENT=ours does")
    answer = stage.service.ask(ask)
    if answer.face_set_info.get("face_set_name") == stage.name:
        return by_rule("versions", "shared", answer.said)
    absent = answer.code == "FRS.0302" or answer.ok
    return by_rule("versions", "separate" if absent else "no v1", answer.said)


def _code_or(answer: Answer, word: str, fits: bool) -> str:
    if answer.status is None:
        raise NotAsked(answer.said)
    if answer.ok:
        return word if fits else "something else"
    return answer.code or f"HTTP {answer.status}"
