"""What a reply means: every code of the fact page, every envelope, odd bodies."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.frs.catalogue.gateway import GATEWAY
from batch_updater.frs.catalogue.iam import IAM
from batch_updater.frs.catalogue.service import SERVICE
from batch_updater.frs.verdicts import Judgement, judge, judge_error
from batch_updater.models import ErrorClass, Reply, Verdict

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ROW, STOP, RETRY = Verdict.FAIL_ROW, Verdict.STOP_RUN, Verdict.RETRY
SLOW, RENEW, OK = Verdict.THROTTLED, Verdict.RENEW_CREDENTIALS, Verdict.SUCCESS
SETTLE = Verdict.SETTLE


def answer(status: int, content: Any) -> Reply:
    return Reply(status, json.dumps(content).encode())


def frs(code: str, status: int, message: str = "said so") -> Reply:
    return answer(status, {"error_code": code, "error_msg": message})


# (code, HTTP status, what it means for an update): fact page 3.1
FRS_TABLE = [
    ("FRS.0002", 403, RENEW),
    ("FRS.0002", 400, RENEW),
    ("FRS.0010", 400, STOP),
    ("FRS.0011", 400, ROW),
    ("FRS.0012", 400, ROW),
    ("FRS.0013", 400, ROW),
    ("FRS.0014", 400, STOP),
    ("FRS.0015", 400, ROW),
    ("FRS.0016", 400, ROW),
    ("FRS.0017", 400, ROW),
    ("FRS.0018", 500, RETRY),
    ("FRS.0018", 400, RETRY),
    ("FRS.0019", 400, STOP),
    ("FRS.0020", 400, STOP),
    ("FRS.0021", 400, ROW),
    ("FRS.0022", 400, ROW),
    ("FRS.0023", 400, ROW),
    ("FRS.0024", 400, ROW),
    ("FRS.0027", 400, ROW),
    ("FRS.0028", 403, STOP),
    ("FRS.0032", 400, ROW),
    ("FRS.0033", 429, SLOW),
    ("FRS.0033", 400, SLOW),
    ("FRS.0202", 403, STOP),
    ("FRS.0203", 400, STOP),
    ("FRS.0301", 400, ROW),
    ("FRS.0302", 400, STOP),
    ("FRS.0303", 400, SETTLE),
    ("FRS.0304", 400, ROW),
    ("FRS.0305", 400, ROW),
    ("FRS.0306", 403, ROW),
    ("FRS.0401", 400, ROW),
    ("FRS.0402", 400, ROW),
    ("FRS.0403", 400, SETTLE),
    ("FRS.0404", 400, ROW),
    ("FRS.0407", 400, ROW),
    ("FRS.0501", 400, ROW),
    ("FRS.0701", 400, ROW),
    ("FRS.0707", 400, ROW),
    ("FRS.0708", 400, ROW),
    ("FRS.0709", 400, ROW),
    ("FRS.0861", 400, ROW),
    ("FRS.0851", 400, ROW),
    ("FRS.9999", 400, ROW),
    ("FRS.9999", 403, ROW),
    ("FRS.9999", 429, SLOW),
    ("FRS.9999", 500, RETRY),
    ("FRS.9999", 503, RETRY),
    ("FRS.9999", 401, RENEW),
]

# (number, status, meaning): 3.2, under both prefixes
GATEWAY_TABLE = [
    ("0101", 404, STOP),
    ("0103", 404, STOP),
    ("0104", 400, STOP),
    ("0105", 400, STOP),
    ("0103", 500, RETRY),
    ("0104", 500, RETRY),
    ("0105", 500, RETRY),
    ("0106", 400, STOP),
    ("0201", 400, ROW),
    ("0201", 413, ROW),
    ("0201", 414, ROW),
    ("0201", 494, ROW),
    ("0201", 500, RETRY),
    ("0201", 502, RETRY),
    ("0201", 504, RETRY),
    ("0203", 500, RETRY),
    ("0203", 504, RETRY),
    ("0302", 403, STOP),
    ("0303", 401, STOP),
    ("0304", 403, STOP),
    ("0305", 401, STOP),
    ("0306", 403, STOP),
    ("0307", 401, RENEW),
    ("0308", 429, SLOW),
    ("0310", 403, STOP),
    ("0401", 403, STOP),
    ("0402", 403, STOP),
    ("0404", 403, STOP),
    ("0501", 405, STOP),
    ("0502", 405, STOP),
    ("0601", 500, RETRY),
    ("0602", 400, STOP),
    ("0605", 500, RETRY),
    ("0606", 500, RETRY),
    ("0607", 400, STOP),
    ("0608", 500, RETRY),
    ("0610", 502, RETRY),
    ("0613", 503, RETRY),
    ("0801", 403, STOP),
    ("0802", 403, STOP),
    ("9999", 400, ROW),
    ("9999", 401, RENEW),
    ("9999", 403, STOP),
    ("9999", 429, SLOW),
    ("9999", 500, RETRY),
]

CREDENTIALS_TABLE = [
    ("verify aksk signature fail", STOP),
    ("AK access failed to reach the limit,forbidden", STOP),
    ("Get secretKey failed,ak:XYZ,err:ak not exist", STOP),
    ("decrypt token fail", RENEW),
    ("token expires, expires_at:2026-01-01T00:00:00Z", RENEW),
    ("x-auth-token not found", STOP),
    ("calc ak sk signature fail:signature expired", RENEW),
    ("Unauthorized", STOP),
    ("AK access failed", STOP),
]

IAM_TABLE = [
    ("IAM.400", 400, STOP),
    ("IAM.401", 401, STOP),
    ("IAM.403", 403, STOP),
    ("IAM.404", 404, STOP),
    ("IAM.429", 429, SLOW),
    ("IAM.500", 500, RETRY),
    ("IAM.0001", 401, STOP),
    ("IAM.0002", 403, STOP),
    ("IAM.0003", 403, STOP),
    ("IAM.0004", 404, STOP),
    ("IAM.0006", 500, RETRY),
    ("IAM.0012", 429, SLOW),
    ("IAM.0061", 401, STOP),
    ("IAM.0062", 401, STOP),
    # Said of an update's own token, a new one cures these.
    ("IAM.0066", 401, RENEW),
    ("IAM.0067", 401, RENEW),
    ("IAM.0080", 403, STOP),
    ("IAM.0081", 403, STOP),
    ("IAM.0082", 403, STOP),
    *[(f"IAM.{number}", 400, STOP) for number in range(1104, 1110)],
    ("IAM.9999", 400, STOP),
    ("IAM.9999", 429, SLOW),
    ("IAM.9999", 503, RETRY),
]


@pytest.mark.parametrize(("code", "status", "verdict"), FRS_TABLE + IAM_TABLE)
def test_codes_of_frs_and_iam(code: str, status: int, verdict: Verdict) -> None:
    """Each documented code means what the fact page says, whatever the status."""
    judgement = judge(frs(code, status))
    assert judgement == Judgement(verdict, code, "said so")


@pytest.mark.parametrize(("number", "status", "verdict"), GATEWAY_TABLE)
@pytest.mark.parametrize("prefix", ["APIG", "APIGW"])
def test_codes_of_the_gateway(
    prefix: str, number: str, status: int, verdict: Verdict
) -> None:
    """Gateway codes go by their number; 5xx tells a failed backend from a bad row."""
    body = {"error_code": f"{prefix}.{number}", "error_msg": "m", "request_id": "r1"}
    judgement = judge(answer(status, body))
    assert judgement == Judgement(verdict, f"{prefix}.{number}", "m", "r1")


def test_a_judgement_knows_what_was_meant() -> None:
    """Its entry is the one for this status and text, or none for an unknown code."""
    failed, locked = frs("APIG.0201", 502), "AK access failed to reach the limit"
    for reply, said in (
        (failed, "backend"),
        (frs("APIG.0201", 413), "too large"),
        (frs("APIGW.0301", 401, f"...: {locked},forbidden"), "locked"),
        (Reply(503, b"<html>"), "a server failed"),
        (Reply(None, error="reset"), "the connection broke"),
    ):
        entry = judge(reply).entry
        assert entry is not None
        assert said in entry.meaning
    assert judge(frs("FRS.9999", 400)).entry is None


@pytest.mark.parametrize(("text", "verdict"), CREDENTIALS_TABLE)
@pytest.mark.parametrize("prefix", ["APIG", "APIGW"])
def test_refused_credentials_go_by_their_text(
    prefix: str, text: str, verdict: Verdict
) -> None:
    """Only an expired or foreign token is renewed; all else would lock the key."""
    said = f"Incorrect IAM authentication information: {text}"
    assert judge(frs(f"{prefix}.0301", 401, said)).verdict is verdict


@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [
        (401, 401, STOP),
        (400, 400, STOP),
        (403, 403, STOP),
        (429, 429, SLOW),
        (500, 500, RETRY),
        (503, 503, RETRY),
    ],
)
def test_the_nested_envelope(code: int, status: int, verdict: Verdict) -> None:
    """IAM's token API nests a number: throttling and 5xx pass, all else is final."""
    body = {"error": {"code": code, "message": "m", "title": "Unauthorized"}}
    assert judge(answer(status, body)) == Judgement(verdict, f"IAM.{code}", "m")


