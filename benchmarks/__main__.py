"""python -m benchmarks [NAME [options]]: repeat a measurement of benchmarks/README.md, or list them."""

import argparse
import ast
import platform
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("aiohttp", "aiolimiter", "pandas", "pyarrow", "orjson")


def main(arguments: list[str]) -> None:
    """
    Run the measurement that is named; list them all when none is.

    A module beside this one is a measurement, and its first lines say of what. It
    has `add_options(parser)` and `measure(options)`, which prints a table. What
    several of them share lives in the folders.
    """
    known = _list()
    if not arguments or arguments[0] not in known:
        print("python -m benchmarks NAME [options]\n")
        print("\n".join(f"  {name:12}{what}" for name, what in known.items()))
        sys.exit(2 if arguments else 0)
    name = arguments[0]
    # Only this one: what a process has imported counts as memory of its children.
    module = import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser(f"python -m benchmarks {name}", None, known[name])
    module.add_options(parser)
    options = parser.parse_args(arguments[1:])
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    print(f"Python {platform.python_version()}, {packages}\n", flush=True)
    module.measure(options)


def _list() -> dict[str, str]:
    paths = sorted(Path(__file__).parent.glob("[!_]*.py"))
    return {path.stem: _tell(path) for path in paths}


def _tell(path: Path) -> str:
    words = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return words.partition("\n\n")[0].replace("\n", " ")


main(sys.argv[1:])
