"""The emulator's flags, and serving until a signal: the only part that prints."""

import argparse
import asyncio
import errno
import ipaddress
import math
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from batch_updater.emulator.app import Emulator
from batch_updater.emulator.faults.script import read_script
from batch_updater.emulator.plain import printable
from batch_updater.emulator.rules import switches
from batch_updater.emulator.settings import (
    DAY,
    DEFAULT_TOKEN,
    CallLimit,
    EmulatorSettings,
)
from batch_updater.emulator.state.storage import DataError
from batch_updater.emulator.tls import TlsError

VARIABLE = "BATCH_UPDATER_EMULATOR_"
TOKEN_VARIABLE = f"{VARIABLE}TOKEN"
# Settings that come from the environment alone: secrets are never flags.
FROM_ENVIRONMENT = (
    *("token", "project_id", "ak", "sk"),
    *("iam_domain", "iam_user", "iam_password"),
)
UNLIMITED = "unlimited"
DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h|d)")
CALLS = re.compile(r"([1-9]\d{0,8})/([1-9]\d{0,4})([smhd])", re.ASCII)
PROJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
USAGE_ERROR = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every flag of the emulator to a parser."""
    _add_server(parser.add_argument_group("server"))
    _add_quota(parser.add_argument_group("quota"))
    _add_identity(parser.add_argument_group("identity"))
    _add_unknowns(parser.add_argument_group("unknowns of the service"))


def serve(
    namespace: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> int:
    """Serve until SIGINT or SIGTERM; return 0, or 2 for input that is wrong."""
    try:
        emulator = make_emulator(namespace, environ)
    except ValueError as problem:
        return _refuse(problem)
    try:
        asyncio.run(_until_signal(emulator, namespace.port_file))
    except (DataError, TlsError) as problem:
        return _refuse(problem)
    except OSError as problem:
        return _refuse(_taken(problem, namespace.port) or problem)
    return 0


def make_emulator(
    namespace: argparse.Namespace, environ: Mapping[str, str]
) -> Emulator:
    """Return an emulator as flags and environment say; ValueError when they are wrong."""
    if not (namespace.allow_remote or is_loopback(namespace.host)):
        raise ValueError(
            f"{namespace.host} is not a loopback address, and the emulator lets in "
            "whoever knows its published token; --allow-remote listens there anyway"
        )
    emulator = Emulator(settings_of(namespace, environ))
    if namespace.script is not None:
        emulator.script(read_script(namespace.script))
    return emulator


def settings_of(
    namespace: argparse.Namespace, environ: Mapping[str, str]
) -> EmulatorSettings:
    """Fold flags and environment into settings; a flag bears its setting's name."""
    names = {each.name for each in fields(EmulatorSettings)}
    given = {name: value for name, value in vars(namespace).items() if name in names}
    for name in FROM_ENVIRONMENT:
        if value := environ.get(VARIABLE + name.upper()):
            given[name] = value
    return EmulatorSettings(**given | {"projects": _projects(namespace.projects)})


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine alone: localhost, 127.0.0.0/8 or ::1."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def duration(text: str) -> float:
    """Read `30ms`, `1.5s` or `2m` as seconds."""
    found = DURATION.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration like 30ms, 1.5s, 2m")
    seconds = float(found[1]) * UNITS[found[2]]
    if not math.isfinite(seconds):
        raise argparse.ArgumentTypeError(f"{text!r} is too long")
    return seconds


def offset(text: str) -> float:
    """Read a duration that may be negative, like `-20m`, as seconds."""
    return -duration(text[1:]) if text.startswith("-") else duration(text)


def call_limit(text: str) -> CallLimit:
    """Read `200/1s` or `10/1m`: calls in a window of s, m, h or d."""
    found = CALLS.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no limit like 200/1s, 10/1m")
    return CallLimit(int(found[1]), int(found[2]) * int(UNITS[found[3]]))


def project(text: str) -> tuple[str, str]:
    """Read `NAME=ID`."""
    name, _, project_id = text.partition("=")
    if not name or not PROJECT_ID.fullmatch(project_id):
        raise argparse.ArgumentTypeError(f"{text!r} is no project like NAME=ID")
    return name, project_id


def requests_a_second(text: str) -> int | None:
    """Read a whole number from 1, or `unlimited` as None."""
    if text == UNLIMITED:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no whole number from 1, nor {UNLIMITED}"
        )
    return int(text)


