"""Text that wants to act, in every place that text comes from: it is shown, and does nothing."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, Ended, fault, make_rows

# A colour, the window's title, the bell, a backspace, a C1 sequence, a text that
# runs from right to left, ends of lines that are none for most tools, a lone CR.
EVIL = (
    "\x1b[31mred\x1b]0;title\x07\b\x9b2J\u202etxt\u2066x\u2069\u200f"
    "\u2028line\u2029para\x85nel\r"
)
EVIL_LINES = f"{EVIL}\nbatch-updater: error: forged\n"
HALF = "\ud800"  # of a character; JSON can say it, and no text file can hold it
BYTE = "\udce9"  # how Python reads a byte that is no UTF-8, from a command line
EVIL_NAME = EVIL.replace("\x9b", "").replace("/", "")
FORMATS = ("text", "json")


def assert_inert(*ended: Ended) -> None:
    """Assert that whatever was printed is printable text and ends of lines."""
    for each in ended:
        for text in (each.out, each.err):
            assert text.replace("\n", "").isprintable(), repr(text)
        assert "\nbatch-updater: error: forged" not in each.out + each.err
        assert "Traceback" not in each.err
        assert "a line of the log is lost" not in each.err


@pytest.fixture(params=FORMATS)
def loud(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The flags that say as much as can be said, in each format."""
    return ("-vv", "--include-values", "--log-format", str(request.param))


def told(bench: Bench, *loud: str) -> Iterator[Ended]:
    """Ask every command about a run that is there."""
    quiet = [flag for flag in loud if flag != "--include-values"]
    yield bench.command("results", "job", *quiet)
    yield bench.command("results", "job", "--output", "json", *quiet)
    for row in ("1", "2", "3"):
        yield bench.command("results", "job", "--row", row, *quiet)
        yield bench.command("results", "job", "--row", row, "--output", "json")
    yield bench.command("resume", "job", *loud)
    yield bench.command("retry", "job", "--run-dir", "again", *loud)


def test_a_hostile_table(bench: Bench, loud: tuple[str, ...]) -> None:
    """Names of files and columns, ids and values stand in every message as they may."""
    rows = [
        {"face_id": EVIL_LINES, "external_fields.age": "1", EVIL_LINES: EVIL},
        {"face_id": "face0002", "external_fields.age": EVIL_LINES, EVIL_LINES: "2"},
        {"face_id": "face0003", "external_fields.age": "3", EVIL_LINES: EVIL_LINES},
        {"face_id": "face0003", "external_fields.age": "3", EVIL_LINES: EVIL_LINES},
    ]
    name = bench.write(f"{EVIL_NAME}.csv", rows)
    ended = [
        bench.command("check", name, *loud[:1], *loud[2:]),
        bench.command("check", name, "--output", "json"),
        bench.command("check", name, "--face-id", EVIL, "--field", f"{EVIL}=x"),
        bench.run(name, *loud, "--on-duplicate", "first"),
        *told(bench, *loud),
    ]
    assert_inert(*ended)
    assert "red" in ended[0].out
    assert "red" in ended[3].err


@contextmanager
def hostile_service(*, face_set: str, status: int, header: str) -> Iterator[str]:
    """Answer GET with a face set, and PUT with an error, both full of evil."""
    started, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    urls: list[str] = []
    fields = {"age": {"type": "integer"}, EVIL_LINES: {"type": "string"}}
    about = {
        "face_set_name": face_set,
        "face_number": 20_000,
        "external_fields": fields,
    }
    error = {"error_code": f"FRS.{EVIL_LINES}{HALF}", "error_msg": EVIL_LINES + HALF}

    def answer(status: int, content: dict[str, Any]) -> bytes:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\n"
        return f"{head}X-Request-Id: {header}\r\n\r\n".encode() + body

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with_body = b"content-length: "
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lower = head.lower()
                if with_body in lower:
                    length = int(lower.split(with_body)[1].split(b"\r")[0])
                    await reader.readexactly(length)
                asks = head.startswith(b"GET")
                known = answer(200, {"face_set_info": about})
                writer.write(known if asks else answer(status, error))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        loops.append(asyncio.get_running_loop())
        started.set()
        await ended.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(20)
    try:
        yield urls[0]
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join(20)


@pytest.mark.parametrize("status", [400, 500, 403])
def test_a_hostile_service(bench: Bench, loud: tuple[str, ...], status: int) -> None:
    """Codes, messages, request ids and names that a service sends are shown, no more."""
    name = bench.write("faces.csv", make_rows(3))
    header = "\u202e\u2066\x9b2Jid"  # of the rest, HTTP allows nothing in a header
    with hostile_service(face_set=EVIL_LINES, status=status, header=header) as url:
        there = ("--endpoint", url, "--max-attempts", "1")
        ended = [
            bench.run(name, *loud, *there),
            bench.run(name, "--run-dir", "j2", "--output", "json", *there),
            bench.command("doctor", *bench.target, "--endpoint", url, *loud[2:]),
            bench.command("doctor", *bench.target, *there[:2], "--output", "json"),
            bench.command(
                *("export", "staff", "-o", "f.csv", "--run-dir", "j3", "-vv"),
                *(*bench.target[:4], *there),
            ),
            *told(bench, *loud),
        ]
    assert_inert(*ended)
    assert "red" in ended[0].out + ended[0].err
    assert "attempt 1: " in ended[0].err or '"attempt":1' in ended[0].err


