"""Credentials in use: where they come from, when they are replaced, and that they never show."""

import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest
from yarl import URL

from batch_updater.errors import UsageError
from batch_updater.frs.auth import (
    LOOK_EVERY,
    Auth,
    Given,
    InFile,
    Login,
    read_token,
)
from batch_updater.frs.credentials import (
    Issued,
    Password,
    SigningKey,
    Token,
    check_secret,
)
from batch_updater.frs.iam import Scope
from batch_updater.frs.profiles import read_profile
from batch_updater.frs.sending import Send
from batch_updater.frs.signing import AccessKey
from batch_updater.models import Reply

CANARY = "MIIEcanary0123456789"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URL_OF_FACES = URL("https://face.example.com/v2/p/face-sets/s/faces", encoded=True)


async def nowhere(*request: object, **more: object) -> Reply:
    """Stand for a network that nobody may use."""
    raise AssertionError(request)


async def signed_in(source: Given | InFile) -> Auth:
    """Return what uses a source that needs no network."""
    auth = Auth(source, nowhere, now=lambda: NOW)
    await auth.renew()
    return auth


def headers(auth: Auth) -> dict[str, str]:
    return dict(auth.headers("PUT", URL_OF_FACES, b"{}", "p"))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Mint:
    """A source whose credentials live as long as it is told."""

    def __init__(self, *lives: float | None) -> None:
        self.lives = list(lives)
        self.count = 0

    async def fetch(self, send: Send) -> Issued:
        self.count += 1
        return Issued(Token(f"token-{self.count}"), self.lives.pop(0))

    secrets = ()

    def changed(self) -> bool:
        return False


async def test_nobody_is_signed_in_at_first() -> None:
    """Credentials are had before they are used, never on the way."""
    with pytest.raises(RuntimeError, match="signed in"):
        headers(Auth(Given(Token(CANARY)), nowhere))


async def test_what_is_given_is_never_renewed() -> None:
    """A token of the environment is all there is."""
    auth = await signed_in(Given(Token(CANARY)))
    assert headers(auth) == {"X-Auth-Token": CANARY}
    assert not await auth.renew()
    assert (auth.version, auth.due()) == (0, False)


async def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    """Another token in the file is a renewal; the same one is none."""
    file = tmp_path / "token"
    file.write_text("first\n")
    auth = await signed_in(InFile(file, read_token))
    assert not await auth.renew()
    assert (auth.version, auth.due()) == (0, False)
    file.write_text("second\n")
    assert auth.due()
    assert headers(auth) == {"X-Auth-Token": "first"}
    assert await auth.renew()
    assert (auth.version, headers(auth)) == (1, {"X-Auth-Token": "second"})
    assert not auth.due()


async def test_a_file_that_is_replaced_by_its_like_is_read_once(tmp_path: Path) -> None:
    """A program that renames a new file into place is noticed, whatever its size."""
    file, fresh = tmp_path / "token", tmp_path / "fresh"
    file.write_text("aaaa")
    auth = await signed_in(InFile(file, read_token))
    fresh.write_text("bbbb")
    fresh.replace(file)
    assert auth.due()
    assert await auth.renew()
    assert not auth.due()


@pytest.mark.parametrize("content", [b"", b"  \n", b"a b", b"\xff", "密".encode()])
async def test_a_spoiled_token_file_is_no_renewal(
    tmp_path: Path, content: bytes
) -> None:
    """While the file holds no token, the old one stays, and the file is looked at again."""
    file = tmp_path / "token"
    file.write_text("first")
    auth = await signed_in(InFile(file, read_token))
    file.write_bytes(content)
    assert not await auth.renew()
    assert auth.due()
    file.unlink()
    assert not await auth.renew()
    assert headers(auth) == {"X-Auth-Token": "first"}


def moment(clock: Clock) -> datetime:
    """Return the time of day that a clock of seconds shows."""
    return datetime.fromtimestamp(clock.seconds, UTC)


async def test_a_file_in_writing_is_waited_for(tmp_path: Path) -> None:
    """Half a token is never taken: the file must lie still before it is read."""
    file, pieces = tmp_path / "token", ["-half", "-end"]
    file.write_text("first")
    clock = Clock()
    clock.seconds = file.stat().st_mtime

    async def write_on(seconds: float) -> None:
        clock.seconds += seconds
        if pieces:
            with file.open("a") as appended:
                appended.write(pieces.pop(0))
            os.utime(file, (clock.seconds, clock.seconds))

    auth = await signed_in(InFile(file, read_token, lambda: moment(clock), write_on))
    assert headers(auth) == {"X-Auth-Token": "first-half-end"}
    assert not auth.due()


async def test_a_file_that_is_never_still_is_read(tmp_path: Path) -> None:
    """A file that is touched again and again is no reason to wait for ever."""
    file, clock = tmp_path / "token", Clock()
    file.write_text("first")

    async def touch(seconds: float) -> None:
        clock.seconds += seconds
        os.utime(file, (clock.seconds, clock.seconds))

    await touch(1.0)
    auth = await signed_in(InFile(file, read_token, lambda: moment(clock), touch))
    assert headers(auth) == {"X-Auth-Token": "first"}


@pytest.mark.parametrize("life", [0.0, -100.0])
async def test_an_end_that_is_past(life: float) -> None:
    """A token that IAM gives with no life left is kept until it is refused, not renewed for ever."""
    clock = Clock()
    auth = Auth(Mint(life), nowhere, clock=clock)
    await auth.renew()
    clock.seconds += 1e6
    assert not auth.due()
    assert auth.life is None
    assert auth.until_look() > 1


