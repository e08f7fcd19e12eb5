"""--notify-url when the command ends by a signal, and while signals come."""

import json
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from bench import Bench, Ended, wait_for
from commands import started, usual
from hook import Hook, open_hook


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook that takes everything."""
    with open_hook() as opened:
        yield opened


def told(hook: Hook) -> dict[str, str]:
    """Return what the environment says of the webhook."""
    return {"BATCH_UPDATER_NOTIFY_URL": hook.url}


def test_a_run_that_was_stopped(bench: Bench, hook: Hook) -> None:
    """After a drain the summary is posted with why it stopped, and the exit code."""
    source = bench.prepare(60)
    words = ("run", source, *usual(bench), "--rate", "20")
    with started(bench, *words, **told(hook)) as command:
        command.wait_for_results(3)
        command.send(signal.SIGHUP)
        ended = command.wait()
    assert ended.code == hook.only["exit_code"] == 129
    assert hook.only["stop"]["name"] == "interrupted"
    assert hook.only["outcomes"]["unprocessed"] > 0


def test_a_command_that_was_stopped_before_its_run(bench: Bench, hook: Hook) -> None:
    """A signal while stdin is still being read is told as well; nothing was sent."""
    pipe = bench.folder / "pipe"
    words = ("run", "-", *usual(bench), "--output", "json")
    os.mkfifo(pipe)
    with started(bench, *words, stdin=str(pipe), **told(hook)) as command:
        wait_for(lambda: command.has_open("stdin"))
        command.send(signal.SIGTERM)
        ended = command.wait()
    assert ended.code == hook.only["exit_code"] == 143
    assert ended.json == {
        "error": "stopped by SIGTERM",
        "hint": "",
        "exit_code": 143,
    }
    assert hook.only["error"] == "stopped by SIGTERM"
    assert bench.updates == 0


def hanging(bench: Bench, hook: Hook, *signals: int) -> tuple[Ended, str]:
    """Send signals while a webhook does not answer; return the end, and stdout by then."""
    asked, over = threading.Event(), threading.Event()
    out = bench.folder / ".out"
    printed = []

    def wait() -> None:
        printed.append(out.read_text())
        asked.set()
        over.wait(30)

    hook.wait = wait
    words = ("run", bench.prepare(3), *usual(bench), "--output", "json")
    with started(bench, *words, **told(hook)) as command:
        assert asked.wait(30)
        for count, signum in enumerate(signals):
            command.send(signum)
            if not count:
                wait_for(lambda: command.has_said("finishing what is in flight"))
        if len(signals) < 2:
            over.set()
        ended = command.wait()
    over.set()
    return ended, printed[0]


def test_the_summary_is_printed_first(bench: Bench, hook: Hook) -> None:
    """Whoever reads stdout need not wait for the webhook; one signal lets it finish."""
    ended, printed = hanging(bench, hook, signal.SIGTERM)
    assert ended.code == 0
    assert json.loads(printed.splitlines()[-1])["outcomes"]["updated"] == 3
    assert printed == ended.out
    assert hook.only["exit_code"] == 0
    assert "is not posted" not in ended.err


def test_a_second_signal_leaves_the_webhook(bench: Bench, hook: Hook) -> None:
    """A webhook that hangs holds nobody up, and the exit code stays the run's."""
    ended, _ = hanging(bench, hook, signal.SIGINT, signal.SIGINT)
    assert ended.code == 0
    assert f"is not posted to {hook.origin}/***: stopped by SIGINT" in ended.err
