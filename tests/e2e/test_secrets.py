"""Canary secrets in every place that takes one, searched for in every place that shows anything."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, fault, start_emulator
from commands import call, started

CANARY = "canary-5ecret"
TOKEN = f"{CANARY}-token"
SECRET_KEY = f"{CANARY}-sk"
PASSWORD = f'{CANARY}-"pass"\\wörd'
PROXY = f"{CANARY}-proxy"

WAYS: Mapping[str, Mapping[str, str]] = {
    "token": {"BATCH_UPDATER_TOKEN": TOKEN},
    "aksk": {"HUAWEICLOUD_SDK_AK": "emulator-ak", "HUAWEICLOUD_SDK_SK": SECRET_KEY},
    "password": {
        "BATCH_UPDATER_IAM_DOMAIN": "emulator-domain",
        "BATCH_UPDATER_IAM_USER": "emulator-user",
        "BATCH_UPDATER_IAM_PASSWORD": PASSWORD,
    },
}
OTHERS = {
    "BATCH_UPDATER_PROXY_USER": "robot",
    "BATCH_UPDATER_PROXY_PASSWORD": PROXY,
    "HTTPS_PROXY": f"http://robot:{PROXY}@127.0.0.1:1",
}


def environment(way: str) -> dict[str, str]:
    """Return one way to sign in, alone, and the secrets that are there anyway."""
    return {**dict.fromkeys(["BATCH_UPDATER_TOKEN"], ""), **OTHERS, **WAYS[way]}


def settings() -> dict[str, Any]:
    return {"token": TOKEN, "sk": SECRET_KEY, "iam_password": PASSWORD}


def assert_unseen(folder: Path, *said: str) -> None:
    """Assert that neither what was printed nor any file below holds a canary."""
    for text in said:
        assert CANARY not in text
    for path in folder.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("way", "form"), [("token", "json"), ("aksk", "text"), ("password", "json")]
)
def test_no_secret_is_written_or_printed(bench: Bench, way: str, form: str) -> None:
    """Each command at its loudest, results, refusals: not a trace of what let us in."""
    loud = ("-vv", "--log-format", form)
    environ = environment(way)
    with start_emulator(**settings()) as emulator:
        here = Bench(bench.folder, emulator)
        source = here.prepare(6)
        emulator.script([fault("respond", code="FRS.0402", after=2)])
        usual = ("--rate", "100", *here.target)
        said = []
        for arguments in (
            ("run", source, "--run-dir", "job", *usual, "--include-values", *loud),
            ("run", source, "--print-config", *usual),
            ("doctor", *here.target, *loud),
            ("resume", "job", *loud),
            ("retry", "job", "--run-dir", "again", *loud),
            ("results", "job", *loud),
            ("results", "job", "--row", "3", *loud),
            ("check", source, "--against-face-set", *usual, *loud),
            ("export", "staff", "-o", "faces.csv", *here.target[:4], *loud),
        ):
            ended = call(here, *arguments, stdin=None, **environ)
            assert ended.code in {0, 1}, ended
            said += [ended.out, ended.err]
    assert "attempt" in "".join(said)
    assert_unseen(bench.folder, *said)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_proxy_s_login_is_not_logged(bench: Bench, form: str) -> None:
    """A way that leads nowhere is told without the login that stands in its URL."""
    loud = ("-vv", "--log-format", form, "--max-attempts", "2")
    there = ("--endpoint", "https://frs.example.com", "--project-id", "0" * 32)
    source = bench.prepare(1)
    for command in (("run", source, "--face-set", "staff"), ("doctor",)):
        tries = loud if command[0] == "run" else loud[:3]
        ended = call(
            bench, *command, *there, *tries, stdin=None, **environment("token")
        )
        assert ended.code == 3
        assert "TRANSPORT.PROXY" in ended.out + ended.err
        assert_unseen(bench.folder, ended.out, ended.err)


ECHO = {
    "a header": '{{"error_code": "APIGW.0301", "error_msg": "Incorrect: {secret}"}}',
    "a page": "<html>You sent {secret}, did you?</html>",
    "a page of success": "<html>{secret}</html>",
}


@pytest.mark.parametrize("what", ECHO)
@pytest.mark.parametrize("way", ["token", "aksk"])
def test_a_gateway_that_quotes_us(bench: Bench, way: str, what: str) -> None:
    """What an answer repeats of a secret is taken out before anybody sees it."""
    secret = TOKEN if way == "token" else SECRET_KEY
    with start_emulator(**settings()) as emulator:
        here = Bench(bench.folder, emulator)
        source = here.prepare(6)
        status = 200 if what == "a page of success" else 401
        body = ECHO[what].format(secret=secret)
        emulator.script([fault("respond", status=status, body=body, after=2, times=0)])
        ended = call(
            here,
            "run",
            source,
            "--run-dir",
            "job",
            *here.target,
            stdin=None,
            **environment(way),
        )
        told = call(
            here, "results", "job", "--row", "4", stdin=None, **environment(way)
        )
    assert ended.code == 3
    assert "***" in ended.out + ended.err
    assert_unseen(bench.folder, ended.out, ended.err, told.out, told.err)


def test_the_gateway_s_canonical_request(bench: Bench) -> None:
    """A refused signature is quoted with its headers: the security token is not shown."""
    environ = environment("aksk") | {
        "HUAWEICLOUD_SDK_SECURITY_TOKEN": f"{CANARY}-security-token"
    }
    with start_emulator(**settings()) as emulator:
        here = Bench(bench.folder, emulator)
        source = here.prepare(3)
        ended = call(
            here, "run", source, "--run-dir", "job", *here.target, stdin=None, **environ
        )
    assert ended.code == 3
    assert_unseen(bench.folder, ended.out, ended.err)


@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_iam_that_quotes_us(bench: Bench, *, ascii_only: bool) -> None:
    """Not even IAM's own message carries the password on."""
    with start_emulator(**settings()) as emulator:
        here = Bench(bench.folder, emulator)
        source = here.prepare(3)
        told = {"code": 401, "message": f"{PASSWORD} is wrong"}
        body = json.dumps({"error": told}, ensure_ascii=ascii_only)
        emulator.script(
            [fault("respond", status=401, body=body, operation="CreateToken")]
        )
        ended = call(
            here,
            "run",
            source,
            "--run-dir",
            "job",
            *here.target,
            stdin=None,
            **environment("password"),
        )
    assert ended.code == 3
    assert "*** is wrong" in ended.err
    assert_unseen(bench.folder, ended.out, ended.err)


def test_no_secret_in_the_process_list(bench: Bench) -> None:
    """Other users of the machine see the command line: nothing secret stands there."""
    with start_emulator(**settings()) as emulator:
        here = Bench(bench.folder, emulator)
        source = here.prepare(60)
        usual = ("--rate", "20", "--run-dir", "job", *here.target)
        with started(here, "run", source, *usual, **environment("token")) as command:
            command.wait_for_results(3)
            line = Path(f"/proc/{command.process.pid}/cmdline").read_text()
    assert "run" in line
    assert CANARY not in line
