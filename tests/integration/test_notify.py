"""--notify-url: who is told of a command's end, what, and what nobody learns."""

import dataclasses
import json
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest
import trustme
from bench import Bench, fault
from hook import SECRET, Hook, open_hook
from hypothesis import given
from hypothesis import strategies as st

from batch_updater import UsageError, run
from batch_updater.config.secrets import mask_url
from batch_updater.config.settings import resolve
from batch_updater.config.webhook import Webhook, find_webhook
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.webhook import post

QUICK = RetryPolicy(max_attempts=4, max_elapsed=20.0, base=0.001, cap=0.01)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook that takes everything."""
    with open_hook() as opened:
        yield opened


def webhook_of(url: str, **environ: str) -> Webhook:
    """Return the webhook that this environment asks for."""
    found = find_webhook(resolve({"notify-url": (url,)}, environ, recorded={}))
    assert found
    return found


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_summary_is_posted(bench: Bench, hook: Hook, form: str) -> None:
    """What is posted is summary.json with command, host and exit code, in any output."""
    source = bench.prepare(5)
    ended = bench.run(source, "--notify-url", hook.url, "--output", form)
    assert ended.code == 0
    facts = {"command": "run", "host": socket.gethostname(), "exit_code": 0}
    assert hook.only == bench.record().summary | facts
    assert hook.came[0].target == hook.url.removeprefix(hook.origin)
    if form == "json":
        assert ended.json == bench.record().summary
        assert ended.out.count("\n") == 1


def test_no_credentials_go_along(bench: Bench, hook: Hook) -> None:
    """The request carries no token and no header of FRS, nor a value of any row."""
    source = bench.write(
        "faces.csv", [{"face_id": "face0001", "external_fields.team": "teamvalue"}]
    )
    bench.seed(["face0001"])
    assert bench.run(source, "--notify-url", hook.url).code == 0
    [posted] = hook.came
    names = {name.lower() for name in posted.headers}
    assert names == {"host", "accept", "content-type", "user-agent", "content-length"}
    assert bench.emulator.token not in str(posted.headers)
    for secret in (bench.emulator.token, "teamvalue", SECRET):
        assert secret.encode() not in posted.body


def test_a_login_in_the_address(bench: Bench, hook: Hook) -> None:
    """User and password of an address go as Basic authorization, and not in the path."""
    url = hook.url.replace("//", "//robot:p%40ss@")
    assert bench.run(bench.prepare(1), "--notify-url", url).code == 0
    [posted] = hook.came
    assert posted.headers["Authorization"] == "Basic cm9ib3Q6cEBzcw=="
    assert "@" not in posted.target


@pytest.mark.parametrize("values", [True, False])
def test_words_of_the_service(bench: Bench, hook: Hook, *, values: bool) -> None:
    """Messages of errors, which may quote a row's values, go along only when asked."""
    body = {"error_code": "FRS.0018", "error_msg": "age 4711 is odd"}
    bench.emulator.script([fault("respond", status=400, body=json.dumps(body))])
    more = ("--include-values",) if values else ()
    bench.run(bench.prepare(3), "--notify-url", hook.url, "--max-attempts", "1", *more)
    assert ("4711" in hook.came[0].body.decode()) == values
    [error] = hook.only["errors"]
    assert (error["code"], error["count"]) == ("FRS.0018", 1)
    assert error["remedy"]


@pytest.mark.parametrize("values", [True, False])
def test_words_of_a_refusal(bench: Bench, hook: Hook, *, values: bool) -> None:
    """The message of a service that refuses the run by a row is held back likewise."""
    body = {"error_code": "FRS.0302", "error_msg": "age 4711 is odd"}
    bench.emulator.script(
        [fault("respond", status=400, body=json.dumps(body), operation="UpdateFace")]
    )
    more = ("--include-values",) if values else ()
    ended = bench.run(bench.prepare(3), "--notify-url", hook.url, *more)
    assert ended.code == hook.only["exit_code"] == 3
    assert ("4711" in hook.came[0].body.decode()) == values
    assert hook.only["stop"]["name"] == "refused"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("absent.csv",), 2),
        (("faces.csv", "--rate", "fast"), 2),
        (("faces.csv", "--endpoint", "nonsense"), 2),
        (("faces.csv", "--config", "absent.toml"), 2),
        (("faces.csv", "--face-set", "other"), 3),
    ],
)
def test_an_end_before_anything_was_sent(
    bench: Bench, hook: Hook, words: tuple[str, ...], code: int
) -> None:
    """Whatever keeps a run from beginning is told, even when its settings are not known."""
    bench.prepare(1)
    ended = bench.run(*words, "--notify-url", hook.url, "--output", "json")
    assert ended.code == code
    assert hook.only.items() > ended.json.items()
    assert hook.only["command"] == "run"
    assert hook.only["error"]
    assert bench.updates == 0


