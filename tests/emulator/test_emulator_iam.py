"""IAM over the wire: tokens for a password, their end, projects, the locks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from batch_updater.emulator import Emulator, EmulatorSettings, Fault

NOW = datetime(2026, 1, 2, 3, 4, 5, 701000, tzinfo=UTC)
PASSWORD = "emulator-password"
WRONG = "The user name or the password is wrong."


class Clock:
    """A wall clock that moves when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


class Desk:
    """An emulator, its clock, and a client of it."""

    def __init__(self, emulator: Emulator, clock: Clock, client: ClientSession) -> None:
        self.emulator, self.clock, self.client = emulator, clock, client

    async def ask(self, content: object) -> tuple[int, Any, Mapping[str, str]]:
        """Ask for a token; return status, content and headers."""
        async with self.client.post(
            "/v3/auth/tokens?nocatalog=true", json=content
        ) as reply:
            return reply.status, await reply.json(), reply.headers

    async def token(self, **scope: str) -> str:
        """Return a new token."""
        _, _, headers = await self.ask(login(**scope))
        return headers["X-Subject-Token"]

    async def use(self, token: str, project_id: str = "") -> tuple[int, str]:
        """List the face sets with a token; return status and error code."""
        path = f"/v2/{project_id or self.emulator.project_id}/face-sets"
        async with self.client.get(path, headers={"X-Auth-Token": token}) as reply:
            return reply.status, (await reply.json()).get("error_code", "")

    async def projects(self, query: str = "", **headers: str) -> tuple[int, Any]:
        """List the projects."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.get(f"/v3/projects{query}", headers=named) as reply:
            return reply.status, await reply.json()


def login(
    password: str = PASSWORD,
    domain: str = "emulator-domain",
    user: str = "emulator-user",
    **scope: str,
) -> dict[str, Any]:
    """Return the body of a token request."""
    who = {"domain": {"name": domain}, "name": user, "password": password}
    identity = {"methods": ["password"], "password": {"user": who}}
    project = scope or {"name": "cn-north-4"}
    return {"auth": {"identity": identity, "scope": {"project": project}}}


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[Desk]:
    """Start an emulator whose clock stands still."""
    clock = Clock()
    async with (
        Emulator(EmulatorSettings(**settings), now=clock) as emulator,
        ClientSession(emulator.url) as client,
    ):
        yield Desk(emulator, clock, client)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """An emulator with a second project."""
    async with opened(projects={"cn-east-3": "p2"}) as made:
        yield made


async def test_token(desk: Desk) -> None:
    """A right password gets 201, a long token in a header and its facts in the body."""
    status, content, headers = await desk.ask(login())
    told = content["token"]
    assert status == 201
    assert len(headers["X-Subject-Token"]) > 2000
    assert told["issued_at"] == "2026-01-02T03:04:05.701000Z"
    assert told["expires_at"] == "2026-01-03T03:04:05.701000Z"
    assert told["project"]["id"] == desk.emulator.project_id
    assert told["project"]["name"] == "cn-north-4"
    assert told["user"]["name"] == "emulator-user"
    assert told["user"]["domain"] == told["project"]["domain"]
    assert len(headers["X-IAM-Trace-Id"]) == 32
    assert await desk.use(headers["X-Subject-Token"]) == (200, "")


async def test_scope(desk: Desk) -> None:
    """A token is good for its own project alone, named by name or id."""
    first = await desk.token(id=desk.emulator.project_id)
    second = await desk.token(name="cn-east-3")
    assert await desk.use(first) == (200, "")
    assert await desk.use(first, "p2") == (403, "FRS.0028")
    assert await desk.use(second, "p2") == (200, "")
    assert await desk.use(second) == (403, "FRS.0028")


async def test_tokens_live_side_by_side(desk: Desk) -> None:
    """A new token does not end the one before, nor the fixed one."""
    tokens = [await desk.token() for _ in range(3)]
    for token in (*tokens, desk.emulator.token):
        assert await desk.use(token) == (200, "")
    assert desk.emulator.tokens_issued == 3


@pytest.mark.parametrize(
    ("code", "status"), [("APIGW.0307", 401), ("APIGW.0301", 401), ("FRS.0002", 403)]
)
async def test_expiry(code: str, status: int) -> None:
    """After its life a token gets the code of the switch; the fixed one has no end."""
    async with opened(token_life=60.0, expired_code=code) as desk:
        token = await desk.token()
        desk.clock.now += timedelta(seconds=59)
        assert await desk.use(token) == (200, "")
        desk.clock.now += timedelta(seconds=1)
        assert await desk.use(token) == (status, code)
        assert await desk.use(desk.emulator.token) == (200, "")


async def test_revoked(desk: Desk) -> None:
    """One token can be revoked and let in again, or all that IAM issued."""
    first, second = await desk.token(), await desk.token()
    desk.emulator.revoke(first)
    assert await desk.use(first) == (401, "APIGW.0307")
    assert await desk.use(second) == (200, "")
    desk.emulator.revoke(first, revoked=False)
    assert await desk.use(first) == (200, "")
    assert desk.emulator.revoke_issued() == 2
    assert await desk.use(second) == (401, "APIGW.0307")
    assert await desk.use(desk.emulator.token) == (200, "")
    with pytest.raises(KeyError, match="unknown"):
        desk.emulator.revoke("nobody's")


async def test_revoked_through_the_door(desk: Desk) -> None:
    """POST /_emulator/revoke ends one token, or all that IAM issued."""
    tokens = [await desk.token() for _ in range(3)]
    door = "/_emulator/revoke"
    async with desk.client.post(door, json={"token": tokens[0]}) as reply:
        assert await reply.json() == {"revoked": 1}
    assert await desk.use(tokens[0]) == (401, "APIGW.0307")
    async with desk.client.post(door, json={}) as reply:
        assert await reply.json() == {"revoked": 2}
    assert await desk.use(tokens[1]) == (401, "APIGW.0307")
    for wrong, status in (({"token": "nobody's"}, 404), ({"token": 1}, 400)):
        async with desk.client.post(door, json=wrong) as reply:
            assert reply.status == status


@pytest.mark.parametrize("part", ["password", "domain", "user"])
async def test_wrong_password(desk: Desk, part: str) -> None:
    """A wrong password, domain or user is told in the nested envelope."""
    status, content, headers = await desk.ask(login(**{part: "wrong"}))
    assert status == 401
    error = {"code": 401, "message": WRONG, "title": "Unauthorized"}
    assert content == {"error": error}
    assert "X-IAM-Trace-Id" in headers


async def test_coded_errors() -> None:
    """The switch tells the same in the envelope of the other IAM calls."""
    async with opened(iam_errors="coded") as desk:
        status, content, _ = await desk.ask(login("wrong"))
        assert (status, content["error_code"]) == (401, "IAM.0062")
        status, content, _ = await desk.ask(login(name="mars-1"))
        assert (status, content["error_code"]) == (404, "IAM.0004")


async def test_locked_account(desk: Desk) -> None:
    """Five wrong passwords in a row lock the account for a quarter of an hour."""
    for _ in range(5):
        assert (await desk.ask(login("wrong")))[0] == 401
    status, content, _ = await desk.ask(login())
    assert (status, content["error_code"]) == (401, "IAM.0061")
    desk.clock.now += timedelta(minutes=15)
    assert (await desk.ask(login()))[0] == 201


async def test_success_resets_the_count(desk: Desk) -> None:
    """A right password forgets the wrong ones, and strangers lock nobody."""
    for _ in range(3):
        for _ in range(4):
            await desk.ask(login("wrong"))
        assert (await desk.ask(login()))[0] == 201
    for _ in range(9):
        await desk.ask(login(user="stranger"))
    assert (await desk.ask(login()))[0] == 201


UNSCOPED = {"auth": {"identity": login()["auth"]["identity"]}}
NO_METHOD = {"auth": {**login()["auth"], "identity": {"methods": ["token"]}}}


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (UNSCOPED, "auth.scope.project is missing"),
        (NO_METHOD, "auth.identity.methods must be"),
        (login(name=""), "auth.scope.project.name must be"),
        (login(password=""), "auth.identity.password.user.password must be"),
        ({}, "auth.identity.methods must be"),
        ([], "the body is not a JSON object"),
    ],
)
async def test_malformed(desk: Desk, content: object, phrase: str) -> None:
    """A body that is wrong gets 400 and says where; no password is tried."""
    status, told, _ = await desk.ask(content)
    assert (status, told["error"]["code"]) == (400, 400)
    assert phrase in told["error"]["message"]


async def test_not_json(desk: Desk) -> None:
    """A body that is no JSON, or too long, gets 400."""
    for data in (b"{", b"", b"\xff", b"[" * 60_000, b" " * 70_000):
        async with desk.client.post("/v3/auth/tokens", data=data) as reply:
            assert reply.status == 400


async def test_throttled() -> None:
    """Beyond the calls a second IAM says 429 IAM.0012 and its threshold."""
    settings = EmulatorSettings(iam_qps=2)
    async with (
        Emulator(settings, clock=lambda: 0.0) as emulator,
        ClientSession(emulator.url) as client,
    ):
        desk = Desk(emulator, Clock(), client)
        replies = [await desk.ask(login()) for _ in range(3)]
        assert [status for status, _, _ in replies] == [201, 201, 429]
        assert replies[2][1] == {
            "error_code": "IAM.0012",
            "error_msg": "Threshold: 2 times per 1 seconds.",
        }
        emulator.reset()
        assert (await desk.ask(login()))[0] == 201


async def test_projects(desk: Desk) -> None:
    """A token lists its own project, found by name."""
    token = await desk.token()
    mine = {"id": desk.emulator.project_id, "name": "cn-north-4"}
    found = await desk.projects(X_Auth_Token=token)
    assert found == (200, {"projects": [mine]})
    assert await desk.projects("?name=cn-north-4", X_Auth_Token=token) == found
    empty = await desk.projects("?name=cn-east-3", X_Auth_Token=token)
    assert empty == (200, {"projects": []})


async def test_projects_refused(desk: Desk) -> None:
    """Without a token, with one that ended or is foreign, IAM has its own codes."""
    token = await desk.token()
    desk.emulator.revoke(token)
    for given, code in (("", "0001"), (token, "0066"), ("foreign", "0067")):
        status, content = await desk.projects(X_Auth_Token=given)
        assert (status, content["error_code"]) == (401, f"IAM.{code}")
    status, content = await desk.projects(Authorization="Basic abc")
    assert (status, content["error_code"]) == (401, "APIGW.0301")


@pytest.mark.parametrize("path", ["/v3/auth/nothing", "/v3/auth/tokens"])
async def test_no_such_call(desk: Desk, path: str) -> None:
    """A path or method IAM does not have gets 404 IAM.0004."""
    async with desk.client.get(path) as reply:
        assert (reply.status, (await reply.json())["error_code"]) == (404, "IAM.0004")


async def test_no_frs_calls(desk: Desk) -> None:
    """IAM calls use no FRS quota and stand in an account of their own."""
    token = await desk.token()
    for _ in range(20):
        await desk.projects(X_Auth_Token=token)
    witness = desk.emulator.witness
    assert witness.identity == {"CreateToken": 1, "ListProjects": 20}
    assert (witness.requests, witness.worst_second(), witness.by_status) == (0, 0, {})
    async with desk.client.get("/_emulator/witness") as reply:
        content = await reply.json()
    assert content["identity"] == {"CreateToken": 1, "ListProjects": 20}
    assert content["tokens_issued"] == 1
    desk.emulator.reset()
    assert witness.identity == {}
    assert await desk.use(token) == (200, "")


async def test_faults(desk: Desk) -> None:
    """A script reaches IAM by the names of its calls; a fault issues no token."""
    desk.emulator.script(
        [
            Fault(
                name="busy", action="respond", operation="CreateToken", code="IAM.0012"
            ),
            Fault(
                name="html",
                action="respond",
                operation="CreateToken",
                status=502,
                body="<html>",
            ),
            Fault(name="slow", action="delay", operation="CreateToken", seconds=0.001),
        ]
    )
    status, content, headers = await desk.ask(login())
    assert (status, content["error_code"]) == (429, "IAM.0012")
    assert "X-IAM-Trace-Id" in headers
    async with desk.client.post("/v3/auth/tokens", json=login()) as reply:
        assert (reply.status, await reply.text()) == (502, "<html>")
    assert desk.emulator.tokens_issued == 0
    assert (await desk.ask(login()))[0] == 201
    assert desk.emulator.tokens_issued == 1
    assert [tally.fired for tally in desk.emulator.faults] == [1, 1, 1]
