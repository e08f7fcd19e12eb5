"""The updater and the emulator, which share no code, agree on who may enter."""

from contextlib import AbstractContextManager

import pytest
from bench import Bench, assert_accounted, make_rows, meanwhile

KEYS = ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN")
LOGIN = {
    "BATCH_UPDATER_IAM_DOMAIN": "emulator-domain",
    "BATCH_UPDATER_IAM_USER": "emulator-user",
    "BATCH_UPDATER_IAM_PASSWORD": "emulator-password",
}


@pytest.fixture
def stranger(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench without any credentials."""
    monkeypatch.delenv("BATCH_UPDATER_TOKEN")
    return bench


@pytest.fixture
def known(stranger: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench with an IAM user's password."""
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    return stranger


def give_key(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    """Put an access key into the environment."""
    for name, value in zip(KEYS, values, strict=False):
        monkeypatch.setenv(name, value)


def test_access_key(stranger: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every signature of a run is right by the emulator's own reckoning."""
    give_key(monkeypatch, "emulator-ak", "emulator-sk")
    ended = stranger.run(stranger.prepare(50))
    assert ended.code == 0, ended
    assert stranger.record().outcomes == {"updated": 50}
    assert set(stranger.emulator.witness.by_status) == {"200"}


def test_temporary_key(stranger: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """So are those of a temporary key, with its security token."""
    key = stranger.emulator.issue_key(3600)
    give_key(monkeypatch, key.access, key.secret, key.security_token or "")
    assert stranger.run(stranger.prepare(20)).code == 0
    assert set(stranger.emulator.witness.by_status) == {"200"}


def test_keys_of_a_cloud_server(stranger: Bench) -> None:
    """So are those of the keys that the metadata service gives."""
    flags = ("--auth", "metadata", "--metadata-endpoint", stranger.emulator.url)
    ended = stranger.run(stranger.prepare(20), *flags)
    assert ended.code == 0, ended
    assert stranger.emulator.witness.identity == {
        "CreateMetadataToken": 1,
        "ShowSecurityKey": 1,
    }


def test_wrong_secret(stranger: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong secret ends the run before the service locks the key."""
    give_key(monkeypatch, "emulator-ak", "wrong")
    source = stranger.prepare(50)
    assert stranger.run(source).code == 3
    assert 1 <= stranger.emulator.witness.by_status["401"] <= 5
    give_key(monkeypatch, "emulator-ak", "emulator-sk")
    assert stranger.run(source).code == 0


def test_password(known: Bench) -> None:
    """A password becomes one token, and that lasts for the whole run."""
    ended = known.run(known.prepare(50), "--iam-endpoint", known.emulator.url)
    assert ended.code == 0, ended
    assert known.emulator.witness.identity == {"CreateToken": 1}


def test_three_tokens_end_during_a_run(known: Bench) -> None:
    """A run lives through three tokens that end early: no row fails, each is applied once."""
    emulator, count = known.emulator, 200
    source = known.prepare(count)

    def end_at(applied: int) -> AbstractContextManager[None]:
        return meanwhile(
            lambda: emulator.witness.applied >= applied, emulator.revoke_issued
        )

    flags = ("--iam-endpoint", emulator.url, "--rate", "200", "--max-attempts", "1")
    with end_at(30), end_at(80), end_at(130):
        ended = known.run(source, *flags)
    assert ended.code == 0, ended
    assert known.record().outcomes == {"updated": count}
    assert_accounted(known, {source: make_rows(count)})
    assert set(known.applied.values()) == {1}
    assert emulator.tokens_issued == 4
    assert emulator.witness.by_code["APIGW.0307"] >= 3


def test_wrong_password(known: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password is tried once, and no password is shown."""
    monkeypatch.setenv("BATCH_UPDATER_IAM_PASSWORD", "canary-of-mine")
    source = known.prepare(5)
    ended = known.run(source, "--iam-endpoint", known.emulator.url)
    assert ended.code == 3
    assert known.emulator.witness.identity == {"CreateToken": 1}
    assert "canary-of-mine" not in ended.out + ended.err


def test_project_of_a_region(known: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a project id that of the region is found at IAM, by token or signature."""
    emulator = known.emulator
    source = known.prepare(5)
    target = ("--endpoint", emulator.url, "--face-set", known.target[-1])
    where = ("--region", "cn-north-4", "--iam-endpoint", emulator.url)
    assert known.command("run", source, *target, *where, "--run-dir", "a").code == 0
    give_key(monkeypatch, "emulator-ak", "emulator-sk")
    assert known.command("run", source, *target, *where, "--run-dir", "b").code == 0
    assert emulator.witness.identity["ListProjects"] >= 1
    assert emulator.witness.by_status == {"200": 12}
