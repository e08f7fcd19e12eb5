"""The command: the only place that reads argv, prints and exits."""

import argparse
import errno
import sys
import traceback
from collections.abc import Sequence

from batch_updater.cli.parser import make_parser
from batch_updater.cli.stopping import signal_of, stopped_by_signals
from batch_updater.cli.streams import unfailing_streams
from batch_updater.errors import BatchUpdaterError, RunStopped

_RECORDED = frozenset({"run", "resume", "retry", "export"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; README has their table."""
    words = list(sys.argv[1:] if argv is None else argv)
    with unfailing_streams() as out:
        code = _run(words)
        out.flush()
        if out.trouble and out.trouble.errno != errno.EPIPE:
            said = out.trouble.strerror
            print(f"batch-updater: stdout cannot be written: {said}", file=sys.stderr)
            # What a run came to is on record; of others, stdout is all there is.
            return code if words[0] in _RECORDED else code or 2
    return code


def _run(words: list[str]) -> int:
    arguments = make_parser(words[0] if words else "").parse_args(words)
    try:
        with stopped_by_signals():
            code: int = arguments.command(arguments)
    except BatchUpdaterError as error:
        return _report(error, arguments)
    except KeyboardInterrupt as stop:
        signum = signal_of(stop)
        print(f"batch-updater: stopped by {signum.name}", file=sys.stderr)
        return 128 + signum
    except Exception:
        traceback.print_exc()
        print(
            "batch-updater: this is a bug in batch-updater; the run directory, if "
            "there is one, holds every outcome known so far",
            file=sys.stderr,
        )
        return 7
    return code


def _report(error: BatchUpdaterError, arguments: argparse.Namespace) -> int:
    from batch_updater.cli.show import print_json, wants_json  # noqa: PLC0415
    from batch_updater.report.text import printable  # noqa: PLC0415

    code = error.code if isinstance(error, RunStopped) else error.exit_code
    print(f"batch-updater: error: {printable(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"  {printable(error.hint)}", file=sys.stderr)
    if wants_json(arguments):
        print_json({"error": error.message, "hint": error.hint, "exit_code": code})
    return code
