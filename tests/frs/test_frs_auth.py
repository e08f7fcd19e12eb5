"""Tokens: where they come from, how they are renewed, and that they never show."""

import asyncio
import traceback
from pathlib import Path

import pytest

from batch_updater.errors import UsageError
from batch_updater.frs.auth import FixedToken, TokenFile, check_token, read_token

CANARY = "MIIEcanary0123456789"


async def test_a_fixed_token_is_never_renewed() -> None:
    """A token of the environment is all there is."""
    auth = FixedToken(f" {CANARY}\n")
    assert auth.headers() == {"X-Auth-Token": CANARY}
    assert not await auth.renew(0)
    assert auth.version == 0


async def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    """Another token in the file is a renewal; the same one is none."""
    file = tmp_path / "token"
    file.write_text("first\n")
    auth = TokenFile(file)
    assert not await auth.renew(0)
    assert auth.version == 0
    file.write_text("second\n")
    assert auth.headers() == {"X-Auth-Token": "first"}
    assert await auth.renew(0)
    assert (auth.version, auth.headers()) == (1, {"X-Auth-Token": "second"})


async def test_many_stale_refusals_renew_once(tmp_path: Path) -> None:
    """Refusals of the old token that arrive late do not spend the new one."""
    file = tmp_path / "token"
    file.write_text("first")
    auth = TokenFile(file)
    file.write_text("second")
    async with asyncio.TaskGroup() as group:
        renewals = [group.create_task(auth.renew(0)) for _ in range(50)]
    assert all(renewal.result() for renewal in renewals)
    assert auth.version == 1
    assert not await auth.renew(1)


@pytest.mark.parametrize("content", [b"", b"  \n", b"a b", b"\xff", "密".encode()])
async def test_a_spoiled_token_file_is_no_renewal(
    tmp_path: Path, content: bytes
) -> None:
    """When the file no longer holds a token, the old one stays."""
    file = tmp_path / "token"
    file.write_text("first")
    auth = TokenFile(file)
    file.write_bytes(content)
    assert not await auth.renew(0)
    file.unlink()
    assert not await auth.renew(0)
    assert auth.headers() == {"X-Auth-Token": "first"}


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
def test_bad_tokens_of_the_environment(text: str) -> None:
    """A token that could smuggle a header in, or is none, is refused unseen."""
    with pytest.raises(UsageError) as caught:
        check_token(text, "the environment")
    assert CANARY not in repr(caught.value) + caught.value.message


def test_no_secret_in_any_rendering(tmp_path: Path) -> None:
    """Neither repr nor str of credentials shows the token."""
    file = tmp_path / "token"
    file.write_text(CANARY)
    for auth in (FixedToken(CANARY), TokenFile(file)):
        assert CANARY not in f"{auth!r} {auth} {[auth]}"


def test_a_directory_is_no_token_file(tmp_path: Path) -> None:
    """What cannot be read is a usage error that names the path."""
    with pytest.raises(UsageError, match="Is a directory"):
        TokenFile(tmp_path)
