"""The suite as a command: one run, its report, its exit code."""

import argparse
import json
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import NoReturn

from batch_updater.config.connection import make_connection
from batch_updater.config.secrets import TOKEN_VARIABLE, read_secrets
from batch_updater.config.settings import Resolved
from batch_updater.errors import BatchUpdaterError, UsageError
from batch_updater.frs.credentials import SigningKey, Token
from batch_updater.frs.protocol import face_set_path, faces_path
from contract.asking import Client
from contract.options import check_rate, make_parser, read_image, target_of
from contract.ours import OurClient, open_client
from contract.pace import Pace
from contract.plain import PlainClient
from contract.report import Report
from contract.sdk import SdkClient
from contract.service import Refused, Service
from contract.setting import build, take_down
from contract.stage import Stage
from contract.suite import examine

_TIMEOUT = 30.0


class Stopped(KeyboardInterrupt):
    """SIGINT or SIGTERM came."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def main(
    argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ
) -> int:
    """Run the suite once; 0 held, 1 not held, 2 usage, 3 refused."""
    arguments = make_parser().parse_args(argv)
    try:
        with (
            _signals_raise(),
            target_of(arguments, environ) as resolved,
            open_stage(arguments, resolved) as stage,
        ):
            report = play(stage)
    except BatchUpdaterError as error:
        said = f"contract: {error.message}\n  {error.hint}".rstrip()
        print(said, file=sys.stderr)
        return error.exit_code
    except Stopped as stopped:
        print("contract: stopped before anything was made", file=sys.stderr)
        return 128 + stopped.signum
    if arguments.json:
        print(json.dumps(report.as_json()))
    else:
        print("\n".join(report.lines()))
    return report.exit_code


@contextmanager
def open_stage(arguments: argparse.Namespace, resolved: Resolved) -> Iterator[Stage]:
    """
    Sign in and yield a stage on which nothing is built yet.

    Raises:
        BatchUpdaterError: the service cannot be asked.
    """
    connection = make_connection(resolved)
    rate = check_rate(arguments.calls_a_second, connection.endpoint)
    image = read_image(arguments.image, connection.endpoint)
    pace = Pace(rate)
    pace.wait()  # signing in may be a request too
    with open_client(connection, _TIMEOUT) as ours:
        client = _client(arguments.client, ours, resolved)
        token = _token(ours, resolved)
        service = Service(client, pace, (*ours.secrets, *_secrets(resolved)))
        name = f"contract-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        plain = _plain(ours, name, token, resolved) if token else None
        stage = Stage(service, name, image, plain, arguments.wait, arguments.burst)
        stage.url = connection.endpoint + face_set_path(ours.project_id, name)
        yield stage


def play(stage: Stage) -> Report:
    """Build the stage, try every case, take it down; return what is known."""
    pace = stage.service.pace
    report = Report(stage.url, stage.service.client.name)
    try:
        report.exit_code = _try_all(stage, report)
    finally:
        if left := take_down(stage):
            by_hand = f'curl -X DELETE -H "X-Auth-Token: $TOKEN" {stage.url}'
            said = f"face set {stage.name} is still there ({left}); delete it by hand"
            _complain(report, f"{said}: {by_hand}")
            report.exit_code = report.exit_code or 1
    report.requests, report.busiest = len(pace.starts), pace.busiest
    return report


def _try_all(stage: Stage, report: Report) -> int:
    try:
        build(stage)
        examine(stage, report.entries)
    except Refused as problem:
        _complain(report, f"{problem.message}\n  {problem.hint}".rstrip())
        return 3
    except Stopped as stopped:
        _complain(report, f"stopped by {signal.Signals(stopped.signum).name}")
        return 128 + stopped.signum
    return 1 if report.not_held else 0


def _complain(report: Report, said: str) -> None:
    report.trouble.append(said)
    print(f"contract: {said}", file=sys.stderr, flush=True)


def _client(name: str, ours: OurClient, resolved: Resolved) -> Client:
    if name == "ours":
        return ours
    credential, endpoint = ours.auth.credential, ours.connection.endpoint
    if not isinstance(credential, SigningKey):
        raise UsageError(
            "the SDK needs an access key",
            hint="Put one into HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or ask "
            "for the updater's own client with CLIENT=ours.",
        )
    return SdkClient(
        endpoint,
        ours.project_id,
        credential.key,
        ca_cert=resolved.settings.ca_cert,
        proxy=ours.connection.proxy_for(endpoint),
    )


def _token(ours: OurClient, resolved: Resolved) -> str:
    credential = ours.auth.credential
    if isinstance(credential, Token):
        return credential.value
    return resolved.environ.get(TOKEN_VARIABLE, "").strip()


def _secrets(resolved: Resolved) -> tuple[str, ...]:
    known = read_secrets(resolved.environ)
    keys = (known.token, known.secret_key, known.security_token)
    return (*keys, known.iam_password, known.proxy_password)


def _plain(ours: OurClient, name: str, token: str, resolved: Resolved) -> PlainClient:
    endpoint = ours.connection.endpoint
    return PlainClient(
        endpoint + faces_path(ours.project_id, name),
        token,
        resolved.settings.ca_cert,
        ours.connection.proxy_for(endpoint),
    )


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise Stopped, so that the face set is deleted."""

    def stop(signum: int, frame: FrameType | None) -> NoReturn:
        raise Stopped(signum)

    former = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