def count(text: str) -> int:
    """Read a whole number from 0."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def welcome(emulator: Emulator) -> str:
    """Return the line that says where it listens and how to use it."""
    url, project = emulator.url, emulator.project_id
    # A token that somebody chose is theirs to know.
    chosen = emulator.token != DEFAULT_TOKEN
    token = f"${TOKEN_VARIABLE}" if chosen else DEFAULT_TOKEN
    return (
        f"FRS emulator listens on {url} ; try: "
        f"BATCH_UPDATER_TOKEN={token} batch-updater doctor --endpoint {url} "
        f"--project-id {project}"
    )


def _projects(given: list[tuple[str, str]]) -> dict[str, str]:
    projects = dict(given)
    if len(projects) < len(given):
        raise ValueError("--project: a name is given twice")
    return projects


def _refuse(problem: Exception) -> int:
    sys.stderr.write(printable(f"emulator: {problem}") + "\n")
    return USAGE_ERROR


def _taken(problem: OSError, port: int) -> ValueError | None:
    if problem.errno != errno.EADDRINUSE:
        return None
    return ValueError(f"port {port} is in use; --port 0 takes a free one")


async def _until_signal(emulator: Emulator, port_file: Path | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with emulator:
        if port_file is not None:
            _write_whole(port_file, f"{emulator.port}\n")
        sys.stdout.write(printable(welcome(emulator)) + "\n")
        sys.stdout.flush()
        await stop.wait()


def _write_whole(path: Path, text: str) -> None:
    # Whoever waits for the file must never read half of it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.fchmod(handle, 0o600)  # what a narrow umask has taken away
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
    Path(name).replace(path)


def _add_server(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=8099, help="0 takes a free one")
    add("--port-file", type=Path, metavar="FILE", help="gets the port once it listens")
    add("--allow-remote", action="store_true", help="allow a host beyond loopback")
    add("--data", type=Path, metavar="FILE", help="keeps the face sets over restarts")
    add("--script", type=Path, metavar="FILE", help="planned faults, TOML [[fault]]")
    add("--tls-cert", type=Path, metavar="FILE", help="PEM; speaks https")
    add("--tls-key", type=Path, metavar="FILE", help="PEM, without a passphrase")
    shift = "sets its clock wrong, as =20m or =-20m"
    add("--clock-offset", type=offset, default=0.0, metavar="TIME", help=shift)
    add("--latency", type=duration, default=0.03, metavar="TIME", help="default 30ms")
    add("--jitter", type=duration, default=0.003, metavar="TIME", help="default 3ms")
    unseen = "hides a face just added; default 0s"
    add("--lag", type=duration, default=0.0, metavar="TIME", help=unseen)
    unseen = "hides the new values of an update; default 0s"
    add("--update-lag", type=duration, default=0.0, metavar="TIME", help=unseen)


def _add_quota(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    limit = f"requests a second, or {UNLIMITED}; default 10"
    add("--qps", type=requests_a_second, default=10, metavar="N", help=limit)
    more = "calls more that a second may hold; default 0"
    add("--burst", type=count, default=0, metavar="N", help=more)
    add("--quota-per-operation", action="store_true", help="not shared by all of them")
    add("--quota-per-project", action="store_true", help="not shared by all of them")
    add("--count-refused", action="store_true", help="refused calls use up quota too")
    add(
        "--retry-after", type=int, metavar="SECONDS", help="sent with 429; default none"
    )
    limit = "calls of a user to an API, as 200/1s or 10/1m; default none"
    add("--gateway-quota", type=call_limit, metavar="N/TIME", help=limit)
    add("--ratelimit-headers", action="store_true", help="send what is left of it")
    limit = "calls a second to IAM; default unlimited"
    add("--iam-qps", type=requests_a_second, metavar="N", help=limit)


def _add_identity(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--project",
        dest="projects",
        type=project,
        action="append",
        default=[],
        metavar="NAME=ID",
        help="one more project; repeatable",
    )

    def life(flag: str, text: str) -> None:
        add(flag, type=duration, default=DAY, metavar="TIME", help=text)

    life("--token-life", "of tokens from IAM; default 24h")
    life("--metadata-key-life", "of keys from the metadata service; default 24h")


def _add_unknowns(group: argparse._ArgumentGroup) -> None:
    for switch in switches():
        group.add_argument(
            f"--{switch.name.replace('_', '-')}",
            choices=switch.allowed,
            default=switch.default,
            help=f"{switch.meaning}; default {switch.default}",
        )
