"""The one door to the network: a request goes out, a Reply comes back, always."""

import operator
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import aiohttp
from yarl import URL

from batch_updater.errors import UsageError
from batch_updater.frs.connections import Connections
from batch_updater.frs.exchange import exchange, write_head, write_request
from batch_updater.frs.proxies import Proxy
from batch_updater.frs.redaction import Redaction
from batch_updater.frs.sending import BODY_LIMIT
from batch_updater.frs.trouble import TROUBLES, reply_of_trouble
from batch_updater.models import Reply

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
        relayed: whether a proxy sends our requests on, and must be told whither.
        headers: who we are to that proxy.
    """

    connections: Connections
    proxied: bool = False
    relayed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


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
        self._proxy_for = proxy_for
        self._routes: dict[tuple[str, str], _Route] = {}
        self._redaction = Redaction()
        self._proxy_secrets: set[str] = set()
        self._last_asked: tuple[object, ...] = (None, None, None)
        self._last_head = b""

    def hide(self, secret: str) -> None:
        """Let no answer repeat a secret: gateways quote what they were sent."""
        self._hide_all((*self._proxy_secrets, secret))

    def _hide_all(self, secrets: Iterable[str]) -> None:
        for each in secrets:
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
        if body is None and method != "GET":
            body = b""
        request = write_request(self._head(method, url, headers, route), body)
        return self._without_secrets(await self._exchange(route, request, keep, limit))

    async def _exchange(
        self, route: _Route, request: bytes, keep: tuple[str, ...], limit: int
    ) -> Reply:
        began, connections = time.monotonic(), route.connections
        try:
            connection = await connections.take()
        except TROUBLES as error:
            return reply_of_trouble(error, proxied=route.proxied, connected=False)
        left = self._patience - (time.monotonic() - began)
        try:
            reply = await exchange(connection.protocol, request, left, keep, limit)
        except TROUBLES as error:
            connections.give_up(connection)
            return reply_of_trouble(error, proxied=route.proxied)
        except BaseException:
            connections.give_up(connection)
            raise
        connections.give_back(connection)
        return reply

    def _head(
        self, method: str, url: URL, headers: Mapping[str, str], route: _Route
    ) -> bytes:
        # A run asks for the same thing again and again, with the same token.
        asked = (method, url, headers)
        if not all(map(operator.is_, asked, self._last_asked)):
            target = str(url) if route.relayed else url.raw_path_qs
            sent = {**headers, **route.headers}
            self._last_head = write_head(method, url, target, sent)
            self._last_asked = asked
        return self._last_head

    def _route(self, url: URL) -> _Route:
        target = (url.scheme, url.host_port_subcomponent or "")
        route = self._routes.get(target)
        if route is None:
            proxy = self._proxy_for("{}://{}".format(*target))
            route = self._routes[target] = self._route_by(proxy, url.origin())
            if proxy:
                self._proxy_secrets |= {proxy.password, proxy.login}
                self._hide_all(self._proxy_secrets)
        return route

    def _route_by(self, proxy: Proxy | None, origin: URL) -> _Route:
        make = partial(Connections, self._connector, origin, self._patience)
        if proxy is None:
            return _Route(make())
        login = {"Proxy-Authorization": proxy.login} if proxy.user else {}
        if origin.scheme == "http":
            return _Route(
                make(URL(proxy.url)), proxied=True, relayed=True, headers=login
            )
        # For https there is a request of its own to the proxy, which opens a tunnel.
        return _Route(make(URL(proxy.url), login or None), proxied=True)

    def close(self) -> None:
        """Close the connections that are kept."""
        for route in self._routes.values():
            route.connections.close()

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
    patience: float,
    ssl_context: ssl.SSLContext,
    proxy_for: ProxyFor,
) -> AsyncIterator[Transport]:
    """
    Open a transport whose connections are kept until the block ends.

    Args:
        patience: seconds a request may take, connecting included; the last
            twentieth is for the answer alone.
    """
    async with aiohttp.TCPConnector(
        limit=0,  # there is one for each request, and who sends has a limit
        ssl=ssl_context,
    ) as connector:
        with closing(Transport(connector, patience, proxy_for)) as transport:
            ssl_context.sslobject_class = _noting(transport.note_handshake)
            yield transport
