"""What a command imports before it can answer: most of the time that its start takes."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

# Each takes from 40 ms to half a second, and 10 to 50 MB.
HEAVY = frozenset({"aiohttp", "asyncio", "numpy", "pandas", "pyarrow", "tqdm"})
# 181 when this was written, with 55 ms to import them: 0.3 ms each. More than these
# are a library that crept in, not a room of our own.
MOST = 215


def imported(folder: Path, *words: str) -> list[str]:
    """Return the modules that are there after a command, in a process of its own."""
    probe = (
        "import sys, json; from batch_updater.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit: pass\n"
        "print(); print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        timeout=60,
        check=True,
        cwd=folder,
    )
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return modules


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("--version",)])
def test_help_loads_little(tmp_path: Path, words: tuple[str, ...]) -> None:
    """--help answers before anything heavy is loaded, with no more modules than now."""
    modules = imported(tmp_path, *words)
    assert not HEAVY & set(modules)
    assert len(modules) <= MOST, modules


NOT_NEEDED: Mapping[str, str] = {
    "aiohttp": "nothing is sent: 0.1 s, since it reads the system's certificates",
    "batch_updater.pipeline": "a run's story is not told",
    "pyarrow.dataset": "half a second, and not needed to read a file",
}


def test_check_loads_no_network(tmp_path: Path) -> None:
    """A check that asks nobody starts without what a run needs to ask and send."""
    (tmp_path / "a.csv").write_text("face_id,external_image_id\n00000001,a\n")
    modules = imported(tmp_path, "check", "a.csv")
    assert "batch_updater.intake.survey" in modules
    assert {name: NOT_NEEDED[name] for name in NOT_NEEDED.keys() & set(modules)} == {}
