"""Signatures: the published vectors, the official signer as oracle, and every refusal."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.gateway.gate import check_signature
from batch_updater.emulator.gateway.identity import AccessKey, Caller, Identity
from batch_updater.emulator.gateway.signature import (
    Arrived,
    canonical_request,
    parse,
    sign,
    verify,
)
from batch_updater.emulator.settings import IdentityRules

HOST = "face.cn-north-4.myhuaweicloud.com"
PATH = "/v2/0123456789abcdef0123456789abcdef/face-sets/showFaceSet/faces"
DATE = "20260102T030405Z"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "emulator-sk"
NOBODY = Caller("nobody", frozenset())
BODY = (
    b'{"face_id": "iexEBb6t", "external_fields": '
    b'{"timestamp": 12, "id": "300018629384756"}}'
)
HEADERS = {
    "content-type": "application/json",
    "host": HOST,
    "x-project-id": "0123456789abcdef0123456789abcdef",
    "x-sdk-date": DATE,
}


def signed(
    arrived: Arrived, access: str = "emulator-ak", secret: str = SECRET
) -> Arrived:
    """Sign all headers of a request."""
    names = tuple(sorted(arrived.headers))
    date = arrived.headers.get("x-sdk-date", "")
    made = sign(secret, date, canonical_request(arrived, names))
    text = (
        f"SDK-HMAC-SHA256 Access={access}, "
        f"SignedHeaders={';'.join(names)}, Signature={made}"
    )
    return replace(arrived, headers={**arrived.headers, "authorization": text})


def listing(**headers: str) -> Arrived:
    """Return an unsigned GET."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Arrived("GET", PATH, "", {"host": HOST, "x-sdk-date": DATE, **named})


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        (
            Arrived("PUT", PATH, "", HEADERS, BODY),
            "d0dabe842480716268cdfd50c633ff0869e107d95fc830dd2f2ae0b4afe4ecc1",
        ),
        (
            Arrived(
                "GET",
                PATH,
                "limit=5&offset=0",
                {**HEADERS, "x-security-token": "TOK"},
            ),
            "87466a3ef891812fc77abc176851936959a5cadb07511a3608ac947c3c40675d",
        ),
    ],
    ids=["put", "get with a security token"],
)
def test_vectors(arrived: Arrived, expected: str) -> None:
    """The vectors of the facts page come out as printed."""
    canonical = canonical_request(arrived, tuple(sorted(arrived.headers)))
    assert sign("SKEXAMPLE", DATE, canonical) == expected


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
VALUES = st.text(
    st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), max_size=12
)


@dataclass(frozen=True)
class Sample:
    """What a client may want to send."""

    method: str
    name: str
    query: list[tuple[str, str]]
    body: str
    extra: str
    kind: str


