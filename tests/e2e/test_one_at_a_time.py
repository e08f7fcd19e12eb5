"""Real processes on one run directory, and rows from stdin under kill -9."""

import os
import signal
import subprocess
from pathlib import Path

from bench import Bench, fault, wait_for
from commands import COMMAND, call, environment, started, usual

ROWS = 120


def test_a_directory_that_a_process_works_in(bench: Bench) -> None:
    """While a process lives its directory is refused to all others; once it is dead, to nobody."""
    source = bench.prepare(ROWS)
    slow = fault("delay", seconds=0.2, times=0)
    bench.emulator.script([slow])
    with started(bench, "run", source, *usual(bench)) as command:
        command.wait_for_results(20)
        for words in (
            ("resume", "job"),
            ("retry", "job"),
            ("results", "job"),
            ("run", source, *usual(bench)),
        ):
            # in this process, with the lock held by another one
            ended = bench.command(*words)
            assert ended.code == 2, ended
            assert ("in use" if words[0] != "run" else "not empty") in ended.err
            assert command.process.poll() is None
        command.send(signal.SIGKILL)
        command.process.wait(30)
    wait_for(lambda: bench.emulator.witness.in_flight == 0)
    known = sum(line["kind"] == "result" for line in bench.record().journal)
    bench.emulator.script([])
    assert call(bench, "resume", "job").code == 0
    assert bench.record().outcomes == {"updated": ROWS}
    assert len(bench.applied) == ROWS
    assert sum(bench.applied.values()) <= ROWS + 32
    assert sum(bench.applied.values()) - ROWS <= ROWS - known


def test_kill_while_stdin_is_read(bench: Bench) -> None:
    """Rows that were still coming in when the process died: nothing was sent or begun."""
    fifo = bench.folder / "pipe"
    os.mkfifo(fifo)
    with (
        started(bench, "run", "-", *usual(bench), stdin=str(fifo)) as command,
        fifo.open("wb", buffering=0) as pipe,
    ):
        pipe.write(b"face_id,external_image_id\n")
        wait_for(lambda: command.has_open("stdin"))
        command.send(signal.SIGKILL)
        command.process.wait(30)
    assert bench.emulator.witness.requests == 0
    assert not Path("job").exists()
    left = [path for path in Path(".tmp").rglob("*") if path.is_dir()]
    assert [path.stat().st_mode & 0o777 for path in left] == [0o700]


def test_kill_with_rows_from_stdin(bench: Bench) -> None:
    """What came in by stdin is in the run directory before the first row is sent."""
    content = Path(bench.prepare(ROWS)).read_bytes()
    source = bench.folder / "rows"
    source.write_bytes(content)
    bench.emulator.script([fault("delay", seconds=0.05, times=0)])
    words = ("run", "-", *usual(bench))
    with started(bench, *words, stdin=str(source)) as command:
        command.wait_for_results(20)
        command.send(signal.SIGKILL)
        command.process.wait(30)
    wait_for(lambda: bench.emulator.witness.in_flight == 0)
    source.unlink()
    assert Path("job/stdin").read_bytes() == content
    bench.emulator.script([])
    assert call(bench, "resume", "job").code == 0
    assert bench.record().outcomes == {"updated": ROWS}
    assert [r["source"] for r in bench.record().results] == ["-"] * ROWS
    assert sum(bench.applied.values()) <= ROWS + 32


def test_stdin_that_is_no_input(bench: Bench) -> None:
    """A stdin that is closed has no rows: exit 2 and no traceback."""
    closed = 'exec "$@" <&-'
    done = subprocess.run(
        ["/bin/sh", "-c", closed, "sh", COMMAND, "run", "-", *usual(bench)],
        cwd=bench.folder,
        env=environment(bench),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done
    assert "-: is empty" in done.stderr
    assert "Traceback" not in done.stderr
    assert bench.emulator.witness.requests == 0
