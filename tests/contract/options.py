"""The suite's flags: its own, and the updater's where they mean the same."""

import argparse
import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bench import start_emulator

from batch_updater.cli.flags import flags_of
from batch_updater.config.options import BY_NAME
from batch_updater.config.parsing import parse_duration, parse_rate
from batch_updater.config.secrets import TOKEN_VARIABLE
from batch_updater.config.settings import Resolved, resolve
from batch_updater.errors import UsageError
from batch_updater.frs.endpoints import is_loopback

QUOTA = 10  # calls a second (frs-api.md section 4)
_EMULATED = b"\xff\xd8\xff any picture will do"  # the emulator recognises nobody
_SHARED = (
    *("endpoint", "region", "project-id", "allow-http", "ca-cert", "proxy"),
    *("auth", "iam-endpoint", "metadata-endpoint", "token-file"),
)

T = TypeVar("T")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        prog="contract",
        description="Is this service what its documents say? Runs in a face set of "
        "its own, against --endpoint or --region, else against the emulator.",
        epilog="Credentials come from the environment, as for batch-updater.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--client", choices=("ours", "sdk"), default="ours", help="what sends calls")
    add("--image", type=Path, metavar="FILE", help="a picture with one face")
    # Not `rate`, which is the updater's own setting.
    calls = "calls a second, 10 at the most (default: 5)"
    add(
        "--rate",
        dest="calls_a_second",
        type=_by(parse_rate),
        default=5.0,
        metavar="R",
        help=calls,
    )
    wait = "for what was just written (default: 10s)"
    add("--wait", type=_by(parse_duration), default=10.0, metavar="TIME", help=wait)
    add("--burst", action="store_true", help="ask about quotas too, by exceeding them")
    add("--json", action="store_true", help="the report as one JSON object")
    for name in _SHARED:
        _add_shared(parser, name)
    return parser


def _add_shared(parser: argparse.ArgumentParser, name: str) -> None:
    option = BY_NAME[name]
    kind: dict[str, Any] = {"help": option.help.replace("%", "%%")}
    if option.switch:
        kind["action"] = argparse.BooleanOptionalAction
    elif option.choices:
        kind["choices"] = option.choices
    else:
        kind["metavar"] = option.metavar
    parser.add_argument(f"--{name}", **kind)


def _by(parse: Callable[[str], T]) -> Callable[[str], T]:
    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ValueError as problem:
            raise argparse.ArgumentTypeError(f"{text!r}: {problem}") from None

    return parsed


@contextmanager
def target_of(
    arguments: argparse.Namespace, environ: Mapping[str, str]
) -> Iterator[Resolved]:
    """
    Resolve the settings; without a target, start an emulator and lead to it.

    Only a flag is a target: what file and environment say is meant for runs, and
    this adds faces.

    Raises:
        UsageError: a setting cannot be meant.
    """
    if arguments.client == "sdk" and arguments.auth is None:
        arguments.auth = "aksk"  # the SDK knows no token
    if arguments.endpoint or arguments.region:
        yield resolve(flags_of(arguments), environ)
        return
    rate = arguments.calls_a_second
    with start_emulator(qps=QUOTA if rate and rate <= QUOTA else None) as emulator:
        there = {
            "endpoint": (emulator.url,),
            "project-id": (emulator.project_id,),
            "auth": (arguments.auth or "token",),
        }
        keys = emulator.settings
        known = {TOKEN_VARIABLE: emulator.token}
        known |= {"HUAWEICLOUD_SDK_AK": keys.ak, "HUAWEICLOUD_SDK_SK": keys.sk}
        yield resolve(there, known, recorded={})


def check_rate(rate: float | None, endpoint: str) -> float | None:
    """Return the rate; UsageError for one that no real service allows."""
    if (rate is None or rate > QUOTA) and not is_local(endpoint):
        raise UsageError(
            f"--rate must be {QUOTA} at the most",
            hint="More is the account's quota; a faster one is for the emulator alone.",
        )
    return rate


def read_image(path: Path | None, endpoint: str) -> str:
    """Return the picture in base64; UsageError when one is needed, or unreadable."""
    if path is None and not is_local(endpoint):
        raise UsageError(
            "no picture is given",
            hint="Faces are added to a face set of our own: IMAGE=face.jpg, or "
            "--image, names a picture (JPG, PNG or BMP) with one face.",
        )
    try:
        content = _EMULATED if path is None else path.read_bytes()
    except OSError as problem:
        raise UsageError(f"--image {path}: {problem.strerror}") from None
    return base64.b64encode(content).decode()


def is_local(endpoint: str) -> bool:
    """Return whether an endpoint is on this machine, as the emulator is."""
    return is_loopback(urlsplit(endpoint).hostname or "")
