"""AK/SK signatures: the vectors of the facts page, and the official signer as oracle."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch_updater.frs.signing import AccessKey, Unsigned, sign

PROJECT = "0123456789abcdef0123456789abcdef"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = AccessKey("AKEXAMPLE", "SKEXAMPLE")
SEED = b'{"face_id": "iexEBb6t", "external_fields": {"timestamp": 12, "id": "300018629384756"}}'

Query = list[tuple[str, str]]


def update(
    method: str = "PUT",
    query: str = "",
    body: bytes = SEED,
    path: str = f"/v2/{PROJECT}/face-sets/showFaceSet/faces",
    headers: dict[str, str] | None = None,
) -> Unsigned:
    """The facts page's request, with what a test changes in it."""
    usual = {"Content-Type": "application/json", "X-Project-Id": PROJECT}
    host = "face.cn-north-4.myhuaweicloud.com"
    return Unsigned(method, host, path, query, usual | (headers or {}), body)


def signature(added: dict[str, str]) -> str:
    """The last part of Authorization."""
    return added["Authorization"].rpartition("=")[2]


def test_the_first_vector() -> None:
    """The facts page's PUT has its signature, and says which headers it covers."""
    assert sign(update(), KEY, MOMENT) == {
        "X-Sdk-Date": "20260102T030405Z",
        "Authorization": (
            "SDK-HMAC-SHA256 Access=AKEXAMPLE, "
            "SignedHeaders=content-type;host;x-project-id;x-sdk-date, "
            "Signature=d0dabe842480716268cdfd50c633ff0869e107d95fc830dd2f2ae0b4afe4ecc1"
        ),
    }


def test_the_second_vector() -> None:
    """A query, no body and a temporary key: the token is sent and signed."""
    temporary = AccessKey("AKEXAMPLE", "SKEXAMPLE", "TOK")
    added = sign(update("GET", "limit=5&offset=0", b""), temporary, MOMENT)
    assert added["X-Security-Token"] == "TOK"
    expected = "87466a3ef891812fc77abc176851936959a5cadb07511a3608ac947c3c40675d"
    assert signature(added) == expected


def test_the_moment_may_be_of_any_zone() -> None:
    """What is signed is UTC."""
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=8)))
    assert sign(update(), KEY, elsewhere) == sign(update(), KEY, MOMENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (update(query="b=1&a=2"), update(query="a=2&b=1")),
        (update(query="a"), update(query="a=")),
        (update(query="a=%7e"), update(query="a=~")),
        (update(query="a=%2b"), update(query="a=+")),
        (update(path="/a%2Fb"), update(path="/a/b")),
        (update(path="/a/"), update(path="/a")),
        (update(headers={"X-A": " 1 "}), update(headers={"x-a": "1"})),
        (update(headers={"X_A": "1"}), update()),
    ],
)
def test_requests_that_are_the_same_to_the_gateway(
    one: Unsigned, other: Unsigned
) -> None:
    """Order, spelling and headers with an underscore do not change the signature."""
    assert sign(one, KEY, MOMENT) == sign(other, KEY, MOMENT)


@pytest.mark.parametrize(
    "changed",
    [
        update("POST"),
        update(query="a=1"),
        update(body=b""),
        update(path="/v2"),
        update(headers={"X-A": "1"}),
    ],
)
def test_every_part_is_covered(changed: Unsigned) -> None:
    """Whatever a third party could change breaks the signature."""
    assert signature(sign(changed, KEY, MOMENT)) != signature(
        sign(update(), KEY, MOMENT)
    )


def test_a_key_never_shows_its_secrets() -> None:
    """Neither secret nor token is in a rendering; the access key is, to be found."""
    key = AccessKey("AKEXAMPLE", "canary-secret", "canary-token")
    assert "canary" not in f"{key!r} {key} {[key]}"
    assert "AKEXAMPLE" in repr(key)


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The official SDK's modules; importing them writes into HOME."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        from huaweicloudsdkcore.sdk_request import SdkRequest
        from huaweicloudsdkcore.signer.signer import Signer

        def authorize(request: Unsigned, query: Query, key: AccessKey) -> str:
            headers = {**request.headers, "X-Sdk-Date": f"{MOMENT:%Y%m%dT%H%M%SZ}"}
            if key.security_token:
                headers["X-Security-Token"] = key.security_token
            theirs = SdkRequest(
                method=request.method,
                host=request.host,
                resource_path=request.path,
                query_params=list(query),
                header_params=headers,
                body=request.body,
            )
            Signer(_Credentials(key)).sign(theirs)
            return str(theirs.header_params["Authorization"])

        yield authorize


class _Credentials:
    """What the official signer asks of credentials."""

    def __init__(self, key: AccessKey) -> None:
        self.ak, self.sk = key.access, key.secret


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(" ~+%/&=?*'é密"),
    max_size=12,
)
TAKEN = {"host", "x-sdk-date", "x-security-token", "content-type", "authorization"}
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,12}", fullmatch=True).filter(
    lambda name: name.lower() not in TAKEN
)
KEYS = st.builds(
    AccessKey,
    access=st.from_regex(r"[A-Z0-9]{1,20}", fullmatch=True),
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    security_token=st.just("") | st.from_regex(r"[\w+/=.-]{1,60}", fullmatch=True),
)
HEADERS = st.dictionaries(NAMES, TEXT, max_size=4).filter(
    lambda named: len({name.lower() for name in named}) == len(named)
)
JSON = ("application/json", "application/json;charset=utf8", "application/bson")
TYPES = st.sampled_from(["", *JSON, "multipart/form-data; boundary=x", "text/plain"])
BODIES = st.binary(max_size=200) | st.text(max_size=100).map(
    lambda text: text.encode("utf-8", "replace")
)


def as_sent(
    method: str, path: list[str], query: Query, headers: dict[str, str], body: bytes
) -> tuple[Unsigned, Query]:
    """A request as it goes over the wire, and its query as the SDK wants it."""
    request = Unsigned(
        method=method,
        host="face.cn-north-4.myhuaweicloud.com:8443",
        path="/" + "/".join(quote(part, safe="") for part in path),
        query="&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in query),
        headers=headers,
        body=body,
    )
    return request, query


SENT = st.builds(
    as_sent,
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "put"]),
    st.lists(TEXT, min_size=1, max_size=5),
    st.lists(st.tuples(TEXT, TEXT | st.just("")), max_size=5),
    st.builds(
        lambda headers, kind: headers | ({"Content-Type": kind} if kind else {}),
        HEADERS,
        TYPES,
    ),
    BODIES,
)
REPEATED = [("k", ""), ("k", "2"), ("k", "1")]


@given(sent=SENT, key=KEYS)
@settings(max_examples=600, deadline=None)
@example(as_sent("GET", ["a~b", "c d", "%2F", "x/y", "+"], REPEATED, {}, b""), KEY)
@example(as_sent("PUT", ["密", ""], [("é", "+ ~")], {"X-A": " ü "}, SEED), KEY)
@example(as_sent("POST", ["x"], [], {"Content-Type": "text/plain"}, b"x"), KEY)
@example(as_sent("POST", ["x"], [], {"X-Sdk-Content-Sha256": "ab"}, b"x"), KEY)
def test_equal_to_the_official_signer(
    official: Callable[[Unsigned, Query, AccessKey], str],
    sent: tuple[Unsigned, Query],
    key: AccessKey,
) -> None:
    """Authorization is byte for byte what the SDK computes, whatever is signed."""
    request, query = sent
    assert sign(request, key, MOMENT)["Authorization"] == official(request, query, key)
