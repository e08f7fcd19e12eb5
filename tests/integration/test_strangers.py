"""Servers that are not FRS, and values that must not be written down."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench import Bench, Ended, make_rows
from yarl import URL

from batch_updater.frs.sending import BODY_LIMIT
from batch_updater.frs.transport import make_ssl_context, open_transport


@contextmanager
def raw_server(*heads: bytes) -> Iterator[str]:
    """Answer the requests of every connection with these bytes in turn."""
    started, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    urls: list[str] = []
    answers = iter(heads)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = [h for h in head.lower().split(b"\r\n") if b"content-length" in h]
            await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
            writer.write(next(answers, heads[-1]))
            await writer.drain()

    async def accept(r: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
        try:
            await talk(r, w)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            w.close()

    async def serve() -> None:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        loops.append(asyncio.get_running_loop())
        started.set()
        await ended.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(20)
    yield urls[0]
    loops[0].call_soon_threadsafe(ended.set)
    thread.join(20)


def answer(body: bytes, *headers: bytes) -> bytes:
    """Return a 200 with these headers."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


FACE_SET = answer(
    b'{"face_set_info": {"face_set_name": "staff", "external_fields":'
    b' {"age": {"type": "integer"}}}}'
)
UPDATED = answer(b'{"face_number": 1}')


def test_an_odd_request_id_loses_no_outcome(bench: Bench) -> None:
    """A byte that is no UTF-8 in a header is replaced, and the row is recorded."""
    source = bench.write("faces.csv", make_rows(3))
    updated = answer(b'{"face_number": 1}', b"X-Request-Id: ab\xffc" + b"d" * 900)
    with raw_server(FACE_SET, updated) as url:
        assert bench.run(source, "--endpoint", url).code == 0
    rows = bench.record("job").results
    assert [row["outcome"] for row in rows] == ["updated"] * 3
    assert all(row["request_id"].startswith("ab") for row in rows)
    assert all(len(row["request_id"]) <= 500 for row in rows)


def test_a_login_page_stops_the_run(bench: Bench) -> None:
    """A page instead of an answer would come for every row: exit 3 after a few."""
    source = bench.write("faces.csv", make_rows(200))
    page = answer(b"<!doctype html><title>Log in</title>", b"Content-Type: text/html")
    with raw_server(FACE_SET, page) as url:
        ended = bench.run(source, "--endpoint", url, "--concurrency", "2")
    assert ended.code == 3
    assert "--endpoint" in ended.out
    outcomes = [row["outcome"] for row in bench.record("job").results]
    assert outcomes == ["unprocessed"] * 200


def test_values_that_break_a_rule_are_not_written_down(bench: Bench) -> None:
    """An invalid value stands in invalid.csv, among the input's own columns, only."""
    rows = make_rows(3)
    rows[1]["external_fields.age"] = "canary-4711"
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    ended = bench.run(source)
    assert ended.code == 1
    holders = {f.name for f in Path("job").iterdir() if b"canary" in f.read_bytes()}
    assert holders == {"invalid.csv"}
    assert "canary" not in ended.out + ended.err
    assert "canary-4711" in bench.command("check", source, "--field", "age:integer").out


def test_an_empty_input_is_refused(bench: Bench) -> None:
    """An unset variable does not mean every file in the current folder."""
    bench.write("faces.csv", make_rows(1))
    ended = bench.command("check", "")
    assert ended.code == 2
    assert "empty text" in ended.err


PASSWORD = {
    "BATCH_UPDATER_TOKEN": "",
    "BATCH_UPDATER_IAM_DOMAIN": "d",
    "BATCH_UPDATER_IAM_USER": "u",
    "BATCH_UPDATER_IAM_PASSWORD": "canary-pw",
}


def sign_in_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *headers: bytes
) -> tuple[Ended, str]:
    """Run against an IAM that issues a token with these headers."""
    for name, value in PASSWORD.items():
        monkeypatch.setenv(name, value)
    issued = b'{"token": {"project": {"id": "p"}}}'
    head = answer(issued, *headers).replace(b"200 OK", b"201 Created")
    source = bench.write("faces.csv", make_rows(3))
    flags = ("--max-attempts", "2", "--timeout", "5s")
    with raw_server(head) as iam, raw_server(FACE_SET, UPDATED) as url:
        ended = bench.run(source, "--endpoint", url, "--iam-endpoint", iam, *flags)
    return ended, ended.out + ended.err


def test_a_token_of_many_roles(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token longer than the 8 KiB that HTTP clients usually take is taken."""
    token = b"X-Subject-Token: " + b"MII" * 20_000
    ended, _ = sign_in_at(bench, monkeypatch, token)
    assert ended.code == 0, ended


@pytest.mark.parametrize("token", [b"canary" * 50_000, b"canary\xff", b"canary\x1b[2J"])
def test_a_token_that_cannot_be_used(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, token: bytes
) -> None:
    """It ends in a message, and no message quotes it."""
    ended, said = sign_in_at(bench, monkeypatch, b"X-Subject-Token: " + token)
    assert ended.code == 3
    assert "IAM" in said
    assert "canary" not in said


def test_an_answer_that_swells(bench: Bench) -> None:
    """A few bytes that unpack into very many are not unpacked to their end."""

    async def ask(url: str) -> int:
        async with open_transport(
            patience=20,
            ssl_context=make_ssl_context(None),
            proxy_for=lambda url: None,
        ) as transport:
            return len((await transport.send("GET", URL(url), {})).body)

    packed = gzip.compress(b"x" * (20 << 20))
    with raw_server(answer(packed, b"Content-Encoding: gzip")) as url:
        assert asyncio.run(ask(url)) == BODY_LIMIT


def test_a_request_id_that_is_our_secret(bench: Bench) -> None:
    """What is sent back in a header is no more written down than what is in a body."""
    source = bench.write("faces.csv", make_rows(1))
    updated = answer(b'{"face_number": 1}', b"X-Request-Id: emulator-token")
    with raw_server(FACE_SET, updated) as url:
        assert bench.run(source, "--endpoint", url).code == 0
    assert bench.record("job").row(1)["request_id"] == "***"
