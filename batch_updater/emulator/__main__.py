"""python -m batch_updater.emulator: the emulator as a command of its own."""

import sys

from batch_updater.emulator.command import add_arguments, serve
from batch_updater.emulator.plain import Parser, log_to_stderr


def main() -> int:
    """Read the flags and serve until a signal."""
    parser = Parser(
        prog="python -m batch_updater.emulator",
        description="A local stand-in of Huawei Cloud FRS.",
    )
    add_arguments(parser)
    arguments = parser.parse_args()
    log_to_stderr()
    return serve(arguments)


if __name__ == "__main__":
    sys.exit(main())
