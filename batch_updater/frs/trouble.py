"""What went wrong on the way to an answer, as the Reply that tells it."""

import os
import ssl

import aiohttp
from aiohttp.http import HttpProcessingError

from batch_updater.models import Reply

_TEXT_LIMIT = 500

TROUBLES = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What a request may raise; a TimeoutError is an OSError."""


def clean(text: str) -> str:
    """Return text from outside as it can be written down: short, and whole."""
    return text[:_TEXT_LIMIT].encode("utf-8", "replace").decode()


# The first kind that fits; aiohttp's tree has some below others.
_TROUBLES: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientProxyConnectionError, "proxy"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ConnectionTimeoutError, "connect"),
    (TimeoutError, "timeout"),
)
_MAY_HAVE_ARRIVED = frozenset({"timeout", "reset"})


def reply_of_trouble(
    error: Exception, *, proxied: bool, connected: bool = True
) -> Reply:
    """
    Return the Reply of a request that got no answer.

    Args:
        error: one of TROUBLES.
        proxied: whether a proxy stood between us and the service.
        connected: whether the request could have left at all.
    """
    name = _name_trouble(error)
    if name == "reset" and not connected:  # by a proxy that was asked for a tunnel
        name = "proxy" if proxied else "connect"
    if name == "dns" and proxied:  # the endpoint's name is the proxy's affair
        name = "proxy"
    detail = "no answer within --timeout" if name == "timeout" else _tell(error)
    sent = name in _MAY_HAVE_ARRIVED
    return Reply(None, error=name, detail=clean(detail), sent=sent)


def _tell(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status} {error.message}".strip()
    if isinstance(error, aiohttp.ClientConnectorError):
        why = _reason(_cause(error), named=isinstance(error, _NAMES))
        return f"cannot connect to {error.host} port {error.port}: {why}"
    if isinstance(error, aiohttp.ConnectionTimeoutError):  # its text holds the URL
        return "no connection within --timeout"
    if isinstance(error, aiohttp.ServerDisconnectedError):  # its text, too
        return "the connection ended before the answer"
    if isinstance(error, _QUOTING):
        return "the answer is broken off, or is not HTTP"
    return str(error) or type(error).__name__


# Their own texts quote the answer, and a token that IAM issues is one.
_QUOTING = (
    HttpProcessingError,
    aiohttp.ClientPayloadError,
    aiohttp.ClientResponseError,
)
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
    if isinstance(error, aiohttp.ClientOSError) and _WANTS_CERTIFICATE in str(error):
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
