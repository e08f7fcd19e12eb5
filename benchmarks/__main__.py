"""python -m benchmarks [rate|quota|check|signing|resume]: print the tables of benchmarks/README.md."""

import argparse
import platform
from importlib.metadata import version

from benchmarks import check, quota, rate, resume, signing

_PACKAGES = ("aiohttp", "aiolimiter", "pandas", "pyarrow", "orjson")
_ALL = ("rate", "quota", "check", "signing", "resume")


def main() -> None:
    """Run the measurements that were asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("what", nargs="*", choices=[*_ALL, []])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=12.0)
    arguments = parser.parse_args()
    what = arguments.what or _ALL
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    print(f"Python {platform.python_version()}, {packages}\n")
    if "rate" in what:
        rate.measure(arguments.seconds, arguments.rounds)
    if "quota" in what:
        quota.measure(arguments.seconds)
    if "check" in what:
        check.measure(arguments.rounds)
    if "signing" in what:
        signing.measure(arguments.rounds)
    if "resume" in what:
        resume.measure()


main()
