"""Closed terminals, gone readers, full disks: what is written to people disturbs no run."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench import PATIENCE, Bench, assert_accounted, fault, make_rows, wait_for
from commands import COMMAND, call, environment, usual

ROWS = 60


def in_shell(
    bench: Bench, script: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of the shell, in which "$0" "$@" is the command."""
    return subprocess.run(
        ["/bin/sh", "-c", script, COMMAND, *arguments],
        cwd=bench.folder,
        env=environment(bench),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(
    ("where", "progress"),
    [
        ("2>&-", "bar"),
        (">&-", "plain"),
        ("<&- >&- 2>&-", "plain"),
        ("2>/dev/full", "bar"),
        (">/dev/full 2>/dev/full", "plain"),
    ],
)
def test_streams_that_cannot_be_written(
    bench: Bench, where: str, progress: str
) -> None:
    """A run's exit code is the run's, and no line of one stream goes to another."""
    source = bench.prepare(ROWS)
    done = in_shell(
        bench,
        f'exec "$0" "$@" {where}',
        *("run", source, *usual(bench), "--progress", progress, "--output", "json"),
    )
    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr
    assert_accounted(bench, {source: make_rows(ROWS)})
    lines = done.stdout.splitlines()
    assert len(lines) == (1 if where.startswith("2>") else 0)
    assert all(json.loads(line)["exit_code"] == 0 for line in lines)


@pytest.mark.parametrize(("stream", "progress"), [("", "plain"), ("2>&1 >out", "bar")])
def test_a_reader_that_goes_away(bench: Bench, stream: str, progress: str) -> None:
    """`| head` on either stream ends nothing but itself."""
    source = bench.prepare(ROWS)
    script = f'{{ "$0" "$@" {stream}; echo $? >code; }} | exec true'
    words = ("run", source, *usual(bench), "--progress", progress)
    assert in_shell(bench, script, *words).returncode == 0
    assert Path("code").read_text() == "0\n"
    assert_accounted(bench, {source: make_rows(ROWS)})


def test_what_cannot_be_shown_is_said(bench: Bench) -> None:
    """A stdout on a full disk: a run goes by its rows, a command that only tells fails."""
    source = bench.prepare(3)
    full = 'exec "$0" "$@" >/dev/full'
    done = in_shell(bench, full, "run", source, *usual(bench))
    assert done.returncode == 0
    assert "stdout cannot be written: No space left on device" in done.stderr
    for words in (("explain",), ("results", "job")):
        assert in_shell(bench, full, *words).returncode == 2
    assert in_shell(bench, '"$0" explain | head -n 1').stdout.count("\n") == 1


def test_stdin_that_is_closed(bench: Bench) -> None:
    """`run -` without a stdin is an empty input, told in words."""
    done = in_shell(bench, 'exec "$0" "$@" <&-', "run", "-", *usual(bench))
    assert done.returncode == 2
    assert "-: is empty" in done.stderr


@contextmanager
def on_terminal(
    bench: Bench, script: str, *arguments: str
) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Start a script as the leader of a terminal's session; give the other end."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec 0<>"$TTY" 1>&0 2>&0; {script}', COMMAND, *arguments],
        cwd=bench.folder,
        env={**environment(bench), "TTY": os.ttyname(slave)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield master, process
    finally:
        os.close(slave)
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE)


@pytest.mark.parametrize(
    ("script", "code", "progress"),
    [('exec "$0" "$@"', 129, "bar"), ('exec nohup "$0" "$@"', 0, "plain")],
)
def test_a_terminal_that_is_closed(
    bench: Bench, script: str, code: int, progress: str
) -> None:
    """The run drains and can be resumed; under nohup it goes on to its end."""
    source = bench.prepare(ROWS)
    bench.emulator.script([fault("delay", seconds=0.1, times=0)])
    words = ("run", source, *usual(bench), "--concurrency", "8", "--progress", progress)
    with on_terminal(bench, script, *words) as (master, process):
        wait_for(lambda: bench.updates > 16)
        os.close(master)
        assert process.wait(PATIENCE) == code
    outcomes = bench.record().outcomes
    if code:
        assert bench.record().summary["stop"]["message"] == "stopped by SIGHUP"
        assert outcomes["unprocessed"] > 0
        assert {row["ambiguous"] for row in bench.record().results} == {"False"}
        assert call(bench, "resume", "job").code == 0
    assert_accounted(bench, {source: make_rows(ROWS)})
    assert set(bench.applied.values()) == {1}
    assert bench.record().outcomes == {"updated": ROWS}