SAMPLES = st.builds(
    Sample,
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    name=TEXT.filter(bool),
    query=st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=4),
    body=st.one_of(st.just(""), TEXT),
    extra=VALUES,
    kind=st.sampled_from(["application/json", "text/plain"]),
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sample=SAMPLES)
def test_official_signer_is_let_in(frs: ModuleType, sample: Sample) -> None:
    """What the official SDK signs is accepted, whatever is in path, query and body."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.sdk_request import SdkRequest
    from huaweicloudsdkcore.signer.signer import Signer

    headers = {"Content-Type": sample.kind, "X-Sdk-Date": DATE, "X-Extra": sample.extra}
    request = SdkRequest(
        method=sample.method,
        schema="https",
        host=HOST,
        resource_path=f"/v2/p/face-sets/{quote(sample.name, safe='')}",
        query_params=sample.query,
        header_params=headers,
        body=sample.body,
    )
    Signer(BasicCredentials("emulator-ak", SECRET, "p")).sign(request)
    path, _, query = request.uri.partition("?")
    sent = {key.lower(): value for key, value in request.header_params.items()}
    arrived = Arrived(sample.method, path, query, sent, request.body or b"")
    verify(
        AccessKey("emulator-ak", SECRET, NOBODY),
        parse(sent["authorization"]),
        arrived,
        NOW,
    )


@given(st.binary(min_size=1, max_size=30), st.integers(0, 7))
def test_any_change_is_noticed(body: bytes, bit: int) -> None:
    """A body that differs by one bit from what was signed is refused."""
    arrived = signed(Arrived("PUT", PATH, "", HEADERS, body))
    other = bytes([body[0] ^ 1 << bit]) + body[1:]
    key = AccessKey("emulator-ak", "emulator-sk", NOBODY)
    claim = parse(arrived.headers["authorization"])
    with pytest.raises(Refusal, match="verify aksk signature fail"):
        verify(key, claim, replace(arrived, body=other), NOW)


def refusal_of(identity: Identity, arrived: Arrived, now: datetime = NOW) -> str:
    """Return the text with which a request is refused."""
    with pytest.raises(Refusal) as caught:
        check_signature(identity, arrived, now)
    assert (caught.value.code, caught.value.status) == ("APIGW.0301", 401)
    return caught.value.message


# As aiohttp hands it on: bytes that are no UTF-8 have become surrogates.
RAW = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(RAW, RAW, st.text(max_size=20), st.text(max_size=20), st.booleans())
def test_nonsense_is_refused(
    path: str, query: str, names: str, date: str, formed: bool
) -> None:
    """Whatever stands in path, query and headers ends in a refusal, not in a crash."""
    proof = f"SDK-HMAC-SHA256 Access=emulator-ak, SignedHeaders=x-sdk-date;{names}"
    authorization = f"{proof}, Signature={'0' * 64}" if formed else names
    headers = {"authorization": authorization, "x-sdk-date": date or DATE, names: path}
    refusal_of(Identity(IdentityRules()), Arrived("PUT", path, query, headers))


@pytest.mark.parametrize(
    ("arrived", "phrase"),
    [
        (signed(listing(), access="other"), "Get secretKey failed,ak:other,err:ak not"),
        (signed(listing(), secret="other"), "verify aksk signature fail, canonicalReq"),
        (signed(Arrived("GET", PATH, "", {"host": HOST})), "X-Sdk-Date is missing"),
        (signed(listing(x_sdk_date="20260102")), "X-Sdk-Date is not like"),
        (
            signed(listing(x_sdk_date="20260102T024904Z")),
            "calc ak sk signature fail:signature expired",
        ),
        (
            signed(listing(x_sdk_date="20260102T031906Z")),
            "calc ak sk signature fail:signature expired",
        ),
        (signed(listing(x_security_token="TOK")), "does not belong to the access key"),
        (listing(authorization="Bearer abc"), "not of the form SDK-HMAC-SHA256"),
        (listing(authorization="SDK-HMAC-SHA256"), "not of the form SDK-HMAC-SHA256"),
    ],
)
def test_refusals(arrived: Arrived, phrase: str) -> None:
    """Each way to be wrong has the phrase on which clients match (table 3.2)."""
    message = refusal_of(Identity(IdentityRules()), arrived)
    assert message.startswith("Incorrect IAM authentication information: ")
    assert phrase in message


def test_canonical_request_is_shown() -> None:
    """A wrong signature is answered with the canonical request, | for a new line."""
    arrived = signed(listing(), secret="wrong")
    shown = canonical_request(arrived, ("host", "x-sdk-date")).replace("\n", "|")
    message = refusal_of(Identity(IdentityRules()), arrived)
    assert message.endswith(f"canonicalRequest:{shown}")


def test_unsigned_headers() -> None:
    """X-Sdk-Date must be signed, and what is said to be signed must be there."""
    identity = Identity(IdentityRules())
    arrived = signed(listing())
    text = arrived.headers["authorization"]
    for names, phrase in (("host", "is not signed"), ("gone;x-sdk-date", "gone is m")):
        changed = text.replace("host;x-sdk-date", names)
        headers = {**arrived.headers, "authorization": changed}
        assert phrase in refusal_of(identity, replace(arrived, headers=headers))


def test_clock_skew_of_fifteen_minutes() -> None:
    """A clock that is 15 minutes off is let in, in both directions."""
    identity = Identity(IdentityRules())
    for minutes in (-15, 15):
        now = NOW + timedelta(minutes=minutes)
        assert check_signature(identity, signed(listing()), now).name == "emulator-user"


def test_unsigned_payload() -> None:
    """With X-Sdk-Content-Sha256: UNSIGNED-PAYLOAD the body is not looked at."""
    headers = {**HEADERS, "x-sdk-content-sha256": "UNSIGNED-PAYLOAD"}
    arrived = signed(Arrived("POST", PATH, "", headers, b"one"))
    check_signature(Identity(IdentityRules()), replace(arrived, body=b"two"), NOW)


def test_temporary_key() -> None:
    """A temporary key needs its own security token, and ends."""
    identity = Identity(IdentityRules())
    end = NOW + timedelta(minutes=1)
    key, other = identity.keys.issue(end), identity.keys.issue(end)

    def attempt(token: str | None) -> Arrived:
        headers = {"x_security_token": token} if token else {}
        return signed(listing(**headers), key.access, key.secret)

    good = attempt(key.security_token)
    assert check_signature(identity, good, NOW).name == "emulator-user"
    assert "x-security-token not found" in refusal_of(identity, attempt(None))
    assert "does not belong" in refusal_of(identity, attempt(other.security_token))
    assert "signature expired" in refusal_of(identity, good, end)


def test_six_failures_lock_the_key() -> None:
    """More than five failures in a row lock the key for five minutes."""
    identity = Identity(IdentityRules())
    wrong, right = signed(listing(), secret="wrong"), signed(listing())
    for _ in range(6):
        assert "verify aksk signature fail" in refusal_of(identity, wrong)
    locked = "AK access failed to reach the limit,forbidden"
    assert locked in refusal_of(identity, right)
    soon = NOW + timedelta(minutes=5)
    assert locked in refusal_of(identity, right, soon - timedelta(seconds=1))
    check_signature(identity, right, soon)


def test_success_resets_the_count() -> None:
    """Five failures and a success, again and again, never lock."""
    identity = Identity(IdentityRules())
    wrong, right = signed(listing(), secret="wrong"), signed(listing())
    for _ in range(3):
        for _ in range(5):
            refusal_of(identity, wrong)
        check_signature(identity, right, NOW)


def test_secrets_are_not_shown() -> None:
    """Neither repr of keys, rules nor requests shows a secret."""
    key = AccessKey("ak", "canary", NOBODY, "canary")
    rules = IdentityRules(token="canary", sk="canary", iam_password="canary")
    arrived = Arrived("GET", PATH, "", {"authorization": "canary"}, b"canary")
    assert "canary" not in f"{key!r} {rules!r} {arrived!r}"
