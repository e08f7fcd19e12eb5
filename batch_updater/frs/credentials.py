"""Who we are to the service: credentials as values, and the headers they make."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol

from yarl import URL

from batch_updater.errors import UsageError
from batch_updater.frs.signing import AccessKey, Unsigned, sign

_CONTENT = {"Content-Type": "application/json"}
_LONGEST_PROJECT_ID = 64  # characters; those of the documents have 32


class Credential(Protocol):
    """What proves who sends a request."""

    kind: ClassVar[str]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be repeated anywhere."""

    @property
    def constant(self) -> Mapping[str, str] | None:
        """The headers, if they are the same for every request."""

    def headers(
        self, method: str, url: URL, body: bytes, project_id: str, moment: datetime
    ) -> Mapping[str, str]:
        """Return the headers that prove who sends this request at this moment."""


@dataclass(frozen=True, slots=True)
class Token:
    """A project-scoped IAM token (facts page, section 5.1)."""

    kind: ClassVar[str] = "token"
    value: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token itself."""
        return (self.value,)

    @property
    def constant(self) -> Mapping[str, str]:
        """The token's header."""
        return {"X-Auth-Token": self.value}

    def headers(
        self, method: str, url: URL, body: bytes, project_id: str, moment: datetime
    ) -> Mapping[str, str]:
        """Return the token's header; it is the same for every request."""
        return self.constant


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An access key, permanent or temporary, that signs each request (section 5.2)."""

    kind: ClassVar[str] = "access key"
    key: AccessKey

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret key, and the token of a temporary one."""
        return (self.key.secret, self.key.security_token)

    @property
    def constant(self) -> None:
        """None: each request has its own signature."""

    def headers(
        self, method: str, url: URL, body: bytes, project_id: str, moment: datetime
    ) -> Mapping[str, str]:
        """Return the signature of this request, and the headers it covers."""
        covered = {**_CONTENT, "X-Project-Id": project_id} if project_id else _CONTENT
        unsigned = Unsigned(
            method=method,
            host=url.host_port_subcomponent or "",
            path=url.raw_path,
            query=url.raw_query_string,
            headers=covered,
            body=body,
        )
        return {**covered, **sign(unsigned, self.key, moment)}


@dataclass(frozen=True, slots=True)
class Password:
    """An IAM user's password; accounts upgraded to HUAWEI ID cannot use theirs."""

    domain: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Issued:
    """
    A credential as its source gave it.

    Args:
        life: seconds until it ends, or None when nobody says.
        project_id: the project it is for, or empty when nobody says.
    """

    credential: Credential
    life: float | None = None
    project_id: str = ""


def check_secret(text: str, where: str, what: str = "token") -> str:
    """Return a secret without surrounding space, if it can stand in a header."""
    secret = text.strip()
    if not secret:
        raise UsageError(
            f"the {what} in {where} is empty", hint=f"Put the {what} there."
        )
    if not is_sendable(secret):
        raise UsageError(
            f"the {what} in {where} has characters that no {what} has",
            hint="It must stand there bare, on one line, without quotes.",
        )
    return secret


def check_optional(text: str, where: str, what: str) -> str:
    """Return a secret that need not be there, as check_secret does."""
    return check_secret(text, where, what) if text.strip() else ""


def is_sendable(text: object) -> bool:
    """Return whether something is text that can stand in a header as one word."""
    return isinstance(text, str) and re.fullmatch("[!-~]+", text) is not None


def is_project_id(text: object) -> bool:
    """Return whether something can be a project's id, in a path and in a header."""
    return is_sendable(text) and len(str(text)) <= _LONGEST_PROJECT_ID
