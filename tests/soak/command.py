"""The soak as a command: what it does, what it found, and an exit code."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from soak.checks import check
from soak.plan import Plan
from soak.soaking import soak


def main(argv: Sequence[str] | None = None) -> int:
    """Soak once and print the table; 0 when everything held, 1 otherwise."""
    arguments = _parser().parse_args(argv)
    plan = Plan(
        seconds=60 * arguments.minutes,
        rate=arguments.rate,
        timeout=arguments.timeout,
        concurrency=arguments.concurrency,
        headroom=arguments.headroom,
    )
    print(
        f"{plan.rows:,} rows at {plan.rate} a second, {arguments.minutes:g} min; "
        f"{plan.busy:.0f} of {plan.concurrency} workers are busy on average"
    )
    with tempfile.TemporaryDirectory() as folder:
        found = check(soak(plan, Path(folder)))
    print("\n| | check | seen |\n|---|---|---|")
    for each in found:
        print(f"| {'held' if each.good else 'BROKEN'} | {each.what} | {each.seen} |")
    return 0 if all(each.good for each in found) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=int, default=300, help="requests a second")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds of one try")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--headroom", default="1%", help="as the command takes it")
    return parser
