"""The command: the only place that reads argv, prints and exits."""

import argparse
import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Sequence

from batch_updater.cli.ending import ending, tell_programs, wants_json
from batch_updater.cli.log import log_bug, log_error, logging_to_stderr
from batch_updater.cli.parser import make_parser
from batch_updater.cli.stopping import signal_of, stopped_by_signals
from batch_updater.cli.streams import unfailing_streams
from batch_updater.errors import BatchUpdaterError, RunStopped

_RECORDED = frozenset(
    {"run", "plan", "apply", "rollback", "resume", "retry", "export", "verify"}
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; README has their table."""
    words = list(sys.argv[1:] if argv is None else argv)
    # Its own pool keeps what it has freed: 20 MB here, and more the longer it runs.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    _print_everything()
    with unfailing_streams() as out:
        arguments = make_parser(words[0] if words else "").parse_args(words)
        with logging_to_stderr(arguments), ending(words[0], arguments) as told:
            code = _run(arguments)
            out.flush()
            if out.trouble and out.trouble.errno != errno.EPIPE:
                log_error(f"stdout cannot be written: {out.trouble.strerror}")
                # What a run came to is on record; of others, stdout is all there is.
                code = code if words[0] in _RECORDED else code or 2
            told.notify(code)
    return code


def _print_everything() -> None:
    """Let no name end a command because the terminal's encoding lacks a letter."""
    codecs.register_error("spelled-out", _spell_out)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="spelled-out")


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    # As JSON does, whose lines must stay JSON; Python's own way is not that.
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _run(arguments: argparse.Namespace) -> int:
    try:
        with stopped_by_signals():
            code: int = arguments.command(arguments)
    except BatchUpdaterError as error:
        return _report(error, arguments)
    except KeyboardInterrupt as stop:
        signum = signal_of(stop)
        log_error(f"stopped by {signum.name}")
        return _conclude(f"stopped by {signum.name}", "", 128 + signum, arguments)
    except Exception:
        log_bug()
        return _conclude("a bug in batch-updater", "", 7, arguments)
    return code


def _report(error: BatchUpdaterError, arguments: argparse.Namespace) -> int:
    code = error.code if isinstance(error, RunStopped) else error.exit_code
    log_error(error.message, error.hint)
    return _conclude(error.message, error.hint, code, arguments)


def _conclude(message: str, hint: str, code: int, arguments: argparse.Namespace) -> int:
    """Tell programs why a command ends, as JSON; return the exit code."""
    content = {"error": message, "hint": hint, "exit_code": code}
    tell_programs(content, as_json=wants_json(arguments))
    return code
