"""IAM and the metadata service: what is asked, and what every kind of answer means."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from yarl import URL

from batch_updater.errors import RunRefused, UsageError
from batch_updater.frs.credentials import Password, SigningKey, Token
from batch_updater.frs.iam import Scope, find_project, log_in
from batch_updater.frs.metadata import fetch_key
from batch_updater.frs.sending import BODY_LIMIT, TryAgain
from batch_updater.frs.signing import AccessKey
from batch_updater.models import Reply

CANARY = "canary-Pa55word"
IAM = "https://iam.cn-north-4.myhuaweicloud.com"
WHO = Password("company", "robot", CANARY)
BY_REGION = Scope(region="cn-north-4")


class Wire:
    """A network that answers as planned and remembers what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, str, Mapping[str, str], bytes | None]] = []

    async def __call__(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        keep: Sequence[str] = (),
        limit: int = BODY_LIMIT,
    ) -> Reply:
        self.asked.append((method, str(url), headers, body))
        return self.replies.pop(0)


def reply(status: int | None, content: object, **more: Any) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status, body, **more)


TOKEN = {
    "token": {
        "expires_at": "2026-01-03T03:04:05.000000Z",
        "issued_at": "2026-01-02T03:04:05.000000Z",
        "project": {"id": "p1", "name": "cn-north-4"},
    }
}


async def test_a_token_for_a_password() -> None:
    """The request is the documented one; life and project are what IAM says."""
    wire = Wire(reply(201, TOKEN, kept=("MII-token",)))
    issued = await log_in(wire, IAM, WHO, BY_REGION)
    assert issued.credential == Token("MII-token")
    assert (issued.life, issued.project_id) == (86400.0, "p1")
    [(method, url, headers, body)] = wire.asked
    assert (method, url) == ("POST", f"{IAM}/v3/auth/tokens?nocatalog=true")
    assert headers["Content-Type"].startswith("application/json")
    assert json.loads(body or b"") == {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {
                        "domain": {"name": "company"},
                        "name": "robot",
                        "password": CANARY,
                    }
                },
            },
            "scope": {"project": {"name": "cn-north-4"}},
        }
    }


async def test_a_project_that_is_known_is_the_scope() -> None:
    """Its id says more than the region's name, which may hold several projects."""
    wire = Wire(reply(201, TOKEN, kept=("t",)))
    await log_in(wire, IAM, WHO, Scope("p9", "cn-north-4"))
    [(_, _, _, body)] = wire.asked
    assert json.loads(body or b"")["auth"]["scope"] == {"project": {"id": "p9"}}


NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("token", "date", "life"),
    [
        ({"expires_at": "2026-01-02T13:00:00Z"}, NOON, 3600.0),
        ({"expires_at": "2026-01-02T13:00:00"}, NOON, 3600.0),
        ({"expires_at": "2026-01-02T13:00:00Z"}, None, None),
        ({"expires_at": "tomorrow"}, NOON, None),
        ({"expires_at": None, "project": None}, NOON, None),
        ({}, NOON, None),
    ],
)
async def test_the_life_of_a_token_is_by_iam_s_clock(
    token: dict[str, object], date: datetime | None, life: float | None
) -> None:
    """Our own clock has no say in it; what cannot be told is not guessed."""
    said = format_datetime(date, usegmt=True) if date else ""
    wire = Wire(reply(201, {"token": token}, kept=("t",), date=said))
    assert (await log_in(wire, IAM, WHO, BY_REGION)).life == life


def nested(code: int, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "title": "Unauthorized"}}


