"""The suite can fail: a service that differs from its documents is told so."""

import json
from typing import Any

import pytest
from bench import FACE_SET, fault, start_emulator

from batch_updater.emulator import Fault
from contract.examining import CLIENTS, environment, examine, examine_at
from contract.stage import UNKNOWN_FACE

QUICK = ("--wait", "50ms")


def wrong(operation: str, content: Any = None, **options: Any) -> Fault:
    """Return a fault that answers an operation always, with a body or a code."""
    if content is not None:
        options |= {"status": 200, "body": json.dumps(content)}
    name = f"{operation} {options.get('face_id', '')}"
    return fault("respond", name=name, operation=operation, times=0, **options)


WRONG: dict[str, tuple[Fault, set[str]]] = {
    "face_number 0": (
        fault("face-number-0", times=0),
        {
            *("update_both", "update_image_id_alone", "update_fields_alone"),
            *("every_type", "image_id_is_shown", "plain_seed_body", "batch_delete"),
        },
    ),
    "unknown face": (
        wrong("UpdateFace", face_id=UNKNOWN_FACE, code="FRS.0012"),
        {"unknown_face", "plain_unknown_face"},
    ),
    "face set": (
        wrong("ShowFaceSet", {"face_set_info": {"face_set_name": "other"}}),
        {"show_face_set"},
    ),
    "face sets": (
        wrong("ShowAllFaceSets", {"face_sets_info": []}),
        {"show_all_face_sets"},
    ),
    "listing": (
        wrong("ShowFacesByLimit", {"faces": [{"face_id": "x"}]}),
        {"default_limit", "limit_and_offset"},
    ),
    "one face": (
        wrong("ShowFacesByFaceId", {"faces": []}),
        {"every_type", "image_id_is_shown"},
    ),
    "delete": (
        wrong("DeleteFaceByFaceId", {"face_number": 2, "face_set_name": "other"}),
        {"delete_by_face_id"},
    ),
    "delete by image id": (
        wrong("DeleteFaceByExternalImageId", code="FRS.0401"),
        {"delete_by_image_id"},
    ),
    "batch delete": (
        wrong("BatchDeleteFaces", {"face_number": 0}),
        {"batch_delete"},
    ),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("what", WRONG)
def test_not_held(what: str, client: str) -> None:
    """A wrong answer makes exactly the facts fail that it contradicts, and exit 1."""
    planned, facts = WRONG[what]
    ended = examine(client, *QUICK, faults=[planned])

    assert ended.not_held == facts, ended.entries
    assert ended.code == 1
    assert all(ended.entries[name]["evidence"] for name in facts)


@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_is_refused(client: str) -> None:
    """A service that takes everything fails every fact that says what is refused."""
    content = {"face_number": 1, "face_set_id": "x", "face_set_name": FACE_SET}
    ended = examine(client, *QUICK, faults=[wrong("UpdateFace", content)])

    assert ended.not_held >= {
        *("unknown_face", "unknown_face_set", "undeclared_field", "no_face_id"),
        *("nothing_to_update", "long_image_id", "image_id_charset", "long_value"),
        *("plain_unknown_face", "update_both"),
    }


@pytest.mark.parametrize("client", CLIENTS)
def test_answers_that_cannot_be_read(client: str) -> None:
    """Pages, lists and members of a wrong type are evidence, never a traceback."""
    faults = [
        wrong("ShowFaceSet", status=200, body="<html>Sign in</html>"),
        wrong("ShowFacesByLimit", [1, 2]),
        wrong("DeleteFaceByFaceId", {"face_number": "many"}),
        wrong("BatchDeleteFaces", status=502, body="<html>Bad gateway</html>"),
    ]
    ended = examine(client, *QUICK, faults=faults)

    assert ended.not_held >= {"show_face_set", "default_limit", "delete_by_face_id"}
    assert "batch_delete" in ended.not_held
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("client", CLIENTS)
def test_passing_trouble(client: str) -> None:
    """A 500, a broken connection and a throttled call are asked again, and no failure."""
    faults = [
        fault("respond", name="error", code="FRS.0018", after=5),
        fault("respond", name="throttled", code="FRS.0033", after=8),
        fault("reset", operation="ShowFacesByLimit"),
    ]
    ended = examine(client, faults=faults)

    assert ended.not_held == set()
    assert ended.values["throttle_code"]
    assert [each.fired for each in ended.emulator.faults] == [1, 1, 1]


@pytest.mark.parametrize("client", CLIENTS)
def test_no_other_face_set_is_touched(client: str) -> None:
    """The faces of every other face set are as they were, byte for byte."""
    with start_emulator() as emulator:
        seeds = [
            {"face_id": f"face{n}", "external_fields": {"age": n}} for n in range(9)
        ]
        emulator.state.seed_faces(FACE_SET, seeds)
        before = [face.as_json() for face in emulator.state.faces(FACE_SET)]
        ended = examine_at(emulator, "--json", "--client", client)

        assert ended.code == 0
        assert [face.as_json() for face in emulator.state.faces(FACE_SET)] == before
        assert ended.face_sets == {FACE_SET}
        applied = {each.face_set_name for each in emulator.witness.updates()}
        assert len(applied) == 1
        assert FACE_SET not in applied


@pytest.mark.parametrize("client", CLIENTS)
def test_no_secret_is_repeated(client: str) -> None:
    """A service that quotes what it was sent cannot make a report hold a secret."""
    quoted = "canary-token-1 canary-ak-1 canary-sk-1 canary-sts-1"
    with start_emulator(token="canary-token-1", sk="canary-sk-1") as emulator:
        emulator.script(
            [
                wrong("ShowFacesByLimit", code="FRS.0012", message=quoted),
                wrong("ShowFaceSet", code="APIGW.0301", message=quoted),
            ]
        )
        for form in ("--json", "--burst"):
            ended = examine_at(
                emulator, form, "--client", client, environ=environment(emulator)
            )
            assert ended.code == 3
            assert "***" in ended.err
            for secret in ("canary-token-1", "canary-sk-1"):
                assert secret not in ended.out + ended.err
