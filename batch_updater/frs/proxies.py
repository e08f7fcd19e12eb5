"""Which proxy leads to a URL: --proxy, else HTTPS_PROXY and NO_PROXY; pure."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import unquote, urlsplit

from batch_updater.errors import UsageError
from batch_updater.frs.endpoints import is_host, is_link_local, is_loopback

OFF = "off"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    A way out through another machine.

    Args:
        url: ``http://host:port``, or https, without user and password.
    """

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def login(self) -> str:
        """The value of Proxy-Authorization (RFC 7617)."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {b64encode(pair).decode()}"


def parse_proxy(text: str, where: str) -> Proxy:
    """Return the proxy in a URL; UsageError names `where`, never the secret in it."""
    full = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(full)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    whole = text.isprintable() and host and is_host(host)
    if parts.scheme not in {"http", "https"} or not host or not whole:
        raise UsageError(
            f"{where} is no proxy that can be used",
            hint="It looks like http://proxy.example.com:3128. SOCKS is not known here.",
        )
    bare = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{bare}" + (f":{port}" if port else "")
    return Proxy(url, user, password)


def check_asked(text: str) -> str:
    """
    Return what --proxy may say: `off`, or a proxy without user and password.

    Flags are seen by everybody on the machine and settings stand in run.json.

    Raises:
        ValueError: with a sentence for people.
    """
    if "@" in text:
        raise ValueError(
            "user and password are secrets: put them into BATCH_UPDATER_PROXY_USER "
            "and BATCH_UPDATER_PROXY_PASSWORD"
        )
    if text == OFF:
        return text
    try:
        return parse_proxy(text, "it").url
    except UsageError as error:
        raise ValueError(f"{error.message}. {error.hint}") from None


def find_proxy(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """
    Return the proxy that the environment names for a URL, or None.

    HTTPS_PROXY, HTTP_PROXY and ALL_PROXY are known in both spellings, except
    HTTP_PROXY, which a web server's client can set; NO_PROXY lists hosts, domains,
    addresses and networks (`10.0.0.0/8`), with `:port` or without, and `*`. This
    machine and its metadata service are never reached through a proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or is_link_local(host):
        return None
    port = parts.port or _PORTS[parts.scheme]
    if _is_excepted(host, port, environ):
        return None
    for name in _variables(parts.scheme):
        if text := environ.get(name):
            return parse_proxy(text, name)
    return None


def _variables(scheme: str) -> tuple[str, ...]:
    if scheme == "http":
        return ("http_proxy", "all_proxy", "ALL_PROXY")
    return ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def _is_excepted(host: str, port: int, environ: Mapping[str, str]) -> bool:
    said = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    names = [name.strip().lower() for name in said.split(",")]
    return any(name and _is_named(_whole(host), port, name) for name in names)


def _is_named(host: str, port: int, name: str) -> bool:
    if name == "*":
        return True
    domain, said_port = _without_port(name)
    if said_port and said_port != str(port):
        return False
    if (network := _network(domain)) is not None:
        return _is_in(host, network)
    domain = _whole(domain.removeprefix("*").lstrip("."))
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _without_port(name: str) -> tuple[str, str]:
    if name.startswith("["):  # [2001:db8::1]:8443
        address, _, rest = name[1:].partition("]")
        return address, rest.removeprefix(":")
    if name.count(":") > 1:  # an IPv6 address as it is
        return name, ""
    domain, _, port = name.partition(":")
    return domain, port


def _whole(name: str) -> str:
    # A full stop at the end says only that nothing is left out.
    return name.removesuffix(".")


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_in(host: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(host) in network
    except ValueError:
        return False