def test_every_catalogued_code_is_in_the_tables() -> None:
    """The tables above leave out no entry of the catalogue."""
    judged = {code for code, _, _ in FRS_TABLE + IAM_TABLE}
    assert {entry.code for entry in (*SERVICE.entries, *IAM.entries)} <= judged
    numbers = {number for number, _, _ in GATEWAY_TABLE} | {"0301"}
    assert {entry.code for entry in GATEWAY.entries} <= numbers
    texts = [text.lower() for text, _ in CREDENTIALS_TABLE]
    for entry in GATEWAY.entries:
        assert any(entry.phrase in text for text in texts), entry


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("FRS.0303", ""),
        ("FRS.0403", "whatever"),
        ("FRS.0401", "The face id is not exist, checkout your input."),
        ("FRS.9999", "the FACE ID IS NOT EXIST"),
    ],
)
def test_a_missing_face_is_one_condition(code: str, message: str) -> None:
    """Either code, or the text with any code of FRS; permanent unless waited for."""
    judgement = judge(frs(code, 400, message))
    assert (judgement.verdict, judgement.code) == (SETTLE, code)
    assert judgement.error_class is ErrorClass.PERMANENT
    assert judgement.entry is not None
    assert "does not exist" in judgement.entry.meaning


def test_the_text_of_a_missing_face_says_nothing_outside_frs() -> None:
    """A gateway that repeats such a text is still judged by its own code."""
    assert judge(frs("APIGW.0101", 404, "face id is not exist")).verdict is STOP


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(status, RETRY) for status in (408, 500, 501, 502, 503, 504, 520)]
    + [(status, STOP) for status in (201, 204, 301, 302, 304, 307, 403, 404, 405, 407)]
    + [(400, ROW), (409, ROW), (413, ROW), (422, ROW), (401, RENEW), (429, SLOW)],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>nginx</title></html>",
        b'{"error_code": "FRS.03',
        b'{"error_msg": "no code"}',
        b'{"error_code": ""}',
        b'{"error_code": 303}',
        b'{"error": "text"}',
        b"[]",
        b"null",
        b"\xff\xfe",
    ],
)
def test_replies_without_a_code_go_by_their_status(
    status: int, verdict: Verdict, body: bytes
) -> None:
    """Only a reply that carries no code is judged by its HTTP status."""
    judgement = judge(Reply(status, body))
    assert judgement.verdict is verdict
    assert judgement.code == f"HTTP.{status}"
    assert str(status) in judgement.message


