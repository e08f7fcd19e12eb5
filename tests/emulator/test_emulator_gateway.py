"""The gateway: its quota, second projects, https, and a clock that is off."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path

import pytest
import trustme
from aiohttp import ClientResponse, ClientSession, TCPConnector
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from batch_updater.emulator import Emulator, EmulatorSettings, Fault
from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.gateway.gate import check_project
from batch_updater.emulator.gateway.identity import Caller
from batch_updater.emulator.gateway.quota import GatewayQuota
from batch_updater.emulator.gateway.signature import Arrived, canonical_request, sign
from batch_updater.emulator.settings import CallLimit
from batch_updater.emulator.tls import TlsError, server_context

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLOCK = "20260102T030405Z"


@asynccontextmanager
async def opened(
    settings: EmulatorSettings,
) -> AsyncIterator[tuple[Emulator, ClientSession]]:
    """Start an emulator whose clocks stand still."""
    async with (
        Emulator(settings, clock=lambda: 0.0, now=lambda: NOW) as emulator,
        ClientSession(emulator.url) as client,
    ):
        yield emulator, client


async def listed(
    emulator: Emulator, client: ClientSession, tail: str = "", **headers: str
) -> ClientResponse:
    """List the face sets with the token, or as the headers say."""
    path = f"/v2/{emulator.project_id}/face-sets{tail}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.get(path, headers=named or {"X-Auth-Token": emulator.token})


def signature_of(emulator: Emulator, **extra: str) -> dict[str, str]:
    """Return the headers that sign a listing of the face sets."""
    signed = {"x-sdk-date": CLOCK, **{k.replace("_", "-"): v for k, v in extra.items()}}
    path = f"/v2/{emulator.project_id}/face-sets"
    names = tuple(sorted(signed))
    text = canonical_request(Arrived("GET", path, "", signed), names)
    made = sign("emulator-sk", signed["x-sdk-date"], text)
    signed["Authorization"] = (
        "SDK-HMAC-SHA256 Access=emulator-ak, "
        f"SignedHeaders={';'.join(names)}, Signature={made}"
    )
    return signed


async def test_gateway_quota() -> None:
    """Beyond the gateway's quota comes APIGW.0308, with limit and time in words."""
    settings = EmulatorSettings(gateway_quota=CallLimit(2, 60))
    async with opened(settings) as (emulator, client):
        replies = [await listed(emulator, client) for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        content = await replies[2].json()
        assert content["error_code"] == "APIGW.0308"
        assert content["error_msg"] == (
            "The throttling threshold has been reached: "
            "policy user over ratelimit,limit:2,time:1 minute"
        )
        assert content["request_id"] == replies[2].headers["X-Request-Id"]
        assert (await listed(emulator, client, "/nobody")).status == 400
        assert "X-ratelimit" not in replies[0].headers
        emulator.reset()
        assert (await listed(emulator, client)).status == 200


async def test_ratelimit_headers() -> None:
    """By switch every answer tells the limit, what is left, and the window."""
    limit = CallLimit(2, 3600)
    settings = EmulatorSettings(gateway_quota=limit, ratelimit_headers=True, qps=1)
    async with opened(settings) as (emulator, client):
        replies = [await listed(emulator, client) for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 429, 429]
        for reply, left in zip(replies, "100", strict=True):
            assert reply.headers["X-ratelimit"] == "2"
            assert reply.headers["X-ratelimit-used"] == left
            assert reply.headers["X-ratelimit-window"] == "hour"
        codes = [(await reply.json()).get("error_code") for reply in replies]
        assert codes == [None, "FRS.0033", "APIGW.0308"]


def test_gateway_windows() -> None:
    """Each user and API has a window; refused calls count when the switch says so."""
    quota = GatewayQuota(CallLimit(1, 10))
    calls = [("a", "UpdateFace"), ("b", "UpdateFace"), ("a", "ShowFaceSet")]
    assert all(quota.admit(*call, 0.0).admitted for call in calls)
    assert not quota.admit("a", "UpdateFace", 9.9).admitted
    assert quota.admit("a", "UpdateFace", 10.0).admitted
    counting = GatewayQuota(CallLimit(1, 10), count_refused=True)
    times = (0.0, 9.0, 18.0)
    assert [counting.admit("a", "b", at).admitted for at in times] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("seconds", "window"),
    [(1, "1 second"), (90, "90 second"), (120, "2 minute"), (86_400, "1 day")],
)
def test_window_in_words(seconds: int, window: str) -> None:
    """A window is told in the largest unit that divides it."""
    assert CallLimit(5, seconds).window == window


def test_projects_of_a_caller() -> None:
    """A project that is not the caller's, or a second one in a header, is FRS.0028."""
    caller = Caller("someone", frozenset(("p1", "p2")))
    check_project(caller, "p1")
    check_project(caller, "p2", "p2")
    for project_id, header in (("p3", None), ("p1", "p2"), ("p3", "p3")):
        with pytest.raises(Refusal, match=r"FRS\.0028"):
            check_project(caller, project_id, header)


