"""Settings to who is told of a command's end, and the way there."""

import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from yarl import URL

from batch_updater.config.connection import proxies_of
from batch_updater.config.secrets import mask_url, read_secrets
from batch_updater.config.settings import Resolved
from batch_updater.errors import UsageError
from batch_updater.frs.endpoints import is_loopback
from batch_updater.frs.transport import ProxyFor, make_ssl_context


@dataclass(frozen=True, slots=True)
class Webhook:
    """
    An address that takes what a command came to.

    Args:
        url: without user and password; whoever knows it may post there.
        headers: who we are, where the address says it; never who we are to FRS.
        shown: the address for people, without its secrets.
        patience: seconds that a request may take.
        values: whether the service's own words may be passed on, which quote values
            of rows.
    """

    url: URL = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    shown: str
    patience: float
    values: bool
    ssl_context: ssl.SSLContext
    proxy_for: ProxyFor = field(repr=False)


def find_webhook(resolved: Resolved) -> Webhook | None:
    """
    Return who is to be told of the end, reached as the service is, or None.

    Raises:
        UsageError: an address that would be seen by everybody on the way.
    """
    settings, environ = resolved.settings, resolved.environ
    said = settings.notify_url
    if said is None:
        return None
    parts = urlsplit(said)
    if parts.scheme == "http" and not (
        settings.allow_http or is_loopback(parts.hostname or "")
    ):
        raise UsageError(
            f"--notify-url {mask_url(said)} would send the summary unencrypted",
            hint="Use https, or say --allow-http if the network is yours.",
        )
    return Webhook(
        url=URL(said, encoded=True).with_user(None),
        headers=_login(parts.username, parts.password),
        shown=mask_url(said),
        patience=settings.timeout,
        values=settings.include_values,
        ssl_context=make_ssl_context(settings.ca_cert),
        proxy_for=proxies_of(settings.proxy, read_secrets(environ), environ),
    )


def _login(user: str | None, password: str | None) -> dict[str, str]:
    """Return the header of a user and a password (RFC 7617)."""
    if not user and not password:
        return {}
    pair = f"{unquote(user or '')}:{unquote(password or '')}".encode()
    return {"Authorization": f"Basic {b64encode(pair).decode()}"}
