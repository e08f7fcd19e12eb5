"""How FRS is spoken: bodies, paths, envelopes, headers."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from batch_updater.frs.protocol import (
    FaceSet,
    ServiceError,
    encode_update,
    excerpt,
    face_set_path,
    faces_path,
    parse_retry_after,
    payload_hash,
    read_error,
    read_face_number,
    read_face_set,
)
from batch_updater.models import FaceUpdate, FieldType, FieldValue

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOW = datetime(2026, 11, 22, 17, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("update", "body"),
    [
        (
            FaceUpdate(
                "iexEBb6t", "imageID", {"timestamp": 12, "id": "300018629384756"}
            ),
            {
                "face_id": "iexEBb6t",
                "external_image_id": "imageID",
                "external_fields": {"timestamp": 12, "id": "300018629384756"},
            },
        ),
        (FaceUpdate("a", "b"), {"face_id": "a", "external_image_id": "b"}),
        (
            FaceUpdate("a", None, {"ok": True}),
            {"face_id": "a", "external_fields": {"ok": True}},
        ),
        (FaceUpdate("a", "", {}), {"face_id": "a", "external_image_id": ""}),
    ],
)
def test_the_body_leaves_out_what_is_not_given(
    update: FaceUpdate, body: dict[str, object]
) -> None:
    """A value that is to be left alone is no member of the body."""
    assert json.loads(encode_update(update)) == body


FIELD_VALUES: st.SearchStrategy[FieldValue] = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=9),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


@MANY
@given(
    face_id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=9),
    fields=st.dictionaries(st.text("abc", min_size=1), FIELD_VALUES, min_size=1),
)
def test_bodies_read_back_equal(face_id: str, fields: dict[str, FieldValue]) -> None:
    """Ids and values pass through JSON unchanged, 19-digit integers included."""
    body = json.loads(encode_update(FaceUpdate(face_id, None, fields)))
    assert body == {"face_id": face_id, "external_fields": fields}


def test_the_hash_is_of_the_body() -> None:
    """payload_sha256 is the SHA-256 of the exact bytes sent."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert payload_hash(b"") == empty