@pytest.mark.parametrize(
    ("status", "content", "said", "hint"),
    [
        (401, nested(401, "The username or password is wrong."), "wrong", "_PASSWORD"),
        (401, {"error_code": "IAM.0062", "error_msg": "x"}, "IAM.0062", "_PASSWORD"),
        (401, {"error_code": "IAM.0061", "error_msg": "x"}, "locked", "unlock"),
        (
            403,
            {"error_code": "IAM.0082", "error_msg": "x"},
            "IAM.0082",
            "administrator",
        ),
        (400, nested(400, "The request body is invalid"), "IAM.400", "account"),
        (404, nested(404, "No such project"), "IAM.404", "--project-id"),
        (404, b"<html>Not here</html>", "HTTP.404", "_DOMAIN"),
        (302, b"", "HTTP.302", ""),
        (200, TOKEN, "HTTP.200", ""),
        (407, b"<html>proxy</html>", "HTTP.407", ""),
    ],
)
async def test_a_refused_login(
    status: int, content: object, said: str, hint: str
) -> None:
    """IAM's no ends the run with its own code, and says once what to check."""
    with pytest.raises(RunRefused) as caught:
        await log_in(Wire(reply(status, content)), IAM, WHO, BY_REGION)
    assert said in caught.value.message
    assert IAM in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.hint.lower().count("check") <= 1
    assert caught.value.hint.count("HUAWEI ID") <= 1
    assert CANARY not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (reply(429, {"error_code": "IAM.0012", "error_msg": "10 times"}), None),
        (reply(429, b"slow down", retry_after=7.0), 7.0),
        (reply(500, {"error_code": "IAM.0006", "error_msg": "x"}), None),
        (reply(503, b"<html>"), None),
        (reply(None, b"", error="timeout", detail="no answer"), None),
        (reply(None, b"", error="dns", detail="no address"), None),
    ],
)
async def test_a_bad_moment_of_iam(answer: Reply, wait: float | None) -> None:
    """What may be better later is told apart from what will not."""
    with pytest.raises(TryAgain) as caught:
        await log_in(Wire(answer), IAM, WHO, BY_REGION)
    assert caught.value.retry_after == wait
    assert IAM in caught.value.message


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"token"', b'"x"', b'{"token": 5}'])
async def test_a_success_that_is_none(content: bytes) -> None:
    """201 with something else comes from somebody else: which setting is named."""
    with pytest.raises(RunRefused, match="something else") as caught:
        await log_in(Wire(reply(201, content, kept=("t",))), IAM, WHO, BY_REGION)
    assert "--iam-endpoint" in caught.value.hint


async def test_a_success_without_a_token() -> None:
    """A body without the header that holds the token is no success."""
    with pytest.raises(RunRefused, match="something else"):
        await log_in(Wire(reply(201, TOKEN, kept=("",))), IAM, WHO, BY_REGION)


KEY = SigningKey(AccessKey("AK", CANARY))


async def test_the_project_of_a_region() -> None:
    """It is looked up by the region's name, with a signature."""
    wire = Wire(reply(200, {"projects": [{"id": "p1", "name": "cn-north-4"}]}))
    assert await find_project(wire, IAM, KEY, "cn-north-4") == "p1"
    [(method, url, headers, _)] = wire.asked
    assert (method, url) == ("GET", f"{IAM}/v3/projects?name=cn-north-4")
    assert headers["Authorization"].startswith("SDK-HMAC-SHA256 Access=AK")
    assert "X-Project-Id" not in headers


@pytest.mark.parametrize(
    ("projects", "known"), [([], "none"), ([{"id": "a"}, {"id": "b"}], "a, b")]
)
async def test_no_project_or_several(projects: list[object], known: str) -> None:
    """Nothing is guessed: the ids are listed, and the flag that decides is named."""
    wire = Wire(reply(200, {"projects": projects}))
    with pytest.raises(UsageError, match=known) as caught:
        await find_project(wire, IAM, KEY, "cn-north-4")
    assert "--project-id" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "content"),
    [(401, b"{}"), (403, {"error_code": "IAM.0003", "error_msg": "x"}), (200, b"[]")],
)
async def test_a_project_that_may_not_be_looked_up(
    status: int, content: object
) -> None:
    """Without the right to ask, the flag that makes asking needless is named."""
    with pytest.raises(RunRefused) as caught:
        await find_project(Wire(reply(status, content)), IAM, KEY, "cn-north-4")
    assert "--project-id" in caught.value.hint or "--iam-endpoint" in caught.value.hint


METADATA = "http://169.254.169.254"
GIVEN = {
    "credential": {
        "access": "AK",
        "secret": CANARY,
        "securitytoken": "TOK",
        "expires_at": "2026-01-02T13:00:00.000000Z",
    }
}
NOON_HEADER = format_datetime(NOON, usegmt=True)