def test_from_environment_and_file(
    bench: Bench, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be said anywhere; resume and retry look for it anew, as for credentials."""
    bench.emulator.script([fault("respond", code="FRS.0303")])
    source = bench.prepare(3)
    Path("batch-updater.toml").write_text(f'notify-url = "{hook.url}/file"\n')
    assert bench.run(source).code == 1
    assert bench.command("resume", "job").code == 1
    monkeypatch.setenv("BATCH_UPDATER_NOTIFY_URL", f"{hook.url}/environment")
    assert bench.command("retry", "job", "--run-dir", "again").code == 0
    told = [(p.json["command"], p.target.rpartition("/")[2]) for p in hook.came]
    assert told == [("run", "file"), ("resume", "file"), ("retry", "environment")]


def test_check_and_dry_run_tell_their_counts(bench: Bench, hook: Hook) -> None:
    """Where nothing is sent the counts of the rows are what is told."""
    source = bench.prepare(4)
    flag = ("--notify-url", hook.url)
    assert bench.command("check", source, *flag).code == 0
    assert bench.run(source, "--dry-run", *flag).code == 0
    assert [(p.json["command"], p.json["clean"]) for p in hook.came] == [
        ("check", 4),
        ("run", 4),
    ]


def test_commands_that_only_read_tell_nobody(
    bench: Bench, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks at a run, its settings or an error code disturbs nobody."""
    assert bench.run(bench.prepare(1)).code == 0
    monkeypatch.setenv("BATCH_UPDATER_NOTIFY_URL", hook.url)
    for words in (
        ("results", "job", "--output", "json"),
        ("explain", "FRS.0303", "--json"),
        ("doctor", *bench.target, "--output", "json"),
        ("run", "faces.csv", *bench.target, "--print-config"),
    ):
        assert bench.command(*words).code == 0
    assert hook.came == []


@pytest.mark.parametrize("status", [302, 307, 400, 404])
def test_what_is_refused_is_not_tried_again(
    bench: Bench, hook: Hook, status: int
) -> None:
    """A redirect is not followed; a refusal is told on stderr and changes no exit code."""
    hook.answers = (status,)
    ended = bench.run(bench.prepare(1), "--notify-url", hook.url, "--output", "json")
    assert ended.code == 0
    assert ended.json["exit_code"] == 0
    assert len(hook.came) == 1
    shown = f"{hook.origin}/***"
    assert f"is not posted to {shown}: it answered {status}" in ended.err
    assert SECRET not in ended.err


async def test_what_may_pass_is_tried_again(hook: Hook) -> None:
    """5xx, 408 and 429 are tried again until it is taken."""
    hook.answers = (503, 429, 408, 200)
    assert await post(webhook_of(hook.url), b"{}", policy=QUICK) == ""
    assert [posted.body for posted in hook.came] == [b"{}"] * 4


async def test_tries_come_to_an_end(hook: Hook) -> None:
    """A webhook that is down costs four tries."""
    hook.answers = (500,)
    assert await post(webhook_of(hook.url), b"{}", policy=QUICK) == "it answered 500"
    assert len(hook.came) == 4


async def test_time_comes_to_an_end(hook: Hook) -> None:
    """A pause that would go on beyond the time is not made."""
    hook.answers = (500,)
    late = RetryPolicy(max_attempts=9, max_elapsed=10.0, base=1e9, cap=1e9)
    assert await post(webhook_of(hook.url), b"{}", policy=late, chance=Random(1)) == (
        "it answered 500"
    )
    assert len(hook.came) == 1


async def test_nobody_listens() -> None:
    """Where there is no way, its trouble is told as a row's is."""
    trouble = await post(webhook_of("http://127.0.0.1:1/x"), b"{}", policy=QUICK)
    assert trouble.startswith("TRANSPORT.CONNECT: cannot connect to 127.0.0.1 port 1")


async def test_through_the_proxy(hook: Hook) -> None:
    """The proxy of the environment leads there as it leads to the service."""
    found = find_webhook(
        resolve(
            {"notify-url": ("http://hooks.example.com/a",), "allow-http": ("true",)},
            {"http_proxy": hook.origin.replace("//", "//robot:pass@")},
            recorded={},
        )
    )
    assert found
    assert await post(found, b"{}") == ""
    [posted] = hook.came
    assert posted.target == "http://hooks.example.com/a"
    assert posted.headers["Proxy-Authorization"].startswith("Basic ")


async def test_over_tls(tmp_path: Path) -> None:
    """Certificates are checked, by --ca-cert too."""
    ca, pem = trustme.CA(), tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(pem))
    made, cert, key = ca.issue_cert("127.0.0.1"), tmp_path / "c.pem", tmp_path / "k.pem"
    made.private_key_pem.write_to_path(str(key))
    cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    with open_hook((cert, key)) as hook:
        trusting = {"notify-url": (hook.url,), "ca-cert": (str(pem),)}
        trusted = find_webhook(resolve(trusting, {}, recorded={}))
        assert trusted
        assert await post(trusted, b"{}", policy=QUICK) == ""
        once = RetryPolicy(max_attempts=1)
        trouble = await post(webhook_of(hook.url), b"{}", policy=once)
    assert trouble.startswith("TRANSPORT.TLS:")
    assert len(hook.came) == 1


