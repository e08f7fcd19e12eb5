"""SDK-HMAC-SHA256 as the receiver sees it: recompute from what arrived; pure.

The scheme and its test vectors: frs-api.md section 5.2.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.gateway.identity import AccessKey, same

ALGORITHM = "SDK-HMAC-SHA256"
AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Access=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{{64}})"
)
DATE = "x-sdk-date"
DATE_FORM = "%Y%m%dT%H%M%SZ"
CONTENT_HASH = "x-sdk-content-sha256"
UNSIGNED = "UNSIGNED-PAYLOAD"
SKEW = timedelta(minutes=15)

INCORRECT = "Incorrect IAM authentication information: "
EXPIRED = "calc ak sk signature fail:signature expired"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as it came: raw path and query, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """What an Authorization header says."""

    access: str
    signed_headers: tuple[str, ...]
    signature: str


def parse(authorization: str) -> Claim:
    """Read an Authorization header; APIGW.0301 when it has another form."""
    found = AUTHORIZATION.fullmatch(authorization.strip())
    if found is None:
        raise refusal(f"the Authorization header is not of the form {ALGORITHM}")
    return Claim(found[1], tuple(found[2].split(";")), found[3])


def verify(key: AccessKey, claim: Claim, arrived: Arrived, now: datetime) -> None:
    """Refuse (APIGW.0301) what is old, unsigned or signed with another secret."""
    _check_headers(claim, arrived.headers)
    _check_date(arrived.headers[DATE], now)
    _check_security_token(key, arrived.headers, now)
    canonical = canonical_request(arrived, claim.signed_headers)
    expected = sign(key.secret, arrived.headers[DATE], canonical)
    if not same(claim.signature, expected):
        shown = canonical.replace("\n", "|")
        raise refusal(f"verify aksk signature fail, canonicalRequest:{shown}")


def canonical_request(arrived: Arrived, signed_headers: tuple[str, ...]) -> str:
    """Return the text that is signed; every header named must be there."""
    lines = [f"{name}:{arrived.headers[name].strip()}" for name in signed_headers]
    return "\n".join(
        (
            arrived.method.upper(),
            _canonical_path(arrived.path),
            _canonical_query(arrived.query),
            *lines,
            "",
            ";".join(signed_headers),
            _payload_hash(arrived),
        )
    )


def sign(secret: str, date: str, canonical: str) -> str:
    """Return the signature in hexadecimal."""
    hashed = hashlib.sha256(_bytes(canonical)).hexdigest()
    text = f"{ALGORITHM}\n{date}\n{hashed}"
    return hmac.new(_bytes(secret), _bytes(text), hashlib.sha256).hexdigest()


def refusal(detail: str) -> Refusal:
    """Return APIGW.0301 with the detail on which clients match."""
    return Refusal("APIGW.0301", INCORRECT + detail)


def _check_headers(claim: Claim, headers: Mapping[str, str]) -> None:
    if DATE not in headers:
        raise refusal("the header X-Sdk-Date is missing")
    if DATE not in claim.signed_headers:
        raise refusal("the header X-Sdk-Date is not signed")
    if missing := [name for name in claim.signed_headers if name not in headers]:
        raise refusal(f"the signed header {missing[0]} is missing")


def _check_date(date: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(date, DATE_FORM).replace(tzinfo=UTC)
    except ValueError:
        raise refusal("the header X-Sdk-Date is not like 20260102T030405Z") from None
    if abs(now - signed_at) > SKEW:
        raise refusal(EXPIRED)


def _check_security_token(
    key: AccessKey, headers: Mapping[str, str], now: datetime
) -> None:
    given = headers.get("x-security-token")
    if key.security_token is None and given is None:
        return
    if given is None:
        raise refusal("x-security-token not found")
    if key.security_token is None or not same(given, key.security_token):
        raise refusal("the security token does not belong to the access key")
    if key.expires_at is not None and key.expires_at <= now:
        raise refusal(EXPIRED)


def _canonical_path(path: str) -> str:
    # A slash that was sent as %2F is a slash in the official signer's text, too.
    quoted = quote(unquote_to_bytes(_bytes(path)), safe="/~")
    return quoted if quoted.endswith("/") else f"{quoted}/"


def _canonical_query(query: str) -> str:
    pairs = sorted(map(_pair, filter(None, query.split("&"))))
    return "&".join(f"{quote(key, safe='~')}={quote(v, safe='~')}" for key, v in pairs)


def _pair(text: str) -> tuple[bytes, bytes]:
    key, _, value = text.replace("+", " ").partition("=")
    return unquote_to_bytes(_bytes(key)), unquote_to_bytes(_bytes(value))


def _payload_hash(arrived: Arrived) -> str:
    if arrived.body and arrived.headers.get(CONTENT_HASH) == UNSIGNED:
        return UNSIGNED
    return hashlib.sha256(arrived.body).hexdigest()


def _bytes(text: str) -> bytes:
    # Bytes that are no UTF-8 reach us as surrogates and go back as they came.
    return text.encode("utf-8", "surrogateescape")
