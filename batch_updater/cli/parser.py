"""Flags: every command's own, and the shared ones from the table of settings."""

import argparse
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

from batch_updater.cli.flags import add_options
from batch_updater.config.options import OPTIONS
from batch_updater.config.secrets import MASK, mask_url
from batch_updater.inert import printable
from batch_updater.version import __version__

_ALL = ("input", "mapping", "target", "pace", "retry", "safety", "output")
_RESUMED = ("target", "pace", "retry", "safety", "update", "output", "credentials")
# Which rows a run is about has been settled once it is there.
_OF_THE_RUN = frozenset({"changed-only", "max-changes", "yes"})
# What a run sends is measured against the state, whatever its age.
_OF_PLANS = frozenset({"state-max-age"})
_PLANNED = ("target", "pace", "retry", "safety", "update", "apply", "state")
_NOT_PLANNED = frozenset({"backup", "changed-only"})
_EPILOG = (
    "Every flag --like-this is also BATCH_UPDATER_LIKE_THIS in the environment and "
    "like-this in batch-updater.toml; flag > environment > file > default. The token "
    "is never a flag: put it into BATCH_UPDATER_TOKEN or into --token-file."
)
_USAGE = {
    "run": "%(prog)s INPUT... --face-set NAME [flags]",
    "check": "%(prog)s INPUT... [flags]",
    "apply": "%(prog)s PLAN [flags]",
    "rollback": "%(prog)s RUN_DIR [-o FILE] [flags]",
    "resume": "%(prog)s RUN_DIR [flags]",
    "retry": "%(prog)s RUN_DIR [--class CLASS] [--code CODE] [--from FILE] [flags]",
    "plan": "%(prog)s INPUT... --face-set NAME -o FILE.parquet [flags]",
    "verify": "%(prog)s RUN_DIR|INPUT... [--sample N|N%%] [flags]",
    "export": "%(prog)s FACE_SET [--ids FILE...] -o FILE [flags]",
    "results": "%(prog)s RUN_DIR [DIRECTORY...] [--family] [--row N | --face ID] [flags]",
    "explain": "%(prog)s [CODE] [flags]",
    "state": "%(prog)s show|rebuild|forget [RUN_DIR...] [--face ID] [flags]",
}


_ADDRESS = re.compile(r"https?://\S+")