def test_paths_are_quoted() -> None:
    """Names cannot leave their place in the path."""
    assert face_set_path("p", "showFaceSet") == "/v2/p/face-sets/showFaceSet"
    assert (
        faces_path("p/q", "a b/ü?#") == "/v2/p%2Fq/face-sets/a%20b%2F%C3%BC%3F%23/faces"
    )


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            {"error_code": "FRS.0303", "error_msg": "m"},
            ServiceError("FRS.0303", "m"),
        ),
        (
            {"error_msg": "m", "error_code": "APIGW.0301", "request_id": "ab" * 16},
            ServiceError("APIGW.0301", "m", "ab" * 16),
        ),
        (
            {"error": {"code": 401, "message": "m", "title": "Unauthorized"}},
            ServiceError("IAM.401", "m"),
        ),
        ({"error_code": "FRS.0303"}, ServiceError("FRS.0303", "")),
        (
            {"error_code": "FRS.1", "error_msg": None, "request_id": None},
            ServiceError("FRS.1", ""),
        ),
        ({"error_code": ""}, None),
        ({"error_code": 5}, None),
        ({"error": {}}, None),
        ({"error": "no"}, None),
        ({"face_number": 1}, None),
        ([], None),
        (None, None),
    ],
    ids=str,
)
def test_the_three_envelopes(content: object, error: ServiceError | None) -> None:
    """FRS, gateway and IAM errors are read; all else is no envelope."""
    assert read_error(json.dumps(content).encode()) == error


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff", b"[" * 9999])
def test_what_is_not_json(body: bytes) -> None:
    """A body that is no JSON has no error, no number and no face set."""
    assert read_error(body) is None
    assert read_face_number(body) is None
    assert read_face_set(body) is None


INFO = {
    "face_number": 3,
    "face_set_id": "5PtLHVrh",
    "face_set_name": "set",
    "create_date": "2019-09-09 11:33:11",
    "face_set_capacity": 100000,
}


@pytest.mark.parametrize(
    ("declared", "fields"),
    [
        ({"a": {"type": "string"}}, {"a": FieldType.STRING}),
        ({"a": {"type": "long"}, "b": {"type": "Integer"}},
         {"a": FieldType.LONG, "b": FieldType.INTEGER}),
        ({"a": "double", "b": "FLOAT"}, {"a": FieldType.DOUBLE, "b": FieldType.FLOAT}),
        ({"a": {"type": "boolean"}}, {"a": FieldType.BOOLEAN}),
        ({"a": {"type": "date"}}, {"a": FieldType.STRING}),
        ({"a": {}}, {"a": FieldType.STRING}),
        ({"a": None}, {"a": FieldType.STRING}),
        ({"a": {"type": None}}, {"a": FieldType.STRING}),
        ({}, {}),
        (None, {}),
        ([], {}),
        ("", {}),
    ],
    ids=str,
)  # fmt: skip
def test_declared_types(declared: object, fields: dict[str, FieldType]) -> None:
    """Types come as objects or as bare words; one that is unknown goes as text."""
    body = json.dumps({"face_set_info": {**INFO, "external_fields": declared}})
    assert read_face_set(body.encode()) == FaceSet("set", fields, 3, 100000, "5PtLHVrh")


@pytest.mark.parametrize(
    ("number", "read"), [("100000", 100000), (7, 7), (None, 0), ("x", 0), (-1, 0)]
)
def test_capacity_may_be_text(number: object, read: int) -> None:
    """The documents' own example gives the capacity as a string."""
    body = json.dumps({"face_set_info": {**INFO, "face_set_capacity": number}})
    face_set = read_face_set(body.encode())
    assert face_set
    assert face_set.capacity == read


@pytest.mark.parametrize(
    "content",
    [
        {"face_set_info": {}},
        {"face_set_info": None},
        {"face_set_info": []},
        {"face_set_info": {"face_set_id": "x"}},
        {"face_set_info": {"face_set_name": None}},
        {},
        [],
    ],
    ids=str,
)
def test_absent_face_sets(content: object) -> None:
    """200 with an empty face_set_info means that there is no such face set."""
    assert read_face_set(json.dumps(content).encode()) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("nan", None),
        ("Sun, 22 Nov 2026 17:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 17:00:30 -0000", 30.0),
        ("Sunday, 22-Nov-26 17:00:30 GMT", 30.0),
        ("Sun Nov 22 17:00:30 2026", 30.0),
        ("Sun, 22 Nov 2026 18:00:30 +0100", 30.0),
        ("Sun, 22 Nov 2026 16:00:00 GMT", 0.0),
        ("Sun, 22 Nov 20260000000000000000000 17:00:00 GMT", None),
        ("Sun, 32 Nov 2026 17:00:30 GMT", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """Retry-After is seconds or a date; a past date asks for nothing."""
    assert parse_retry_after(header, NOW) == seconds


@MANY
@given(header=st.text(max_size=30) | st.text("0123456789 :,.-+;JanMonGMT", max_size=30))
@example("1 Jan 99999999999999999999 00:00")
def test_no_retry_after_is_too_odd(header: str) -> None:
    """A broken header is no header; it never breaks the run."""
    seconds = parse_retry_after(header, NOW)
    assert seconds is None or seconds >= 0


@MANY
@given(ahead=st.integers(-(10**6), 10**6))
def test_retry_after_dates_read_back(ahead: int) -> None:
    """A date means the time from now until then."""
    header = format_datetime(NOW + timedelta(seconds=ahead), usegmt=True)
    assert parse_retry_after(header, NOW) == max(0, ahead)


def test_excerpts_fit_a_message() -> None:
    """A body shown in a message is short, on one line and without controls."""
    assert (
        excerpt(b"<html>\r\n  <b>\x1b[31mno\xff</b>") == "<html> <b> [31mno\ufffd</b>"
    )
    assert len(excerpt(b"a" * 9999)) == 200


@pytest.mark.parametrize("number", ["9" * 5000, 10**30, "\u00b2", [1] * 1000, -5, None])
def test_numbers_of_faces_that_cannot_be(number: object) -> None:
    """A count that is none is no count: nothing breaks on it."""
    info = {"face_set_name": "n" * 60_000, "face_number": number}
    found = read_face_set(json.dumps({"face_set_info": info}).encode())
    assert found is not None
    assert found.face_number == 0
    assert len(found.name) <= 200