@pytest.mark.parametrize(
    ("body", "verdict", "code"),
    [
        ({"face_number": 1}, OK, ""),
        ({"face_number": 1, "face_set_id": "x", "face_set_name": "y"}, OK, ""),
        ({"face_number": 0}, ROW, "REPLY.FACE_NUMBER"),
        ({"face_number": 2}, ROW, "REPLY.FACE_NUMBER"),
        ({"face_number": -1}, ROW, "REPLY.FACE_NUMBER"),
        ({"face_number": "1"}, ROW, "REPLY.NOT_FRS"),
        ({"face_number": True}, ROW, "REPLY.NOT_FRS"),
        ({"face_number": 1.0}, ROW, "REPLY.NOT_FRS"),
        ({"face_number": [1]}, ROW, "REPLY.NOT_FRS"),
        ({"face_number": None}, ROW, "REPLY.NOT_FRS"),
        ({"faces": []}, ROW, "REPLY.NOT_FRS"),
        ({}, ROW, "REPLY.NOT_FRS"),
        ([{"face_number": 1}], ROW, "REPLY.NOT_FRS"),
        (1, ROW, "REPLY.NOT_FRS"),
        ({"error_code": "FRS.0303", "error_msg": "m"}, SETTLE, "FRS.0303"),
        ({"error_code": "FRS.0018", "error_msg": "m"}, RETRY, "FRS.0018"),
        ({"error_code": "FRS.9999", "error_msg": "m"}, ROW, "FRS.9999"),
    ],
    ids=str,
)
def test_success_is_what_the_service_said(
    body: object, verdict: Verdict, code: str
) -> None:
    """200 is a success only with face_number 1; anything else is looked into."""
    judgement = judge(answer(200, body))
    assert (judgement.verdict, judgement.code) == (verdict, code)


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"", ROW),
        (b'{"face_number": 1', ROW),
        (b" <html>login</html>", Verdict.STOP_RUN),
    ],
)
def test_200_with_something_else(body: bytes, verdict: Verdict) -> None:
    """A 200 cut short fails its row; a page instead of FRS stops the run."""
    judgement = judge(Reply(200, body))
    assert (judgement.verdict, judgement.code) == (verdict, "REPLY.NOT_FRS")


