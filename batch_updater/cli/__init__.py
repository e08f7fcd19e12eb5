"""The command: the only place that reads argv, prints and exits."""

import argparse
import sys
import traceback
from collections.abc import Sequence

from batch_updater.cli.parser import make_parser
from batch_updater.errors import BatchUpdaterError, RunStopped


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; README has their table."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = make_parser(words[0] if words else "").parse_args(words)
    code = 0
    try:
        code = arguments.command(arguments)
        sys.stdout.flush()
    except BatchUpdaterError as error:
        return _report(error, arguments)
    except KeyboardInterrupt:
        print("batch-updater: stopped by SIGINT", file=sys.stderr)
        return 130
    except BrokenPipeError:
        from batch_updater.cli.show import leave_stdout  # noqa: PLC0415

        leave_stdout()
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
