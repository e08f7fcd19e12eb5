"""The command: its flags, its one line on stdout, its end on a signal."""

import argparse
import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from batch_updater.emulator.command import (
    add_arguments,
    duration,
    is_loopback,
    make_emulator,
    requests_a_second,
    settings_of,
)
from batch_updater.emulator.rules import switches
from batch_updater.emulator.settings import CallLimit, EmulatorSettings

COMMAND = (sys.executable, "-m", "batch_updater.emulator", "--port", "0")


def parse(*flags: str) -> argparse.Namespace:
    """Read flags as the command does."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(flags)


async def start(*flags: str, **environ: str) -> Process:
    """Start the command."""
    env = os.environ | environ
    return await asyncio.create_subprocess_exec(
        *COMMAND, *flags, stdout=PIPE, stderr=PIPE, env=env
    )


@asynccontextmanager
async def running(*flags: str, **environ: str) -> AsyncIterator[tuple[Process, str]]:
    """Run the command; give its first line, and end it if the test did not."""
    process = await start(*flags, **environ)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
        yield process, line.decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def refused(*flags: str) -> tuple[int | None, str]:
    """Run a command that should not start; return its exit code and last line."""
    process = await start(*flags)
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert out == b""
    return process.returncode, err.decode().splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_state_survives_a_restart(tmp_path: Path, number: int) -> None:
    """SIGTERM and SIGINT end it with 0 and save; the next start finds the faces."""
    port_file, data = tmp_path / "port", tmp_path / "data"
    flags = ("--port-file", str(port_file), "--data", str(data))
    seed = {"face_set_name": "people", "faces": [{"face_id": "a"}]}
    async with running(*flags) as (process, line):
        url = f"http://127.0.0.1:{int(port_file.read_text())}"
        assert url in line
        async with ClientSession(url) as session:
            body = json.dumps(seed).encode()
            async with session.post("/_emulator/seed", data=body) as reply:
                assert reply.status == 200
        process.send_signal(number)
        assert await process.wait() == 0
    async with running(*flags):
        url = f"http://127.0.0.1:{int(port_file.read_text())}"
        async with (
            ClientSession(url) as session,
            session.get("/_emulator/faces/people") as reply,
        ):
            content = await reply.json()
    assert [face["face_id"] for face in content["faces"]] == ["a"]


async def test_state_survives_a_kill(tmp_path: Path) -> None:
    """An emulator killed without warning comes back with what it had written."""
    data = tmp_path / "data"
    async with running("--data", str(data)) as (process, line):
        async with ClientSession(url_in(line)) as session:
            # Bytes of the second writing in the file mean that the first one is done.
            for face_id in ("of-the-killed", "one-more"):
                seed = {"face_set_name": "people", "faces": [{"face_id": face_id}]}
                body = json.dumps(seed).encode()
                await session.post("/_emulator/seed", data=body)
                async with asyncio.timeout(20):
                    while not holds(data, face_id.encode()):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
        process.kill()
        await process.wait()
    async with (
        running("--data", str(data)) as (_, line),
        ClientSession(url_in(line)) as session,
        session.get("/_emulator/faces/people") as reply,
    ):
        content = await reply.json()
    assert content["faces"][0]["face_id"] == "of-the-killed"


def holds(path: Path, text: bytes) -> bool:
    """Say whether a text stands in a file."""
    return text in path.read_bytes()


def url_in(line: str) -> str:
    """Return the address that the first line names."""
    return next(word for word in line.split() if word.startswith("http://"))


async def test_script_and_credentials(tmp_path: Path) -> None:
    """The script file plays from the start, with credentials from the environment."""
    script = tmp_path / "script.toml"
    script.write_text('[[fault]]\nname = "a"\naction = "reset"\n')
    environ = {
        "BATCH_UPDATER_EMULATOR_TOKEN": "secret-of-mine",
        "BATCH_UPDATER_EMULATOR_PROJECT_ID": "p1",
    }
    flags = ("--script", str(script), "--latency", "0ms", "--jitter", "0ms")
    async with running(*flags, **environ) as (_, line):
        assert "secret-of-mine" not in line
        async with ClientSession(url_in(line)) as session:
            headers = {"X-Auth-Token": "secret-of-mine"}
            async with session.get("/v2/p1/face-sets", headers=headers) as reply:
                assert reply.status == 200
            async with session.get("/_emulator/witness") as reply:
                faults = (await reply.json())["faults"]
    assert faults == [{"name": "a", "times": 1, "matched": 0, "fired": 0}]


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--qps", "0"), "'0' is no whole number from 1, nor unlimited"),
        (("--latency", "30"), "'30' is no duration like 30ms, 1.5s, 2m"),
        (("--port", "70000"), "port must be from 0 to 65535"),
        (("--host", "0.0.0.0"), "--allow-remote"),  # noqa: S104 - must be refused
        (("--script", "/nowhere.toml"), "/nowhere.toml"),
        (("--data", "/nowhere/data"), "/nowhere/data"),
        (("--port-file", "/nowhere/port"), "/nowhere"),
        (("--tls-cert", "/nowhere/c"), "certificate and its key belong together"),
        (("--tls-cert", "/nowhere/c", "--tls-key", "k"), "/nowhere/c: No such file"),
        (("--gateway-quota", "10"), "'10' is no limit like 200/1s, 10/1m"),
        (("--ratelimit-headers",), "ratelimit_headers tell of a gateway_quota"),
        (("--project", "east"), "'east' is no project like NAME=ID"),
        (("--project", "a=1", "--project", "a=2"), "--project: a name is given twice"),
        (("--token-life", "0s"), "token_life must be above nought"),
    ],
)
async def test_bad_input(flags: tuple[str, ...], problem: str) -> None:
    """What is wrong ends the command with 2 and one clear line on stderr."""
    code, line = await refused(*flags)
    assert code == 2
    assert problem in line


async def test_port_in_use() -> None:
    """A port that is taken is an error with 2, not a traceback."""
    async with running() as (_, line):
        port = line.split("http://127.0.0.1:")[1].split()[0]
        code, last = await refused("--port", port)
    assert code == 2
    assert last == f"emulator: port {port} is in use; --port 0 takes a free one"


async def test_damaged_data(tmp_path: Path) -> None:
    """A damaged data file ends the command with 2, and stays as it is."""
    data = tmp_path / "data"
    data.write_text("nothing of ours")
    code, line = await refused("--data", str(data))
    assert (code, data.read_text()) == (2, "nothing of ours")
    assert "damaged" in line


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30ms", 0.03), ("1.5s", 1.5), ("2m", 120.0), (".5s", 0.5), ("24h", 86_400)],
)
def test_duration(text: str, seconds: float) -> None:
    """Durations have a unit: ms, s, m, h or d."""
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "1w", "-1s", "1e3s", " 1s", "9" * 400 + "s"])
def test_no_duration(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


def test_qps() -> None:
    """The quota is a whole number, or unlimited."""
    assert (requests_a_second("25"), requests_a_second("unlimited")) == (25, None)
    for text in ("0", "-1", "2.5", "all", "\u0662"):
        with pytest.raises(argparse.ArgumentTypeError):
            requests_a_second(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    """Only addresses of this machine alone are loopback."""
    assert is_loopback(host) is expected


def test_allow_remote() -> None:
    """Another host is taken when it is asked for in so many words."""
    flags = parse("--host", "10.0.0.1", "--allow-remote")
    assert make_emulator(flags, {}).settings.host == "10.0.0.1"


def test_default_flags() -> None:
    """Without flags it is a service of 10 requests a second, 30 ms away."""
    expected = EmulatorSettings(port=8099, qps=10, latency=0.03, jitter=0.003)
    assert settings_of(parse(), {}) == expected


def test_every_flag() -> None:
    """Each switch of the settings has its flag."""
    other = {each.name: each.allowed[-1] for each in switches()}
    flags = parse(
        *("--qps", "unlimited", "--burst", "4", "--count-refused"),
        *("--quota-per-operation", "--quota-per-project"),
        *("--retry-after", "2", "--lag", "1s", "--update-lag", "2s"),
        *("--port", "0", "--latency", "0s", "--jitter", "0s", "--data", "d"),
        *("--tls-cert", "c", "--tls-key", "k", "--clock-offset=-20m"),
        *("--gateway-quota", "10/2m", "--ratelimit-headers", "--iam-qps", "3"),
        *("--project", "a=1", "--project", "b=2", "--token-life", "2h"),
        *("--metadata-key-life", "1d"),
        *(f"--{name.replace('_', '-')}={value}" for name, value in other.items()),
    )
    assert settings_of(flags, {}) == EmulatorSettings(
        tls_cert=Path("c"),
        tls_key=Path("k"),
        clock_offset=-1200.0,
        gateway_quota=CallLimit(10, 120),
        ratelimit_headers=True,
        iam_qps=3,
        projects={"a": "1", "b": "2"},
        token_life=7200.0,
        metadata_key_life=86_400.0,
        qps=None,
        burst=4,
        quota_per_operation=True,
        quota_per_project=True,
        count_refused=True,
        retry_after=2,
        lag=1.0,
        update_lag=2.0,
        data=Path("d"),
        **other,  # type: ignore[arg-type]
    )


def test_environment() -> None:
    """Names and secrets come from the environment; an empty value is none."""
    names = ("TOKEN", "AK", "SK", "PROJECT_ID", "IAM_DOMAIN", "IAM_USER")
    environ = {f"BATCH_UPDATER_EMULATOR_{name}": name for name in names}
    environ["BATCH_UPDATER_EMULATOR_IAM_PASSWORD"] = ""
    assert settings_of(parse(), environ) == EmulatorSettings(
        port=8099,
        latency=0.03,
        jitter=0.003,
        token="TOKEN",
        ak="AK",
        sk="SK",
        project_id="PROJECT_ID",
        iam_domain="IAM_DOMAIN",
        iam_user="IAM_USER",
    )
