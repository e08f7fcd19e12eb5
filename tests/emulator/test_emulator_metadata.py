"""The metadata service over the wire: its tokens, its keys, its three other moods."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from batch_updater.emulator import Emulator, EmulatorSettings
from batch_updater.emulator.gateway.identity import Identity
from batch_updater.emulator.iam.metadata import Metadata
from batch_updater.emulator.settings import IdentityRules

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKEN = "/meta-data/latest/api/token"
KEY = "/openstack/latest/securitykey"


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[tuple[Emulator, ClientSession]]:
    """Start an emulator."""
    async with (
        Emulator(EmulatorSettings(**settings), now=lambda: NOW) as emulator,
        ClientSession(emulator.url) as client,
    ):
        yield emulator, client


async def token(client: ClientSession, ttl: str = "21600") -> tuple[int, str]:
    """Ask for a metadata token."""
    headers = {"X-Metadata-Token-Ttl-Seconds": ttl}
    async with client.put(TOKEN, headers=headers) as reply:
        return reply.status, await reply.text()


async def key(client: ClientSession, given: str = "") -> tuple[int, str, Any]:
    """Ask for a key; return status, text and JSON."""
    async with client.get(KEY, headers={"X-Metadata-Token": given}) as reply:
        is_json = reply.content_type == "application/json"
        return reply.status, await reply.text(), await reply.json() if is_json else None


async def test_key() -> None:
    """A metadata token opens the door to a temporary key with its end."""
    async with opened(metadata_key_life=3600.0) as (emulator, client):
        status, text = await token(client)
        assert status == 200
        status, _, content = await key(client, text)
        credential = content["credential"]
        assert status == 200
        assert set(credential) == {"access", "secret", "securitytoken", "expires_at"}
        assert credential["expires_at"] == "2026-01-02T04:04:05.000000Z"
        assert emulator.witness.identity == {
            "CreateMetadataToken": 1,
            "ShowSecurityKey": 1,
        }
        assert emulator.witness.requests == 0


@pytest.mark.parametrize("ttl", ["", "0", "21601", "-1", "abc", "9" * 99, "\u0662"])
async def test_bad_ttl(ttl: str) -> None:
    """The life of a metadata token is 1 to 21600 seconds."""
    async with opened() as (_, client):
        assert (await token(client, ttl))[0] == 400


async def test_without_token() -> None:
    """Where tokens are needed, no key comes without a good one."""
    async with opened() as (_, client):
        for given in ("", "foreign"):
            assert (await key(client, given))[0] == 401


def test_token_ends() -> None:
    """A metadata token is good for the seconds that were asked for."""
    metadata = Metadata(Identity(IdentityRules()), lambda _: "secret")
    made = metadata.create_token("10", NOW).body.decode()
    for seconds, status in ((9.9, 200), (10.0, 401)):
        at = NOW + timedelta(seconds=seconds)
        assert metadata.security_key(made, at).status == status


@pytest.mark.parametrize("mode", ["404", "405"])
async def test_no_token_mode(mode: str) -> None:
    """In the modes without tokens the PUT fails and keys come without."""
    async with opened(metadata=mode) as (_, client):
        assert (await token(client))[0] == int(mode)
        assert (await key(client))[0] == 200


async def test_no_agency() -> None:
    """Without an agency there is no key, and the text says so."""
    async with opened(metadata="no-agency") as (_, client):
        status, text, _ = await key(client, (await token(client))[1])
        assert status == 401
        assert "Please configure Cloud Service Agency first" in text