async def test_signed_project_header() -> None:
    """X-Project-Id must be the project of the URL, when the request is signed."""
    async with opened(EmulatorSettings(projects={"other": "p2"})) as (emulator, client):
        right = signature_of(emulator, x_project_id=emulator.project_id)
        assert (await listed(emulator, client, **right)).status == 200
        wrong = signature_of(emulator, x_project_id="p2")
        reply = await listed(emulator, client, **wrong)
        assert (reply.status, (await reply.json())["error_code"]) == (403, "FRS.0028")
        token = {"X_Auth_Token": emulator.token, "X_Project_Id": "p2"}
        assert (await listed(emulator, client, **token)).status == 200


async def test_signed_body_too_large() -> None:
    """A signed body beyond the gateway's limit gets 413 and is not read to its end."""
    async with opened(EmulatorSettings()) as (emulator, client):
        path = f"/v2/{emulator.project_id}/face-sets/people/faces"
        headers = {**signature_of(emulator), "Content-Type": "application/json"}
        data = BytesIO(b" " * 12_000_001)
        async with client.put(path, data=data, headers=headers) as reply:
            assert reply.status == 413
            assert (await reply.json())["error_code"] == "APIGW.0201"


async def test_clock_offset() -> None:
    """A clock that is off shows in the Date header, and judges signatures by it."""
    async with opened(EmulatorSettings(clock_offset=1200.0)) as (emulator, client):
        reply = await listed(emulator, client, **signature_of(emulator))
        assert reply.status == 401
        assert "signature expired" in (await reply.json())["error_msg"]
        there = parsedate_to_datetime(reply.headers["Date"])
        assert (there - NOW).total_seconds() == 1200
        shifted = signature_of(emulator, x_sdk_date="20260102T032405Z")
        assert (await listed(emulator, client, **shifted)).status == 200


async def test_broken_http(logged: list[logging.LogRecord]) -> None:
    """A client that speaks no proper HTTP gets 400, and leaves no traceback."""
    async with opened(EmulatorSettings()) as (emulator, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Bad: \0\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.0 400 ")
        writer.close()
    assert logged == []


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path, ssl.SSLContext]:
    """A certificate for loopback, its key, and a client that trusts it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return cert, key, trusting


async def test_https(pair: tuple[Path, Path, ssl.SSLContext]) -> None:
    """With a certificate it speaks https, and breaks connections there as well."""
    cert, key, trusting = pair
    settings = EmulatorSettings(tls_cert=cert, tls_key=key)
    async with (
        Emulator(settings) as emulator,
        ClientSession(
            emulator.url, connector=TCPConnector(ssl=trusting, force_close=True)
        ) as client,
    ):
        assert emulator.url.startswith("https://127.0.0.1:")
        assert (await listed(emulator, client)).status == 200
        emulator.script(
            [Fault(name="a", action="reset", operation="ShowAllFaceSets", times=0)]
        )
        with pytest.raises(OSError, match="reset"):
            await listed(emulator, client)
        async with ClientSession(emulator.url) as stranger:
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                await listed(emulator, stranger)


def test_bad_certificates(
    pair: tuple[Path, Path, ssl.SSLContext], tmp_path: Path
) -> None:
    """What cannot be used as a certificate or key is refused by name."""
    cert, key, _ = pair
    other, locked = tmp_path / "other.pem", tmp_path / "locked.pem"
    other.write_bytes(trustme.CA().issue_cert("x").private_key_pem.bytes())
    loaded = load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        loaded.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"abcdef")
        )
    )
    for first, second, problem in (
        (tmp_path / "none", key, "certificate .*none: No such file"),
        (cert, tmp_path, "key .*: Is a directory"),
        (key, key, "TLS certificate .*key.pem with key"),
        (cert, other, "KEY_VALUES_MISMATCH"),
        (cert, locked, "has a passphrase"),
    ):
        with pytest.raises(TlsError, match=problem):
            server_context(first, second)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"tls_cert": Path("c")}, "certificate and its key belong together"),
        ({"ratelimit_headers": True}, "ratelimit_headers tell of a gateway_quota"),
        ({"projects": {"cn-north-4": "p"}}, "projects must not name cn-north-4"),
        ({"iam_qps": 0}, "iam_qps must be at least 1"),
        ({"token_life": 0.0}, "token_life must be above nought"),
        ({"metadata_key_life": 1e12}, "metadata_key_life must be .* ten years at most"),
        ({"clock_offset": -1e12}, "clock_offset must be ten years at most"),
        ({"clock_offset": float("nan")}, "clock_offset must be ten years at most"),
        ({"metadata": "off"}, "metadata must be one of"),
    ],
)
def test_settings(wrong: dict[str, object], problem: str) -> None:
    """Settings that make no sense together are refused by name."""
    with pytest.raises(ValueError, match=problem):
        EmulatorSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="gateway_quota must be at least"):
        CallLimit(0, 1)


def test_settings_show_no_secret() -> None:
    """The repr of settings shows no token, secret key or password."""
    shown = repr(EmulatorSettings(token="canary", sk="canary", iam_password="canary"))
    assert "canary" not in shown