def test_what_the_service_says_is_cut() -> None:
    """A message of any length leaves a journal line of a few hundred bytes."""
    judgement = judge(answer(400, {"error_code": "X" * 900, "error_msg": "y" * 60_000}))
    assert len(judgement.code) + len(judgement.message) < 600


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        ("timeout", RETRY),
        ("reset", RETRY),
        ("connect", RETRY),
        ("tls", STOP),
        ("cut_off", STOP),
        ("something_new", RETRY),
    ],
)
def test_transport_trouble(error: str, verdict: Verdict) -> None:
    """No answer is worth another try, unless the certificate is not trusted."""
    judgement = judge(Reply(None, error=error, detail="why"))
    assert judgement == Judgement(verdict, f"TRANSPORT.{error.upper()}", "why")


@pytest.mark.parametrize(
    ("verdict", "error_class"),
    [
        (OK, None),
        (RETRY, ErrorClass.TRANSIENT),
        (SLOW, ErrorClass.TRANSIENT),
        (ROW, ErrorClass.PERMANENT),
        (SETTLE, ErrorClass.PERMANENT),
        (STOP, ErrorClass.PERMANENT),
        (RENEW, ErrorClass.PERMANENT),
    ],
)
def test_error_classes(verdict: Verdict, error_class: ErrorClass | None) -> None:
    """Transient is what retry may cure."""
    assert Judgement(verdict).error_class is error_class


def test_a_null_message_is_empty() -> None:
    """A message of null is written as nothing, not as the word None."""
    assert (
        judge(answer(400, {"error_code": "FRS.0012", "error_msg": None})).message == ""
    )
    nested = {"error": {"code": 401, "message": None}}
    assert judge(answer(401, nested)).message == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "error_code", "error_msg", "code", "face_number"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@MANY
@given(
    status=st.one_of(st.none(), st.integers(100, 599)),
    body=st.binary(max_size=40)
    | JSON.map(lambda content: json.dumps(content).encode()),
)
def test_no_reply_is_too_odd_to_judge(status: int | None, body: bytes) -> None:
    """Whatever comes back has a verdict, and success needs face_number 1."""
    judgement = judge(Reply(status, body, error="reset"))
    judge_error(Reply(status, body, error="reset"))
    if judgement.verdict is OK:
        assert status == 200
        assert json.loads(body)["face_number"] == 1
    else:
        assert judgement.code