@pytest.mark.parametrize("way", ["the service", "IAM"])
def test_a_hostile_refusal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, loud: tuple[str, ...], way: str
) -> None:
    """Who refuses the run as a whole does not reach the terminal either."""
    name = bench.write("faces.csv", make_rows(3))
    body = json.dumps({"error_code": "FRS.0019", "error_msg": EVIL_LINES + HALF})
    operation = "CreateToken" if way == "IAM" else "ShowFaceSet"
    told = fault("respond", operation=operation, status=403, body=body, times=0)
    bench.emulator.script([told])
    if way == "IAM":
        monkeypatch.delenv("BATCH_UPDATER_TOKEN")
        for each in ("domain", "user", "password"):
            variable = f"BATCH_UPDATER_IAM_{each.upper()}"
            monkeypatch.setenv(variable, f"emulator-{each}")
    ended = [
        bench.run(name, *loud),
        bench.run(name, "--output", "json"),
        bench.command("doctor", *bench.target, *loud[2:]),
    ]
    assert [each.code for each in ended] == [3, 3, 3]
    assert_inert(*ended)


COMMANDS = (
    *("run", "check", "resume", "retry", "results", "doctor", "explain", "export"),
    "emulator",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_hostile_words(bench: Bench, command: str) -> None:
    """What was typed is repeated by every command as it may be."""
    ended = [
        bench.command(command, EVIL_LINES + BYTE),
        bench.command(command, f"--{EVIL_LINES}{BYTE}"),
        bench.command(command, "x", "--output", EVIL_LINES),
        bench.command(command, "x", "--log-format", EVIL_LINES),
        bench.command(command, "x", "--script", EVIL_LINES, "--host", EVIL_LINES),
    ]
    assert {each.code for each in ended} <= {2, 3}
    assert_inert(*ended)
    assert "red" in "".join(each.err for each in ended)


def test_hostile_settings(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment, file, profile: wrong or right, they are shown and do nothing."""
    name = bench.write("faces.csv", make_rows(1))
    monkeypatch.setenv("BATCH_UPDATER_RUN_DIR", EVIL_LINES)
    monkeypatch.setenv("BATCH_UPDATER_LOG_FORMAT", EVIL_LINES)
    ended = [
        bench.command("run", name, "--log-format", "text", "--print-config"),
        bench.command("run", name),
        bench.command("run", name, "--log-format", "text", *bench.target[:4]),
        bench.command("run", name, "--config", EVIL),
        bench.command("run", name, "--profile", EVIL_LINES),
    ]
    Path("bad.toml").write_text(json.dumps(EVIL) + " = 1\n", "utf-8")
    ended.append(bench.command("run", name, "--config", "bad.toml"))
    Path("map.toml").write_text("[" + json.dumps(EVIL) + "]\n", "utf-8")
    ended.append(bench.run(name, "--mapping", "map.toml", "--log-format", "json"))
    assert_inert(*ended)
    assert ended[0].code == 0
    assert "red" in ended[0].out


def test_a_hostile_run_directory(bench: Bench, loud: tuple[str, ...]) -> None:
    """The name of a run stands in its log and summary, and in what to type next."""
    name = bench.write("faces.csv", make_rows(3))
    ended = [
        bench.run(name, *loud, "--run-dir", EVIL_NAME),
        bench.run(name, *loud, "--run-dir", EVIL_NAME),
        bench.command("results", EVIL_NAME),
        bench.command("retry", EVIL_NAME, *loud),
        bench.command("resume", EVIL_NAME, *loud),
        bench.command("resume", f"{EVIL_NAME}/none"),
    ]
    assert "red" in ended[0].out
    assert "red" in ended[0].err
    assert_inert(*ended)


def test_a_hostile_script(bench: Bench) -> None:
    """The emulator's own words are as harmless."""
    script = Path("script.toml")
    script.write_text("[[fault]]\nname = 1\n" + json.dumps(EVIL) + " = 1\n", "utf-8")
    ended = [
        bench.command("emulator", "--script", str(script)),
        bench.command("emulator", "--data", f"{EVIL_NAME}/x", "--port", "0"),
        bench.command("emulator", "--qps", EVIL_LINES),
    ]
    assert [each.code for each in ended] == [2, 2, 2]
    assert_inert(*ended)
