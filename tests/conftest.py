"""What every test may use: helper modules by name, and a bench for whole runs."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bench import Bench

    from benchmarks.nginx.running import Nginx

# With --import-mode=importlib a test cannot import its neighbours otherwise.
_HERE = Path(__file__).parent
_ROOMS = (
    "integration",
    "e2e",
    "docs",
    "pacing",
    "states",
    ".",
    "..",
)  # the last has benchmarks
sys.path[:0] = [str((_HERE / folder).resolve()) for folder in _ROOMS]


def pytest_configure() -> None:
    """Let signals mean what they mean, also when the tests run under nohup or in a job."""
    for signum in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def frs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The official SDK's module; its import writes into HOME, here a scratch folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        from huaweicloudsdkfrs import v2

        yield v2


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What is logged while the test runs, by this package from level INFO on."""
    records: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler, log = Kept(), logging.getLogger("batch_updater")
    logging.getLogger().addHandler(handler)
    level = log.level
    log.setLevel(logging.INFO)
    yield records
    log.setLevel(level)
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Bench"]:
    """An empty folder, a clean environment with a token, and an emulator whose faults must all fire."""
    from bench import Bench, start_emulator

    for name in os.environ:
        if name.startswith(("BATCH_UPDATER_", "HUAWEICLOUD_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / ".home"))
    with start_emulator() as emulator:
        monkeypatch.setenv("BATCH_UPDATER_TOKEN", emulator.token)
        made = Bench(tmp_path, emulator)
        yield made
        made.all_fired()


@pytest.fixture
def nginx() -> Iterator["Nginx"]:
    """A private nginx that answers like FRS, and counts."""
    from benchmarks.nginx.running import HOW_TO_INSTALL, find_nginx, start_nginx

    if find_nginx() is None:
        pytest.skip(HOW_TO_INSTALL)
    with start_nginx() as server:
        yield server
