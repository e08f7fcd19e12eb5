"""The one door to the network: a request goes out, a Reply comes back, always."""

import math
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from yarl import URL

from batch_updater.errors import UsageError
from batch_updater.frs.protocol import parse_retry_after
from batch_updater.frs.proxies import Proxy
from batch_updater.frs.quota import RATELIMIT_HEADERS
from batch_updater.frs.redaction import Redaction
from batch_updater.frs.sending import BODY_LIMIT
from batch_updater.models import Reply

_TEXT_LIMIT = 500
_CONNECT = 0.95  # of a request's time: what is late after it may have arrived
_IDLE_SECONDS = 120  # the gateway closes connections idle for 300 s
_HEADER_LIMIT = 128 * 1024  # bytes; a token with many roles outgrows the usual 8 KiB

ProxyFor = Callable[[str], Proxy | None]
"""Which proxy leads to a URL, or None for the straight way."""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a TLS connection agreed on: its version, and the certificate's end."""

    version: str
    not_after: str


@dataclass(frozen=True, slots=True)
class _Route:
    """The way to one origin: a proxy, and who we are to it."""

    proxy: URL | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy_headers: Mapping[str, str] | None = field(default=None, repr=False)


def _route_by(proxy: Proxy | None, scheme: str) -> _Route:
    if proxy is None:
        return _Route()
    url = URL(proxy.url)
    if not proxy.user:
        return _Route(url)
    headers = {"Proxy-Authorization": proxy.login}
    # Only for https there is a request of its own to the proxy.
    if scheme == "https":
        return _Route(url, proxy_headers=headers)
    return _Route(url, headers=headers)


class Transport:
    """
    Requests over one session.

    Sends exactly one request a call: aiohttp's own resending is off, because the
    pacer would not know.
    """

    def __init__(self, session: aiohttp.ClientSession, proxy_for: ProxyFor) -> None:
        self.tls: TlsFacts | None = None
        self._session = session
        self._proxy_for = proxy_for
        self._routes: dict[tuple[str, str], _Route] = {}
        self._redaction = Redaction()
        self._proxy_secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        """Let no answer repeat a secret: gateways quote what they were sent."""
        for each in (*self._proxy_secrets, secret):
            self._redaction.hide(each)

    async def send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        keep: tuple[str, ...] = (),
        limit: int = BODY_LIMIT,
    ) -> Reply:
        """Send one request; whatever happens on the way is a Reply."""
        route = self._route(url)
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers={**headers, **route.headers} if route.headers else headers,
                allow_redirects=False,
                proxy=route.proxy,
                proxy_headers=route.proxy_headers,
            ) as response:
                return self._without_secrets(await _read_reply(response, keep, limit))
        except (aiohttp.ClientError, TimeoutError, _BrokenConnection) as error:
            trouble = _reply_of_trouble(error, proxied=route.proxy is not None)
            return self._without_secrets(trouble)

    def _route(self, url: URL) -> _Route:
        target = (url.scheme, url.host_port_subcomponent or "")
        route = self._routes.get(target)
        if route is None:
            proxy = self._proxy_for("{}://{}".format(*target))
            route = self._routes[target] = _route_by(proxy, url.scheme)
            for secret in (proxy.password, proxy.login) if proxy else ():
                self._proxy_secrets.add(secret)
                self.hide(secret)
        return route

    def _without_secrets(self, reply: Reply) -> Reply:
        redaction, said = self._redaction, reply.request_id + reply.detail
        if not redaction.touches(reply.body) and not redaction.touches(said.encode()):
            return reply
        return replace(
            reply,
            body=redaction.clean(reply.body),
            request_id=redaction.clean_text(reply.request_id),
            detail=redaction.clean_text(reply.detail),
        )

    def note_handshake(self, tls: ssl.SSLObject) -> None:
        """Keep what the last connection agreed on: the endpoint's, behind a proxy too."""
        ends = str((tls.getpeercert() or {}).get("notAfter", ""))
        self.tls = TlsFacts(tls.version() or "TLS", ends)


def _noting(note: Callable[[ssl.SSLObject], None]) -> type[ssl.SSLObject]:
    class Noted(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            note(self)

    return Noted


class _BrokenConnection(Exception):
    """A broken connection in a shape that aiohttp does not resend by itself."""


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    # aiohttp quietly repeats an idempotent request whose connection broke. That
    # second request would pass no pacer and stand in no journal.
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenConnection(str(error) or "server disconnected") from error


async def _read_reply(
    response: aiohttp.ClientResponse, keep: tuple[str, ...], limit: int
) -> Reply:
    headers = response.headers
    return Reply(
        status=response.status,
        body=await _read_body(response, limit),
        request_id=_clean(headers.get("X-Request-Id", "")),
        retry_after=_retry_after(headers.get("Retry-After")),
        date=headers.get("Date", ""),
        kept=tuple(headers.get(name, "") for name in keep) if keep else (),
        ratelimit=_ratelimit(headers),
    )


def _ratelimit(headers: Mapping[str, str]) -> tuple[str, ...]:
    limit, used, window = RATELIMIT_HEADERS
    if limit not in headers and used not in headers:
        return ()
    return (headers.get(limit, ""), headers.get(used, ""), headers.get(window, ""))


def _retry_after(header: str | None) -> float | None:
    return parse_retry_after(header, datetime.now(UTC)) if header else None


def _clean(text: str) -> str:
    """Return text from outside as it can be written down: short, and whole."""
    return text[:_TEXT_LIMIT].encode("utf-8", "replace").decode()


async def _read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    length = response.content_length
    # What is compressed may become a thousand times as long.
    packed = "Content-Encoding" in response.headers
    if length is not None and length <= limit and not packed:
        return await response.read()
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size >= limit:
            response.close()
            break
    return b"".join(parts)[:limit]


# The first kind that fits; aiohttp's tree has some below others.
_TROUBLES: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientProxyConnectionError, "proxy"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ConnectionTimeoutError, "connect"),
    (TimeoutError, "timeout"),
)
_MAY_HAVE_ARRIVED = frozenset({"timeout", "reset"})


