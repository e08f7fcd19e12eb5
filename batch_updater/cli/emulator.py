"""`emulator`: the local FRS as a command."""

import argparse

from batch_updater.emulator.command import serve


def emulator(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    return serve(arguments)
