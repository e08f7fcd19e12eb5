"""
python -m guards.counting FILE run|stream ...: the command or the library, counted.

Into the file goes one JSON object. In a process of its own: what is counted is nobody
else's, and modules are those that it needs.
"""

import collections
import gc
import json
import sys
import threading
from collections.abc import Callable, Sequence
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

# Who calls what is due: asyncio's own loop, or whoever runs one that is no Python.
_LOOPS = {("events.py", "_run"), ("runners.py", "run")}


class Counter:
    """Counts what the interpreter tells a profiler, in every thread, calls also by file."""

    def __init__(self) -> None:
        self.calls = 0
        self.c_calls = 0
        self.coroutines = 0
        self.steps = 0
        self.files: collections.Counter[str] = collections.Counter()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Take one event."""
        if event == "call":
            self.calls += 1
            code, caller = frame.f_code, frame.f_back
            self.files[code.co_filename] += 1
            self.coroutines += bool(code.co_flags & CO_COROUTINE)
            self.steps += caller is not None and _name(caller.f_code) in _LOOPS
        elif event == "c_call":
            self.c_calls += 1


def _name(code: CodeType) -> tuple[str, str]:
    return code.co_filename.rpartition("asyncio/")[2], code.co_name


def count_run(arguments: Sequence[str]) -> dict[str, Any]:
    """Run the command line; return its exit code, counts and modules."""
    counter = Counter()
    threading.setprofile(counter)
    sys.setprofile(counter)
    from batch_updater.cli import main

    code = main(arguments)
    sys.setprofile(None)
    threading.setprofile(None)
    counts = vars(counter)
    return {"code": code, **counts, "modules": sorted(sys.modules)}


def count_stream(arguments: Sequence[str]) -> dict[str, Any]:
    """
    Send updates by the library without the cyclic collector; return blocks by result.

    Args:
        arguments: endpoint, project, face set, token, how many updates, and how many
            results lie between two looks.
    """
    from batch_updater import FaceUpdate, update_all

    endpoint, project, face_set, token, *numbers = arguments
    rows, every = map(int, numbers)
    blocks: list[int] = []
    seen = 0

    def look(result: object) -> None:
        nonlocal seen
        seen += 1
        if seen % every == 0:
            blocks.append(sys.getallocatedblocks())

    updates = (FaceUpdate(f"face{n:04d}", None, {"age": n}) for n in range(1, rows + 1))
    gc.collect()
    gc.disable()
    update_all(
        updates,
        on_result=look,
        endpoint=endpoint,
        project_id=project,
        face_set=face_set,
        token=token,
        rate="unlimited",
        concurrency=16,
    )
    return {"blocks": blocks}


_WAYS: dict[str, Callable[[Sequence[str]], dict[str, Any]]] = {
    "run": count_run,
    "stream": count_stream,
}

if __name__ == "__main__":
    file, way, *rest = sys.argv[1:]
    Path(file).write_text(json.dumps(_WAYS[way](rest)))
