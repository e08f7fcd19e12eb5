"""
AK/SK signatures, SDK-HMAC-SHA256 (signing guide devg-apisign; the SDK's signer).

The signature covers the method, the path, the query, headers and the body's hash,
so whatever signs must be given the request as it goes over the wire.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote

_ALGORITHM = "SDK-HMAC-SHA256"
_UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_SIGNED_TYPES = ("application/json", "application/bson")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key pair, with a security token when it is a temporary one."""

    access: str
    secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Unsigned:
    """
    A request before its signature.

    Args:
        method: the HTTP verb.
        host: what the Host header says, with the port unless it is the usual one.
        path: percent-encoded, as it is sent.
        query: percent-encoded, as it is sent, without the question mark.
        headers: those that are sent; a name with ``_`` is left out of the signature.
        body: empty when there is none.
    """

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def sign(request: Unsigned, key: AccessKey, moment: datetime) -> dict[str, str]:
    """
    Return the headers to add to a request so that it proves who sends it.

    These are ``X-Sdk-Date`` and ``Authorization``, ``X-Security-Token`` for a
    temporary key, and ``X-Sdk-Content-Sha256`` where the body is not signed
    because it is neither JSON nor BSON. `moment` knows its time zone; the service
    takes it for 15 minutes either way.
    """
    date = f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    added = {"X-Sdk-Date": date}
    if key.security_token:
        added["X-Security-Token"] = key.security_token
    headers = _signable(request.headers)
    content_type = headers.get("content-type")
    if content_type and not content_type.startswith(_SIGNED_TYPES):
        added["X-Sdk-Content-Sha256"] = _UNSIGNED_PAYLOAD
    headers |= _signable({"Host": request.host, **added})
    names = ";".join(sorted(headers))
    digest = hashlib.sha256(_canonical(request, headers, names).encode()).hexdigest()
    signature = _hmac(key.secret, f"{_ALGORITHM}\n{date}\n{digest}")
    added["Authorization"] = (
        f"{_ALGORITHM} Access={key.access}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    return added


def _signable(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.lower(): value.strip()
        for name, value in headers.items()
        if "_" not in name
    }


def _canonical(request: Unsigned, headers: Mapping[str, str], names: str) -> str:
    lines = [
        request.method.upper(),
        _canonical_path(request.path),
        _canonical_query(request.query),
        *[f"{name}:{headers[name]}" for name in names.split(";")],
        "",
        names,
        _payload_hash(request.body, headers),
    ]
    return "\n".join(lines)


@lru_cache(maxsize=256)
def _canonical_path(path: str) -> str:
    """Return the path decoded, encoded again by RFC 3986, and ending with a slash."""
    encoded = quote(unquote(path), safe="/~")
    return encoded if encoded.endswith("/") else f"{encoded}/"


@lru_cache(maxsize=256)
def _canonical_query(query: str) -> str:
    """Return the query sorted by key, then value, each encoded by RFC 3986."""
    pairs = [part.partition("=") for part in query.split("&") if part]
    decoded = sorted((unquote(name), unquote(value)) for name, _, value in pairs)
    return "&".join(
        f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in decoded
    )


def _payload_hash(body: bytes, headers: Mapping[str, str]) -> str:
    # No body has a hash even where bodies are not signed: so does the SDK.
    declared = headers.get("x-sdk-content-sha256") if body else None
    return declared or hashlib.sha256(body).hexdigest()


def _hmac(secret: str, text: str) -> str:
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()
