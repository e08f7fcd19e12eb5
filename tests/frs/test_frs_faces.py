"""What replies about faces mean: a listing, one face, a face set."""

import orjson
import pytest

from batch_updater.frs.protocol import face_query, page_query, read_faces
from batch_updater.frs.verdicts import judge_face, judge_face_set, judge_faces
from batch_updater.models import Reply, Verdict

FACE = {"face_id": "iexEBb6t", "external_fields": {}}
ERROR = {"error_code": "FRS.0303", "error_msg": "The face id is not exist"}


def reply(content: object, status: int = 200) -> Reply:
    """Return a reply with a JSON body."""
    return Reply(status, orjson.dumps(content))


@pytest.mark.parametrize(
    ("content", "verdict", "code"),
    [
        ({"faces": [FACE]}, Verdict.SUCCESS, ""),
        ({"faces": []}, Verdict.SETTLE, "REPLY.NO_FACE"),
        ({"faces": [FACE, FACE]}, Verdict.FAIL_ROW, "REPLY.OTHER_FACE"),
        ({"faces": [{"face_id": "another1"}]}, Verdict.FAIL_ROW, "REPLY.OTHER_FACE"),
        (ERROR, Verdict.SETTLE, "FRS.0303"),
        ({}, Verdict.RETRY, "REPLY.NOT_FRS"),
        ([1, 2], Verdict.RETRY, "REPLY.NOT_FRS"),
        ({"faces": [{"face_id": 7}]}, Verdict.RETRY, "REPLY.NOT_FRS"),
        ({"faces": {"face_id": "iexEBb6t"}}, Verdict.RETRY, "REPLY.NOT_FRS"),
    ],
)
def test_one_face(content: object, verdict: Verdict, code: str) -> None:
    """Only a list of exactly the face that was asked for is an answer."""
    judgement = judge_face(reply(content), "iexEBb6t")

    assert (judgement.verdict, judgement.code) == (verdict, code)


def test_missing_face_with_status_400() -> None:
    """An unknown face may also be an error with its own status."""
    judgement = judge_face(reply({**ERROR, "error_code": "FRS.0403"}, 400), "iexEBb6t")

    assert (judgement.verdict, judgement.code) == (Verdict.SETTLE, "FRS.0403")


def test_a_listing_may_be_empty() -> None:
    """An empty page is the end of a listing, not a missing face."""
    assert judge_faces(reply({"faces": []})).verdict is Verdict.SUCCESS


def test_half_an_answer_is_asked_for_again_and_a_web_page_stops() -> None:
    """JSON that was cut may be whole the next time; HTML comes from somebody else."""
    cut = Reply(200, b'{"faces":[{"face_id":"iexE')

    assert judge_faces(cut).verdict is Verdict.RETRY
    assert judge_faces(Reply(200, b"<html>")).verdict is Verdict.STOP_RUN


def test_a_face_set_that_is_no_error_is_read() -> None:
    """A 200 with an error code in it is that error."""
    assert judge_face_set(reply({"face_set_info": {}})).verdict is Verdict.SUCCESS
    assert judge_face_set(reply(ERROR)).code == "FRS.0303"


def test_integers_of_any_length_are_read_exactly() -> None:
    """What no other parser keeps is kept: numbers beyond 64 bits, lone surrogates."""
    body = (
        b'{"faces":[{"face_id":"a","x":123456789012345678901234567890,"y":"\\ud800"}]}'
    )
    faces = read_faces(body)

    assert faces
    [face] = faces
    assert face["x"] == 123456789012345678901234567890
    assert face["y"] == "\ud800"


def test_queries_are_encoded() -> None:
    """An id from a file cannot add anything to the query."""
    assert face_query("/faces", "a&b=/ü") == "/faces?face_id=a%26b%3D%2F%C3%BC"
    assert page_query("/faces", 100, 50) == "/faces?limit=50&offset=100"
