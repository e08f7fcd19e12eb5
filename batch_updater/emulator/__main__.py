"""python -m batch_updater.emulator: the emulator as a command of its own."""

import argparse
import sys

from batch_updater.emulator.command import add_arguments, serve


def main() -> int:
    """Read the flags and serve until a signal."""
    parser = argparse.ArgumentParser(
        prog="python -m batch_updater.emulator",
        description="A local stand-in of Huawei Cloud FRS.",
    )
    add_arguments(parser)
    return serve(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