@pytest.mark.parametrize(
    ("life", "due_after"), [(86400.0, 84600.0), (7200.0, 5400.0), (40.0, 30.0)]
)
async def test_renewal_before_the_end(life: float, due_after: float) -> None:
    """Half an hour before the end, or at three quarters of a short life, it is time."""
    clock = Clock()
    auth = Auth(Mint(life, None), nowhere, clock=clock)
    await auth.renew()
    clock.seconds += due_after - 0.5
    assert not auth.due()
    assert auth.until_look() == 0.5
    clock.seconds += 0.5
    assert auth.due()
    assert auth.until_look() == 0
    assert await auth.renew()
    assert (auth.version, auth.due(), auth.until_look()) == (1, False, LOOK_EVERY)


async def test_a_signing_key_signs_each_request() -> None:
    """An access key proves itself with every request; its secret stays here."""
    auth = await signed_in(Given(SigningKey(AccessKey("AK", CANARY, "TOK"))))
    made = headers(auth)
    assert made["Authorization"].startswith(
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=content-type;host;x-project-id;"
        "x-sdk-date;x-security-token, Signature="
    )
    assert made["X-Project-Id"] == "p"
    assert made["X-Security-Token"] == "TOK"
    assert made["X-Sdk-Date"] == "20260102T030405Z"
    assert CANARY not in str(made)
    other = auth.headers("PUT", URL_OF_FACES, b"{ }", "p")
    assert other["Authorization"] != made["Authorization"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (f"{CANARY} {CANARY}".encode(), "no token has"),
        (f"{CANARY}\n{CANARY}".encode(), "no token has"),
        (f"{CANARY}\x1b".encode(), "no token has"),
        (f"{CANARY}密".encode(), "no token has"),
        (CANARY.encode() + b"\xff", "not UTF-8"),
    ],
)
def test_bad_token_files(tmp_path: Path, content: bytes | None, said: str) -> None:
    """The error names the file and never what is in it, not even in its traceback."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_token(file)
    assert said in caught.value.message
    assert str(file) in caught.value.message
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY not in caught.value.hint


@pytest.mark.parametrize(
    "text", ["", " ", f"{CANARY} x", f"{CANARY}\r\nX-Evil: 1", "é"]
)
def test_bad_secrets_of_the_environment(text: str) -> None:
    """A secret that could smuggle a header in, or is none, is refused unseen."""
    with pytest.raises(UsageError) as caught:
        check_secret(text, "the environment")
    assert CANARY not in repr(caught.value) + caught.value.message


GOOD_PROFILE = f"""
[global]
ak = other
[basic]
ak = AK
sk = {CANARY}
project_id = p1
iam_endpoint = https://iam.example.com
"""


def test_the_credentials_file_of_the_sdk(tmp_path: Path) -> None:
    """Regional services take the section [basic]."""
    file = tmp_path / "credentials"
    file.write_text(GOOD_PROFILE)
    found = read_profile(file)
    assert found.credential == SigningKey(AccessKey("AK", CANARY))
    assert (found.project_id, found.iam_endpoint) == ("p1", "https://iam.example.com")
    file.write_text(GOOD_PROFILE.replace("ak = AK", "ak = AK%\nsecurity_token = T"))
    key = read_profile(file).credential.key
    assert (key.access, key.security_token) == ("AK%", "T")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "no section [basic]"),
        (b"[global]\nak=x\nsk=y", "no section [basic]"),
        (f"[basic]\nsk={CANARY}".encode(), "access key"),
        (b"[basic]\nak=AK", "secret key"),
        (f"sk = {CANARY}".encode(), "INI form"),
        (f"[basic]\nak=1\nak={CANARY}".encode(), "INI form"),
        (f"[basic]\n{CANARY}".encode(), "INI form"),
        (CANARY.encode() + b"\xff", "not UTF-8 text"),
        (f"[basic]\nak=A\nsk=S\nsecurity_token=a\n {CANARY}".encode(), "no security"),
        (f"[basic]\nak=AK\nsk={CANARY} {CANARY}".encode(), "no secret key has"),
    ],
)
def test_bad_credentials_files(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    """The error names the file and what is missing, and never a line of it."""
    file = tmp_path / "credentials"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_profile(file)
    assert said in caught.value.message
    assert str(file) in caught.value.message
    assert caught.value.hint
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert CANARY not in shown


def test_no_secret_in_any_rendering(tmp_path: Path) -> None:
    """Neither repr nor str of credentials or sources shows a secret."""
    file = tmp_path / "token"
    file.write_text(CANARY)
    key = SigningKey(AccessKey("AK", CANARY, CANARY))
    password = Password("domain", "user", CANARY)
    sources = (
        Given(Token(CANARY)),
        Given(key),
        InFile(file, read_token),
        Login("https://iam.example.com", password, Scope("p")),
        Issued(key),
        Reply(201, kept=(CANARY,)),
    )
    for source in sources:
        assert CANARY not in f"{source!r} {source} {[source]}"


def test_a_directory_is_no_token_file(tmp_path: Path) -> None:
    """What cannot be read is a usage error that names the path."""
    with pytest.raises(UsageError, match="Is a directory"):
        InFile(tmp_path, read_token)