def test_unencrypted_elsewhere_is_refused(bench: Bench) -> None:
    """Beyond this machine the summary goes encrypted, or nothing begins."""
    ended = bench.run(
        bench.prepare(1), "--notify-url", f"http://hooks.example.com/{SECRET}"
    )
    assert ended.code == 2
    assert "--notify-url http://hooks.example.com/*** would send" in ended.err
    assert SECRET not in ended.err
    assert bench.updates == 0


@pytest.mark.parametrize(
    "text",
    [
        "hooks.example.com/x",
        "ftp://hooks.example.com",
        "https:///x",
        "https://[::1/x",
        "https://h:99999/x",
        "https://h:port/x",
        "https://h/a b",
        "https://h/a\x1b[2J",
        "https://h/ü",
        "https://h/x#here",
        "https://h/x\r\nX-Y: z",
        f"https://{'a' * 64}.example.com/x",
    ],
)
def test_what_is_no_address(text: str) -> None:
    """What cannot be an address is said to be none, without repeating it."""
    with pytest.raises(UsageError, match=r"^--notify-url: give an address") as caught:
        resolve({"notify-url": (text,)}, {}, recorded={})
    assert text not in caught.value.message


def test_the_address_is_nowhere(
    bench: Bench, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command at its loudest, print-config, failures, files: no trace of its secret."""
    hook.answers = (404,)
    bench.emulator.script([fault("respond", code="FRS.0303")])
    url = hook.url.replace("//", f"//{SECRET}:{SECRET}@")
    flag = ("--notify-url", url)
    loud = ("-vv", "--log-format", "json")
    source = bench.prepare(3)
    other = bench.write("b.csv", [{"face_id": "face0001", "external_fields.age": "9"}])
    monkeypatch.setenv("BATCH_UPDATER_NOTIFY_URL", url)
    monkeypatch.setenv("BATCH_UPDATER_RATE", "1000")
    said = []
    for words in (
        ("run", source, "--run-dir", "job", *bench.target, *loud, "--include-values"),
        ("run", source, *bench.target, "--print-config"),
        ("run", source, *bench.target, *flag, "--print-config"),
        ("resume", "job", *flag, *loud),
        ("retry", "job", "--run-dir", "again", *flag, *loud),
        ("plan", other, "-o", "p.parquet", "--run-dir", "plan", *bench.target, *flag),
        ("apply", "p.parquet", "--yes", "--run-dir", "applied", *flag, *loud),
        ("verify", "applied", "--run-dir", "verified", *flag, *loud),
        ("results", "job", *loud),
        ("results", "job", *flag),
        ("export", "staff", "-o", "faces.parquet", *bench.target[:4], *flag, *loud),
    ):
        ended = bench.command(*words)
        said.append(ended.out + ended.err)
    assert len(hook.came) == 7
    assert sum("/*** is not" in text or "/***: it" in text for text in said) == 7
    assert re.search(r"notify-url +http://\*\*\*@127.0.0.1:\d+/\*\*\*", said[2])
    assert SECRET not in "".join(said)
    for path in bench.folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert "notify-url" not in bench.record().manifest["settings"]


def test_the_address_is_in_no_repr() -> None:
    """Neither settings nor what is made of them show it, nor do their parts."""
    url = f"https://{SECRET}@hooks.example.com/{SECRET}"
    resolved = resolve({"notify-url": (url,)}, {}, recorded={})
    found = find_webhook(resolved)
    assert resolved.settings.notify_url == url
    for shown in (resolved, resolved.settings, resolved.texts, found):
        assert SECRET not in repr(shown)


def test_the_library_tells_nobody(bench: Bench) -> None:
    """run() returns the summary, and refuses to be asked to post it."""
    with pytest.raises(UsageError, match="notify_url is a setting of the command"):
        run(bench.prepare(1), notify_url="https://h/x", **bench.settings)


@given(
    user=st.sampled_from(["", "CANARY@", "a:CANARY@", "CANARY:@"]),
    host=st.sampled_from(["h", "hooks.example.com", "[::1]", "127.0.0.1"]),
    port=st.sampled_from(["", ":8443"]),
    path=st.sampled_from(["", "/", "/CANARY", "/a//CANARY/", "//CANARY", "/a@CANARY"]),
    query=st.sampled_from(["", "?", "?CANARY", "?key=CANARY&a=@"]),
)
def test_only_the_origin_is_shown(
    user: str, host: str, port: str, path: str, query: str
) -> None:
    """A masked address keeps scheme, host and port, and nothing else."""
    shown = mask_url(f"https://{user}{host}{port}{path}{query}")
    assert "CANARY" not in shown
    assert urlsplit(shown).netloc.rpartition("@")[2] == host + port
    assert "***" in shown or not (user or path.strip("/") or query.strip("?"))


def test_a_webhook_knows_nothing_of_frs() -> None:
    """What leads to it holds no credentials, whatever the environment has."""
    found = webhook_of("https://h/x", BATCH_UPDATER_TOKEN=SECRET)
    assert {f.name: type(getattr(found, f.name)) for f in dataclasses.fields(found)}[
        "ssl_context"
    ] is ssl.SSLContext
    assert found.headers == {}