class _Parser(argparse.ArgumentParser):
    """Repeats what was typed so that it cannot steer the terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(_ADDRESS.sub(_masked, message)))


def _masked(found: re.Match[str]) -> str:
    """Return an address that was typed without what may be a secret in it."""
    try:
        return mask_url(found[0])
    except ValueError:
        return MASK


def make_parser(chosen: str = "") -> argparse.ArgumentParser:
    """
    Return the parser; each command's function is in `command`.

    Args:
        chosen: the first word of the command line. The emulator brings its own
            flags and a web server with them, which other commands need not load.
    """
    parser = _Parser(
        prog="batch-updater",
        description="Bulk updates of face metadata in Huawei Cloud FRS: paced, "
        "journaled, resumable.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_check(commands)
    _add_plan(commands)
    _add_apply(commands)
    _add_rollback(commands)
    _add_resume(commands)
    _add_retry(commands)
    _add_verify(commands)
    _add_results(commands)
    _add_doctor(commands)
    _add_explain(commands)
    _add_export(commands)
    _add_state(commands)
    _add_emulator(commands, flags=chosen == "emulator")
    return parser


def _add_run(commands: Any) -> None:
    command = _command(commands, "run", "check every row, then update the faces")
    _add_inputs(command)
    add_options(command, (*_ALL, "update", "state", "credentials"), without=_OF_PLANS)
    _add_config(command)
    command.set_defaults(command=_later("run", "run"))


def _add_check(commands: Any) -> None:
    command = _command(commands, "check", "check every row; send nothing")
    _add_inputs(command)
    command.add_argument(
        "--against-face-set",
        action="store_true",
        help="fetch the types that the face set declares (one read-only request)",
    )
    command.add_argument(
        "--invalid-csv", metavar="FILE", help="write the refused rows to this file"
    )
    groups = ("input", "mapping", "target", "pace", "retry", "output", "credentials")
    unused = {"run-dir", "progress", "results-format", "include-values", "check-ahead"}
    add_options(command, groups, without=unused)
    add_options(command, ("update",), without={"backup", *_OF_THE_RUN})
    _add_config(command)
    command.set_defaults(command=_later("check", "check"))


def _add_plan(commands: Any) -> None:
    command = _command(
        commands, "plan", "which faces would change, and how; change nothing"
    )
    _add_inputs(command)
    groups = ("export", "plan", "state", *_ALL, "credentials")
    add_options(command, groups, without={"dry-run", "check-ahead"})
    _add_config(command)
    command.set_defaults(command=_later("plan", "plan"))


def _add_apply(commands: Any) -> None:
    command = _command(
        commands, "apply", "send what a plan says, where it still holds what was seen"
    )
    command.add_argument("plan", metavar="PLAN", help="what plan -o wrote")
    groups = (*_PLANNED, "output", "credentials")
    add_options(command, groups, without=_NOT_PLANNED)
    _add_config(command)
    command.set_defaults(command=_later("apply", "apply"))


def _add_rollback(commands: Any) -> None:
    command = _command(
        commands, "rollback", "put back what a run found, where it holds what was sent"
    )
    command.add_argument("run_directory", metavar="RUN_DIR")
    unused = _NOT_PLANNED | {"page", "max-age", "check-drift"}
    groups = ("export", *_PLANNED, "output", "credentials")
    add_options(command, groups, without=unused)
    _add_config(command)
    command.set_defaults(command=_later("rollback", "rollback"))


def _add_resume(commands: Any) -> None:
    command = _command(commands, "resume", "go on where a run stopped")
    command.add_argument("run_directory", metavar="RUN_DIR")
    groups = ("export", "plan", *_RESUMED, "apply")
    unused = {"face-set", "run-dir", "dry-run", "against", "drift-sample"}
    add_options(command, groups, without=unused | {*_OF_THE_RUN})
    command.set_defaults(command=_later("rerun", "resume"))


def _add_retry(commands: Any) -> None:
    command = _command(commands, "retry", "send the failed rows of a run again")
    command.add_argument("run_directory", metavar="RUN_DIR")
    group = command.add_argument_group("which rows")
    group.add_argument(
        "--class",
        dest="wanted",
        choices=("transient", "permanent", "all"),
        default="all",
        help="of the failed rows, those whose error may pass by itself, or those "
        "whose error will not (default: all)",
    )
    group.add_argument(
        "--code",
        dest="codes",
        action="append",
        default=[],
        metavar="CODE",
        help="those with this error code, such as FRS.0403 or TRANSPORT.TIMEOUT; may "
        "be given more than once",
    )
    group.add_argument(
        "--from",
        dest="edited",
        metavar="FILE",
        help="those in this file: failed.csv, mended in a spreadsheet or editor",
    )
    wanted = {"delimiter", "encoding"}
    others = {option.name for option in OPTIONS if option.name not in wanted}
    add_options(command, ("input",), without=others)
    add_options(command, (*_RESUMED, "apply"), without={"face-set", *_OF_THE_RUN})
    command.set_defaults(command=_later("retry", "retry"))


def _add_verify(commands: Any) -> None:
    command = _command(
        commands, "verify", "read faces back, and hold them against what was written"
    )
    command.add_argument(
        "inputs",
        nargs="*",
        metavar="RUN_DIR|INPUT",
        help="the directory of a run (one with a run.json): the rows that it wrote; or "
        "inputs as run takes them: all their rows",
    )
    unused = {"check-ahead", "dry-run"}
    add_options(command, ("verify", *_ALL, "credentials"), without=unused)
    _add_config(command)
    command.set_defaults(command=_later("verify", "verify"))


def _add_results(commands: Any) -> None:
    command = _command(
        commands,
        "results",
        "what happened to one row or face; or make the views of a run again",
    )
    command.add_argument("run_directory", metavar="RUN_DIR")
    command.add_argument("--row", type=int, metavar="N", help="the row's number")
    command.add_argument("--face", metavar="ID", help="the face's id")
    command.add_argument(
        "others",
        nargs="*",
        metavar="DIRECTORY",
        help="with --family: runs of it that are somewhere else",
    )
    command.add_argument(
        "--family",
        action="store_true",
        help="of the run, its retries and theirs together: what became of each row "
        "in the end",
    )
    command.add_argument(
        "--to",
        dest="folder",
        metavar="FOLDER",
        help="with --family: where its views go (default: family in the first run's "
        "directory)",
    )
    add_options(command, ("output",), without={"run-dir", "progress", "notify-url"})
    command.set_defaults(command=_later("results", "results"))


def _add_doctor(commands: Any) -> None:
    command = _command(
        commands, "doctor", "whether a run would be let in, and what is in its way"
    )
    add_options(command, ("target",))
    add_options(command, ("retry",), without={"max-attempts", "max-elapsed", "settle"})
    unused = {"run-dir", "progress", "results-format", "include-values", "notify-url"}
    add_options(command, ("output", "credentials"), without=unused)
    _add_config(command)
    command.set_defaults(command=_later("doctor", "doctor"))


def _add_explain(commands: Any) -> None:
    command = _command(
        commands,
        "explain",
        "what an error code means, what this tool does about it, what you should do",
    )
    command.add_argument(
        "code",
        nargs="?",
        metavar="CODE",
        help="such as FRS.0403 or APIGW.0301; all codes are listed without one",
    )
    unused = {"run-dir", "progress", "results-format", "include-values", "notify-url"}
    add_options(command, ("output",), without=unused)
    command.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="output",
        help="the same as --output json",
    )
    command.set_defaults(command=_later("explain", "explain"))


def _add_export(commands: Any) -> None:
    command = _command(
        commands, "export", "write the faces of a face set to a CSV or Parquet file"
    )
    command.add_argument("face_set", nargs="?", metavar="FACE_SET")
    command.add_argument(
        "--ids",
        action="extend",
        nargs="+",
        metavar="FILE",
        help="ask for these faces one by one, instead of listing the face set: files "
        "with a column of face ids, as run reads them; - is stdin",
    )
    unused = {"on-duplicate", "external-image-id", "field", "face-set", "dry-run"}
    unused |= {"include-values", "check-ahead"}
    add_options(command, ("export", *_ALL, "credentials"), without=unused)
    _add_config(command)
    command.set_defaults(command=_later("export", "export"))


def _add_state(commands: Any) -> None:
    command = _command(
        commands,
        "state",
        "what was last applied: show it, make it again from runs, or forget it",
    )
    command.add_argument("action", choices=("show", "rebuild", "forget"))
    command.add_argument(
        "directories",
        nargs="*",
        metavar="RUN_DIR",
        help="with rebuild: the runs to make it from",
    )
    command.add_argument("--face", metavar="ID", help="with show: one face")
    add_options(command, ("state", "target"), without=_OF_PLANS)
    unused = {"run-dir", "progress", "results-format", "notify-url"}
    add_options(command, ("output",), without=unused)
    _add_config(command)
    command.set_defaults(command=_later("state", "state"))


def _add_emulator(commands: Any, *, flags: bool) -> None:
    command = _command(commands, "emulator", "a local FRS for rehearsals and tests")
    if flags:
        from batch_updater.emulator.command import add_arguments  # noqa: PLC0415

        add_arguments(command)
    command.set_defaults(command=_later("emulator", "emulator"))


def _command(commands: Any, name: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        usage=_USAGE.get(name),
        epilog=None if name == "emulator" else _EPILOG,
        allow_abbrev=False,
    )
    return parser


def _add_inputs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="files, globs or folders of CSV, TSV, JSON Lines or Parquet (.gz and "
        ".zst too); - is stdin",
    )


def _add_config(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("configuration")
    group.add_argument("--config", metavar="FILE", help="instead of batch-updater.toml")
    group.add_argument("--profile", metavar="NAME", help="its [profile.NAME]")
    group.add_argument(
        "--print-config",
        action="store_true",
        help="show every setting and where it comes from, then stop",
    )


def _later(room: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Import a command's room when it is called: pandas takes half a second."""

    def call(arguments: argparse.Namespace) -> int:
        module = import_module(f"batch_updater.cli.{room}")
        code: int = getattr(module, function)(arguments)
        return code

    return call
