"""python -m benchmarks [NAME [options]]: repeat a measurement of benchmarks/README.md, or list them."""

import argparse
import ast
import platform
import signal
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("aiohttp", "aiolimiter", "pandas", "pyarrow", "orjson")


def main(arguments: list[str]) -> None:
    """
    Run the measurement that is named; list them all when none is.

    A module beside this one is a measurement when it has `add_options(parser)` and
    `measure(options)`, which prints a table. Its first lines say of what.
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
    # What a measurement started ends with it, also when it is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"Python {platform.python_version()}, {packages}\n", flush=True)
    module.measure(options)


def _list() -> dict[str, str]:
    told = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = ast.parse(path.read_text("utf-8"))
        defined = {
            each.name for each in module.body if isinstance(each, ast.FunctionDef)
        }
        if {"add_options", "measure"} <= defined:
            words = ast.get_docstring(module) or ""
            told[path.stem] = words.partition("\n\n")[0].replace("\n", " ")
    return told


main(sys.argv[1:])
