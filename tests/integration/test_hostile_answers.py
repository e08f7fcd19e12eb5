"""Answers as bad networks make them: each ends in a recorded result or a clear refusal."""

from collections.abc import Mapping
from typing import Any

import pytest
from bench import Bench, assert_accounted, fault, make_rows

BIG = "<html>" + "x" * 1_000_000
REDIRECT = {"status": 307, "body": "", "headers": {"Location": "http://127.0.0.1:1/"}}

# What one row meets, how that row ends, and the run's exit code.
ANSWERS: Mapping[str, tuple[dict[str, Any], str, str, int]] = {
    "truncated JSON": ({"body": '{"face_number": 1'}, "failed", "REPLY.NOT_FRS", 1),
    "a list": ({"body": "[1, 2]"}, "failed", "REPLY.NOT_FRS", 1),
    "a number": ({"body": "1"}, "failed", "REPLY.NOT_FRS", 1),
    "nothing": ({"body": ""}, "failed", "REPLY.NOT_FRS", 1),
    "a text": (
        {"body": '{"face_number": "1"}'},
        "failed",
        "REPLY.NOT_FRS",
        1,
    ),
    "keys given twice": (
        {"body": '{"face_number": 1, "face_number": 0}'},
        "failed",
        "REPLY.FACE_NUMBER",
        1,
    ),
    "too deep": ({"body": "[" * 100_000}, "failed", "REPLY.NOT_FRS", 1),
    "an error page": ({"status": 400, "body": BIG}, "failed", "HTTP.400", 1),
    "an error list": ({"status": 400, "body": "[]"}, "failed", "HTTP.400", 1),
    "half an error": (
        {"status": 400, "body": '{"error_code": "FRS.'},
        "failed",
        "HTTP.400",
        1,
    ),
    "an odd code": (
        {"status": 400, "body": '{"error_code": 12, "error_msg": []}'},
        "failed",
        "HTTP.400",
        1,
    ),
    "two codes": (
        {"status": 400, "body": '{"error_code": "FRS.0018", "error_code": "FRS.0402"}'},
        "failed",
        "FRS.0402",
        1,
    ),
    "a teapot": ({"status": 418, "body": "short and stout"}, "failed", "HTTP.418", 1),
    "a proxy's page": ({"body": "<html>Hi"}, "unprocessed", "REPLY.NOT_FRS", 3),
    "a big page": ({"body": BIG}, "unprocessed", "REPLY.NOT_FRS", 3),
    "a redirect": (REDIRECT, "unprocessed", "HTTP.307", 3),
}


@pytest.mark.parametrize(
    ("options", "outcome", "code", "exit_code"), ANSWERS.values(), ids=ANSWERS.keys()
)
def test_one_row_meets_a_bad_answer(
    bench: Bench, options: dict[str, Any], outcome: str, code: str, exit_code: int
) -> None:
    """The row that met it says so; all others are as they would have been."""
    source = bench.prepare(12)
    options = {"status": 200, **options}
    bench.emulator.script([fault("respond", face_id="face0006", **options)])
    ended = bench.run(source, "--concurrency", "1", "--rate", "unlimited")
    assert ended.code == exit_code, ended
    assert "Traceback" not in ended.err
    row = bench.record().row(6)
    assert (row["outcome"], row["error_code"]) == (outcome, code)
    assert len(row["error_msg"]) <= 500
    updated = 11 if exit_code == 1 else 5
    assert bench.record().outcomes["updated"] == updated
    assert bench.updates == updated + 1
    assert_accounted(bench, {source: make_rows(12)})


BROKEN: Mapping[str, dict[str, Any]] = {
    "half an answer": {"action": "partial"},
    "a proxy out of order": {"action": "respond", "status": 502, "body": "<html>"},
    "a reset": {"action": "reset"},
    "silence": {"action": "stall"},
    "silence after the work": {"action": "timeout-after-commit"},
}


@pytest.mark.parametrize("options", BROKEN.values(), ids=BROKEN.keys())
def test_one_row_meets_a_bad_moment(bench: Bench, options: dict[str, Any]) -> None:
    """What may be better in a second is tried again, and the row is updated."""
    source = bench.prepare(12)
    bench.emulator.script([fault(face_id="face0006", **options)])
    ended = bench.run(source, "--timeout", "500ms")
    assert ended.code == 0, ended
    assert int(bench.record().row(6)["attempts"]) == 2
    assert_accounted(bench, {source: make_rows(12)})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"face_set_info": ', "no FRS answer"),
        ("[]", "no FRS answer"),
        ('{"face_set_info": []}', "no FRS answer"),
        ('{"face_set_info": {}}', "does not exist"),
        ('{"face_set_info": {"face_set_name": 5}}', ""),
        (BIG, "no FRS answer"),
        ("[" * 100_000, "no FRS answer"),
    ],
)
def test_a_bad_answer_at_the_start(bench: Bench, body: str, said: str) -> None:
    """Before anything is sent, an answer that cannot be FRS's ends the run: exit 3."""
    answer = fault("respond", operation="ShowFaceSet", status=200, body=body)
    bench.emulator.script([answer])
    ended = bench.run(bench.prepare(3))
    assert ended.code in ({3} if said else {0, 2})
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err) < 1500


def test_a_service_that_never_answers(bench: Bench) -> None:
    """Silence from the start ends after the tries with what to check, not never."""
    silent = fault("stall", operation="ShowFaceSet", times=0)
    bench.emulator.script([silent])
    ended = bench.run(bench.prepare(3), "--timeout", "200ms", "--max-attempts", "2")
    assert ended.code == 3
    assert "TRANSPORT.TIMEOUT" in ended.err
    assert "within --timeout" in ended.err
