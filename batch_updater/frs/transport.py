"""The one door to the network: a request goes out, a Reply comes back, always."""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
from yarl import URL

from batch_updater.errors import UsageError
from batch_updater.frs.exchange import exchange, is_clean, write_request
from batch_updater.frs.proxies import Proxy
from batch_updater.frs.redaction import Redaction
from batch_updater.frs.sending import BODY_LIMIT
from batch_updater.frs.trouble import TROUBLES, reply_of_trouble
from batch_updater.models import Reply

_CONNECT = 0.95  # of a request's time: what is late after it may have arrived
_IDLE_SECONDS = 120  # the gateway closes connections idle for 300 s

ProxyFor = Callable[[str], Proxy | None]
"""Which proxy leads to a URL, or None for the straight way."""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a TLS connection agreed on: its version, and the certificate's end."""

    version: str
    not_after: str


@dataclass(frozen=True, slots=True)
class _Route:
    """
    The way to one origin.

    Args:
        asked: what the connector knows its connections by; it is never sent.
        relayed: whether a proxy sends our requests on, and must be told whither.
        headers: who we are to that proxy.
    """

    asked: aiohttp.ClientRequest
    relayed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def _route_by(proxy: Proxy | None, url: URL) -> _Route:
    if proxy is None:
        return _Route(aiohttp.ClientRequest("GET", url))
    login = {"Proxy-Authorization": proxy.login} if proxy.user else {}
    if url.scheme == "http":
        asked = aiohttp.ClientRequest("GET", url, proxy=URL(proxy.url))
        return _Route(asked, relayed=True, headers=login)
    # For https there is a request of its own to the proxy, which opens a tunnel.
    return _Route(
        aiohttp.ClientRequest(
            "GET", url, proxy=URL(proxy.url), proxy_headers=login or None
        )
    )


class Transport:
    """
    Requests over connections that are kept.

    Sends exactly one request a call, and never one again by itself, because the
    pacer would not know.

    Args:
        patience: seconds a request may take.
    """

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        patience: float,
        proxy_for: ProxyFor,
    ) -> None:
        self.tls: TlsFacts | None = None
        self._connector = connector
        self._patience = patience
        self._timeout = aiohttp.ClientTimeout(
            total=patience,
            connect=patience * _CONNECT,
            ceil_threshold=math.inf,  # whole seconds would make the two one
        )
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
        target = str(url) if route.relayed else url.raw_path_qs
        headers = {**headers, **route.headers} if route.headers else headers
        request = write_request(method, url, target, headers, body)
        try:
            async with asyncio.timeout(self._patience):
                connection = await self._connect(route)
                try:
                    reply = await exchange(connection, request, keep, limit)
                except BaseException:
                    connection.close()
                    raise
                connection.release()
        except TROUBLES as error:
            reply = reply_of_trouble(error, proxied=route.asked.proxy is not None)
        return self._without_secrets(reply)

    async def _connect(self, route: _Route) -> aiohttp.connector.Connection:
        connection = await self._take_connection(route)
        if is_clean(connection):
            return connection
        connection.close()
        return await self._take_connection(route)

    async def _take_connection(self, route: _Route) -> aiohttp.connector.Connection:
        try:
            return await self._connector.connect(route.asked, [], self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error

    def _route(self, url: URL) -> _Route:
        target = (url.scheme, url.host_port_subcomponent or "")
        route = self._routes.get(target)
        if route is None:
            proxy = self._proxy_for("{}://{}".format(*target))
            route = self._routes[target] = _route_by(proxy, url.origin())
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
    async with aiohttp.TCPConnector(
        limit=concurrency + 1,  # whoever renews credentials beside them
        keepalive_timeout=_IDLE_SECONDS,
        ttl_dns_cache=300,
        ssl=ssl_context,
    ) as connector:
        transport = Transport(connector, patience, proxy_for)
        ssl_context.sslobject_class = _noting(transport.note_handshake)
        yield transport
