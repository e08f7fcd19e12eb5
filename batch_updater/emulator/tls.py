"""The certificate of an emulator that speaks https."""

import ssl
from pathlib import Path


class TlsError(ValueError):
    """A certificate or its key cannot be used."""


def server_context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return what a server needs to speak TLS, None without a certificate.

    Both files are PEM, the key without a passphrase; TlsError names the file.
    """
    if cert is None or key is None:
        return None
    for name, path in (("certificate", cert), ("key", key)):
        _check_readable(name, path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except ssl.SSLError as problem:
        reason = problem.reason or "not PEM, or not a pair"
        raise TlsError(f"TLS certificate {cert} with key {key}: {reason}") from problem
    return context


def _check_readable(name: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as problem:
        raise TlsError(f"TLS {name} {path}: {problem.strerror}") from problem


def _no_passphrase() -> str:
    # Without this OpenSSL would ask at the terminal.
    raise TlsError("TLS key: it has a passphrase; give one without")