def _reply_of_trouble(error: Exception, *, proxied: bool) -> Reply:
    name = _name_trouble(error)
    if name == "dns" and proxied:  # the endpoint's name is the proxy's affair
        name = "proxy"
    detail = "no answer within --timeout" if name == "timeout" else _tell(error)
    sent = name in _MAY_HAVE_ARRIVED
    return Reply(None, error=name, detail=_clean(detail), sent=sent)


def _tell(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status} {error.message}".strip()
    if isinstance(error, aiohttp.ClientConnectorError):
        why = _reason(_cause(error), named=isinstance(error, _NAMES))
        return f"cannot connect to {error.host} port {error.port}: {why}"
    if isinstance(error, aiohttp.ConnectionTimeoutError):  # its text holds the URL
        return "no connection within --timeout"
    # Their own texts quote the answer, and a token that IAM issues is one.
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return "the answer is broken off, or is not HTTP"
    return str(error) or type(error).__name__


_NAMES = aiohttp.ClientConnectorDNSError  # its numbers are not those of errno


def _reason(cause: Exception, *, named: bool) -> str:
    """Return what went wrong without the names and numbers of the layers below."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message.rstrip(".")
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return cause.reason.replace("_", " ").lower()
    if isinstance(cause, OSError) and cause.errno and not named:
        return os.strerror(cause.errno)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _cause(error: Exception) -> Exception:
    inner: Exception = getattr(error, "certificate_error", None) or error
    return getattr(inner, "os_error", None) or inner


def _name_trouble(error: Exception) -> str:
    if isinstance(
        error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError
    ):
        return _tls_trouble(error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_trouble(error.status)
    if isinstance(error, _BrokenConnection) and _WANTS_CERTIFICATE in str(error):
        return "tls_refused"
    return next((name for kind, name in _TROUBLES if isinstance(error, kind)), "reset")


# OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, _CERT_NOT_YET_VALID, _HOSTNAME_MISMATCH
# and _IP_ADDRESS_MISMATCH.
_BY_VERIFY_CODE = {
    9: "tls_expired",
    10: "tls_expired",
    62: "tls_host",
    64: "tls_host",
}


def _proxy_trouble(status: int) -> str:
    if status in {401, 407}:  # some say 401 to a password that is wrong
        return "proxy_login"
    return "proxy_refused" if 400 <= status < 500 else "proxy"


_NO_COMMON_TLS = frozenset({"UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"})
_WANTS_CERTIFICATE = "ALERT_CERTIFICATE_REQUIRED"  # comes after the handshake


def _tls_trouble(error: Exception) -> str:
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(cause.verify_code, "tls")
    if not isinstance(cause, ssl.SSLError):
        return "tls"
    reason = cause.reason or ""
    refused = "_ALERT_" in reason or reason in _NO_COMMON_TLS
    return "tls_refused" if refused else "no_tls"


def make_ssl_context(ca_cert: Path | None) -> ssl.SSLContext:
    """
    Return what verifies certificates: the system's authorities, and one more.

    Args:
        ca_cert: PEM file of further certificates to trust, or None.

    Raises:
        UsageError: the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    if ca_cert is None:
        return context
    try:
        context.load_verify_locations(cafile=ca_cert)
    except ssl.SSLError:
        raise UsageError(
            f"--ca-cert {ca_cert} holds no certificate",
            hint="It must be a PEM file: -----BEGIN CERTIFICATE----- and so on.",
        ) from None
    except OSError as error:
        raise UsageError(f"--ca-cert {ca_cert}: {error.strerror}") from None
    return context


@asynccontextmanager
async def open_transport(
    *,
    concurrency: int,
    patience: float,
    ssl_context: ssl.SSLContext,
    proxy_for: ProxyFor,
) -> AsyncIterator[Transport]:
    """
    Open a transport whose connections are kept until the block ends.

    Args:
        concurrency: the most requests for rows at once.
        patience: seconds a request may take, connecting included; the last
            twentieth is for the answer alone.
    """
    connector = aiohttp.TCPConnector(
        limit=concurrency + 1,  # whoever renews credentials beside them
        keepalive_timeout=_IDLE_SECONDS,
        ttl_dns_cache=300,
        ssl=ssl_context,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(
            total=patience,
            connect=patience * _CONNECT,
            ceil_threshold=math.inf,  # whole seconds would make the two one
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_field_size=_HEADER_LIMIT,
        headers={
            "Content-Type": "application/json",
            "User-Agent": "batch-updater",
        },
        middlewares=(_send_once,),
    ) as session:
        transport = Transport(session, proxy_for)
        ssl_context.sslobject_class = _noting(transport.note_handshake)
        yield transport
