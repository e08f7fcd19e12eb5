"""The credentials in use: where they come from, and how they are replaced."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Protocol

from yarl import URL

from batch_updater.errors import UsageError
from batch_updater.frs.credentials import (
    Credential,
    Issued,
    Password,
    SigningKey,
    Token,
    check_secret,
)
from batch_updater.frs.iam import Scope, log_in
from batch_updater.frs.metadata import fetch_key
from batch_updater.frs.secret_files import read_secret_file
from batch_updater.frs.sending import Send

LOOK_EVERY = 5.0  # seconds between two looks at a file
QUIET = 0.3  # seconds that a file must lie still: half a secret is a wrong secret
_MOST_LOOKS = 20
_LARGEST_MARGIN = 1800.0  # seconds before its end in which a credential is replaced
_MARGIN = 0.25  # of a short life


class Source(Protocol):
    """A place that credentials come from; its str says which, for people."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What it shows to others to get credentials."""

    async def fetch(self, send: Send) -> Issued:
        """
        Return what holds now, which may be what was returned before.

        Raises:
            TryAgain: not at this moment.
            RunRefused: not at all.
        """

    def changed(self) -> bool:
        """Return whether there is something new to fetch, as far as is known."""


@dataclass(frozen=True, slots=True)
class Given:
    """
    A credential given once.

    Args:
        where: what gave it, such as the name of a variable.
    """

    secrets: ClassVar[tuple[str, ...]] = ()
    credential: Credential
    where: str = "given"

    async def fetch(self, send: Send) -> Issued:
        """Return the one there is."""
        return Issued(self.credential)

    def changed(self) -> bool:
        """Return False: nobody can change it."""
        return False

    def __str__(self) -> str:
        return f"{self.credential.kind} of {self.where}"


class InFile:
    """
    A credential in a file that another program renews.

    Args:
        read: what reads the file; UsageError when it holds no credential.
        now: the moment, by the clock that the file's own times follow.
        sleep: waits for so many seconds.
    """

    secrets: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], Credential],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._path, self._read = path, read
        self._now, self._sleep = now, sleep
        self._stamp = _stamp(path)
        self._credential = read(path)

    async def fetch(self, send: Send) -> Issued:
        """Read the file again; one that is spoiled leaves things as they were."""
        await self._wait_for_writer()
        stamp = _stamp(self._path)
        try:
            self._credential = self._read(self._path)
        except UsageError:
            return Issued(self._credential)
        self._stamp = stamp
        return Issued(self._credential)

    async def _wait_for_writer(self) -> None:
        # Not for ever: a file that is touched all the time is read as it is.
        for _ in range(_MOST_LOOKS):
            stamp = _stamp(self._path)
            age = self._now().timestamp() - stamp.written if stamp else QUIET
            if abs(age) >= QUIET:
                return
            await self._sleep(QUIET - age)

    def changed(self) -> bool:
        """Return whether the file is another one than the one that was read."""
        return _stamp(self._path) != self._stamp

    def __str__(self) -> str:
        return f"{self._credential.kind} in {self._path}"


@dataclass(frozen=True, slots=True)
class _Stamp:
    number: int
    size: int
    written: float


def _stamp(path: Path) -> _Stamp | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return _Stamp(facts.st_ino, facts.st_size, facts.st_mtime)


@dataclass(frozen=True, slots=True)
class Login:
    """Tokens that IAM issues for a password."""

    endpoint: str
    password: Password
    scope: Scope

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password."""
        return (self.password.password,)

    async def fetch(self, send: Send) -> Issued:
        """Ask IAM for a token."""
        return await log_in(send, self.endpoint, self.password, self.scope)

    def changed(self) -> bool:
        """Return False: tokens have an end, and that is known."""
        return False

    def __str__(self) -> str:
        who = f"{self.password.user} of {self.password.domain}"
        return f"token for IAM user {who} from {self.endpoint}"


@dataclass(frozen=True, slots=True)
class Machine:
    """Temporary keys that the metadata service gives to a cloud server."""

    secrets: ClassVar[tuple[str, ...]] = ()
    endpoint: str

    async def fetch(self, send: Send) -> Issued:
        """Ask the metadata service for a key."""
        return await fetch_key(send, self.endpoint)

    def changed(self) -> bool:
        """Return False: keys have an end, and that is known."""
        return False

    def __str__(self) -> str:
        return f"temporary access key from {self.endpoint}"


class Auth:
    """
    The credential in use.

    Args:
        hide: told of every secret before it is used.
        clock: seconds, monotonic.
        now: the moment that signatures carry.
    """

    def __init__(
        self,
        source: Source,
        send: Send,
        *,
        hide: Callable[[str], None] = lambda secret: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.version = 0
        self._source, self._send, self._hide = source, send, hide
        self._clock, self._now = clock, now
        self._credential: Credential | None = None
        self._constant: Mapping[str, str] | None = None
        self._renew_at: float | None = None
        self.life: float | None = None
        self.project_id = ""

    @property
    def credential(self) -> Credential:
        """The credential in use."""
        if self._credential is None:
            raise RuntimeError("nobody has signed in yet")
        return self._credential

    @property
    def signs(self) -> bool:
        """Whether requests are signed, so that this machine's clock matters."""
        return isinstance(self._credential, SigningKey)

    def headers(
        self, method: str, url: URL, body: bytes, project_id: str
    ) -> Mapping[str, str]:
        """Return the headers that prove who sends this request."""
        if self._constant is not None:
            return self._constant
        moment = self._now()
        return self.credential.headers(method, url, body, project_id, moment)

    async def renew(self) -> bool:
        """
        Ask the source once; True when there is another credential now.

        Raises:
            TryAgain, RunRefused: as the source says.
        """
        for secret in self._source.secrets:
            self._hide(secret)
        issued = await self._source.fetch(self._send)
        for secret in issued.credential.secrets:
            self._hide(secret)
        self._note_life(issued.life)
        self.project_id = issued.project_id
        if issued.credential == self._credential:
            return False
        self.version += self._credential is not None
        self._credential = issued.credential
        self._constant = issued.credential.constant
        return True

    def _note_life(self, life: float | None) -> None:
        # An end that is past while the service still takes it is a clock that is
        # wrong: another login would bring the same, again and again.
        self.life = life if life and life > 0 else None
        if self.life is None:
            self._renew_at = None
            return
        margin = min(_LARGEST_MARGIN, self.life * _MARGIN)
        self._renew_at = self._clock() + self.life - margin

    def due(self) -> bool:
        """Return whether the credential should be replaced while it still holds."""
        over = self._renew_at is not None and self._clock() >= self._renew_at
        return over or self._source.changed()

    def until_look(self) -> float:
        """Return the seconds until somebody should ask whether a renewal is due."""
        if self._renew_at is None:
            return LOOK_EVERY
        return min(LOOK_EVERY, max(0.0, self._renew_at - self._clock()))


_FILE_HINT = (
    "--token-file names a file that holds the token and nothing else. To sign in "
    "otherwise: --auth aksk, for example."
)


def read_token(path: Path) -> Token:
    """Return the token in a file; UsageError names the file, never its content."""
    text = read_secret_file(path, "token file", hint=_FILE_HINT)
    return Token(check_secret(text, f"the file {path}"))