async def test_the_machine_s_own_keys() -> None:
    """A session is opened first; the key's life is by the service's own clock."""
    wire = Wire(reply(200, b"SESSION\n"), reply(200, GIVEN, date=NOON_HEADER))
    issued = await fetch_key(wire, METADATA)
    assert issued.credential == SigningKey(AccessKey("AK", CANARY, "TOK"))
    assert issued.life == timedelta(hours=1).total_seconds() - 1, "Date is cut"
    (put, _, ttl, _), (get, url, headers, _) = wire.asked
    assert (put, get) == ("PUT", "GET")
    assert ttl == {"X-Metadata-Token-Ttl-Seconds": "21600"}
    assert url == f"{METADATA}/openstack/latest/securitykey"
    assert headers == {"X-Metadata-Token": "SESSION"}


@pytest.mark.parametrize("status", [404, 405, 503])
async def test_an_old_metadata_service_knows_no_sessions(status: int) -> None:
    """Then the key is asked for without one."""
    wire = Wire(reply(status, b""), reply(200, GIVEN))
    issued = await fetch_key(wire, METADATA)
    assert issued.life is None
    assert wire.asked[1][2] == {}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(401, b"Please configure Cloud Service Agency first."), "no agency"),
        (reply(401, b"who are you"), "HTTP.401"),
        (reply(None, b"", error="connect", detail="no route"), "no route"),
        (reply(None, b"", error="timeout", detail="no answer"), "no answer"),
        (reply(200, b"<html>"), "gave no key"),
        (reply(200, b'{"credential": [1]}'), "gave no key"),
        (reply(200, {"credential": {"access": CANARY}}), "gave no key"),
    ],
)
async def test_a_machine_without_keys(answer: Reply, said: str) -> None:
    """Each way to have none is told, and that there are other ways to sign in."""
    with pytest.raises(RunRefused) as caught:
        await fetch_key(Wire(reply(404, b""), answer), METADATA)
    assert said in caught.value.message
    assert "--auth" in caught.value.hint
    assert CANARY not in caught.value.message + caught.value.hint


async def test_a_metadata_service_that_is_silent() -> None:
    """Off the cloud nobody answers, and nobody waits for that as for FRS."""

    async def silence(*request: object, **more: object) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(RunRefused, match=r"no answer within 0\.01 s"):
        await fetch_key(silence, METADATA, patience=0.01)


@pytest.mark.parametrize("token", ["abc\x1b[2J", "a b", "abc\udcff", "中", "a\tb"])
async def test_a_token_that_no_header_takes(token: str) -> None:
    """It could not be sent, so it is no token: refused at once, and not shown."""
    wire = Wire(reply(201, TOKEN, kept=(token,)))
    with pytest.raises(RunRefused, match="something else") as caught:
        await log_in(wire, IAM, WHO, BY_REGION)
    assert token not in caught.value.message


@pytest.mark.parametrize("project", ["p\n1", "p" * 100_000, ["p"], {}, 7, None, "é"])
async def test_a_project_that_is_none(project: object) -> None:
    """What can be no project's id is not taken for one."""
    told = {"token": {"project": {"id": project}}}
    issued = await log_in(Wire(reply(201, told, kept=("t",))), IAM, WHO, BY_REGION)
    assert issued.project_id == ""
    listed = reply(200, {"projects": [{"id": project}]})
    with pytest.raises(UsageError, match="none"):
        await find_project(Wire(listed), IAM, Token("t"), "cn-north-4")


@pytest.mark.parametrize("part", ["access", "secret", "securitytoken"])
@pytest.mark.parametrize("value", [None, 5, "", "a\nb", "é", ["x"]])
async def test_a_machine_s_key_that_is_none(part: str, value: object) -> None:
    """A key that could not sign is no key."""
    parts = {"access": "a", "secret": "s", "securitytoken": "t", part: value}
    wire = Wire(reply(200, b"session"), reply(200, {"credential": parts}))
    with pytest.raises(RunRefused, match="gave no key"):
        await fetch_key(wire, "http://169.254.169.254")


async def test_a_metadata_session_that_is_none() -> None:
    """A page instead of a session's token is not sent back."""
    with pytest.raises(RunRefused, match="gave no session"):
        await fetch_key(Wire(reply(200, b"<a\nb>")), "http://169.254.169.254")
