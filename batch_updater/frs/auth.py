"""Who we are to the service: today a project-scoped token."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from batch_updater.errors import UsageError


class Auth(Protocol):
    """What the client asks of a way to authenticate."""

    version: int
    """Grows with every renewal, so that a late refusal is known to be stale."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers that prove who sends the request."""

    async def renew(self, stale: int) -> bool:
        """Replace credentials of version `stale`; False when there are no others."""


class FixedToken:
    """A token given once, for example in the environment."""

    def __init__(self, token: str) -> None:
        self.version = 0
        self._headers = {"X-Auth-Token": check_token(token, "the environment")}

    def headers(self) -> Mapping[str, str]:
        """Return the token's header."""
        return self._headers

    async def renew(self, stale: int) -> bool:
        """Return False: a fixed token cannot be renewed."""
        return False

    def __repr__(self) -> str:
        return "FixedToken(***)"


class TokenFile:
    """A token kept in a file that another program renews."""

    def __init__(self, path: Path) -> None:
        self.version = 0
        self._path = path
        self._headers = {"X-Auth-Token": read_token(path)}

    def headers(self) -> Mapping[str, str]:
        """Return the header of the token that was read last."""
        return self._headers

    async def renew(self, stale: int) -> bool:
        """Read the file again; True when it holds another token."""
        if stale != self.version:
            return True  # somebody else met the same refusal first
        try:
            fresh = {"X-Auth-Token": read_token(self._path)}
        except UsageError:
            return False
        if fresh == self._headers:
            return False
        self._headers = fresh
        self.version += 1
        return True

    def __repr__(self) -> str:
        return f"TokenFile({str(self._path)!r})"


def read_token(path: Path) -> str:
    """Return the token in a file; UsageError names the file, never its content."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"token file {path}: {reason}") from None
    return check_token(text, f"token file {path}")


def check_token(text: str, where: str) -> str:
    """Return the token without surrounding space, if it can be a header."""
    token = text.strip()
    if not token:
        raise UsageError(f"the token in {where} is empty")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            f"the token in {where} has characters that no token has",
            hint="It must be the bare value of X-Subject-Token, on one line.",
        )
    return token
