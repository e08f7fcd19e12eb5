"""Real commands that share one quota, counted at the server over all of them."""

import fcntl
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from bench import Bench, fault, make_rows, wait_for
from commands import Started, started

from batch_updater.emulator.witness import Applied
from batch_updater.files.quota_file import QuotaFile

RATE = 50
# The server shares this process, so a busy machine makes arrivals late; the exact cap
# is proven on a virtual clock in tests/pacing.
HEADROOM = 0.05
USED = 0.97 * RATE / (1 + HEADROOM)
PACE = ("--rate", str(RATE), "--headroom", str(HEADROOM), "--share-quota")
ROWS = 1000


@contextmanager
def sharing(bench: Bench, runs: int, *flags: str) -> Iterator[list[Started]]:
    """Start runs over faces of their own, and wait until all of them send."""
    rows = make_rows(runs * ROWS)
    bench.seed([row["face_id"] for row in rows])
    with ExitStack() as commands:
        begun = [
            commands.enter_context(_begun(bench, run, rows[run * ROWS :][:ROWS], flags))
            for run in range(runs)
        ]
        for command in begun:
            command.wait_for_results(3)
        yield begun


@contextmanager
def _begun(
    bench: Bench, run: int, rows: Sequence[Mapping[str, str]], flags: Sequence[str]
) -> Iterator[Started]:
    folder = bench.folder / f"run{run}"
    folder.mkdir()
    here = Bench(folder, bench.emulator)
    here.write("faces.csv", rows)
    words = ("run", "faces.csv", "--run-dir", "job", *PACE, *flags, *bench.target)
    with started(here, *words, XDG_STATE_HOME=str(bench.folder)) as command:
        yield command


def applied(bench: Bench, count: int) -> list[Applied]:
    """Return the next updates that the server applies."""
    witness = bench.emulator.witness
    since = witness.applied
    wait_for(lambda: witness.applied >= since + count)
    return list(witness.updates(since, count))


def by_run(updates: Sequence[Applied]) -> Counter[int]:
    """Return how many of these updates are those of each run."""
    return Counter((int(each.face_id[4:]) - 1) // ROWS for each in updates)


def rate_of(updates: Sequence[Applied]) -> float:
    """Return updates a second."""
    return (len(updates) - 1) / (updates[-1].arrival - updates[0].arrival)


def test_three_runs_are_one_quota(bench: Bench) -> None:
    """
    Together they use the rate, in equal shares, and never more of it.

    One is killed: the others go on at once, and use its share too.
    """
    with sharing(bench, 3) as runs:
        together = applied(bench, 120)
        runs[0].send(signal.SIGKILL)
        runs[0].process.wait(30)
        applied(bench, 10)
        without = applied(bench, 100)
    assert rate_of(together) >= USED
    assert min(by_run(together).values()) >= 35
    assert rate_of(without) >= USED
    assert set(by_run(without)) == {1, 2}
    assert min(by_run(without).values()) >= 45
    assert bench.emulator.witness.worst_second() <= RATE


def test_a_run_that_is_stopped_holds_nobody_up(bench: Bench) -> None:
    """Stopped again and again, and woken up: the other uses its share, and no burst comes."""
    with sharing(bench, 2) as runs:
        for _ in range(3):
            stop_between_starts(runs[0], bench)
            applied(bench, 8)
            alone = applied(bench, 30)
            runs[0].send(signal.SIGCONT)
            assert set(by_run(alone)) == {1}
        applied(bench, 10)
        again = applied(bench, 60)
    assert min(by_run(again).values()) >= 25
    assert bench.emulator.witness.worst_second() <= RATE


def stop_between_starts(run: Started, bench: Bench) -> None:
    """Stop a run that does not hold the file just then: holding it stops the others."""
    file, stat = QuotaFile(quota_path(bench)), Path(f"/proc/{run.process.pid}/stat")
    try:
        while True:
            run.send(signal.SIGSTOP)
            wait_for(lambda: stat.read_text().rpartition(") ")[2].startswith("T"))
            if file.holder() != run.process.pid:
                return
            run.send(signal.SIGCONT)
    finally:
        file.close()


def quota_path(bench: Bench) -> Path:
    """Return where the runs keep the quota that they share."""
    (path,) = (bench.folder / "batch-updater" / "quota").iterdir()
    return path


def test_a_signal_drains_while_another_process_holds_the_file(bench: Bench) -> None:
    """Who waits for a stopped process says so, and is not stuck with it."""
    with sharing(bench, 1) as (run,):
        fd = os.open(quota_path(bench), os.O_RDWR)
        wait_for(lambda: _locks(fd))
        told = bench.folder / "run0" / ".err"
        wait_for(lambda: "which holds the shared quota" in told.read_text())
        seen = bench.updates
        run.send(signal.SIGINT)
        ended = run.wait()
        os.close(fd)
    assert ended.code == 130
    assert f"waiting for process {os.getpid()}, which holds" in ended.err
    assert bench.updates == seen


def _locks(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_a_throttled_reply_to_one_pauses_all(bench: Bench) -> None:
    """What one run is told holds for all: until Retry-After is over nothing arrives."""
    headers = {"Retry-After": "2"}
    throttled = fault("respond", code="FRS.0033", after=20, headers=headers)
    with sharing(bench, 2):
        bench.emulator.script([throttled])
        updates = applied(bench, 60)
    gaps = [later.arrival - sooner.arrival for sooner, later in pairwise(updates)]
    assert max(gaps) >= 1.9
    pause = gaps.index(max(gaps))
    assert pause <= 30  # with what started before the reply was read
    assert set(by_run(updates[pause + 1 :])) == {0, 1}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--rate", "unlimited"], "--share-quota needs a rate"),
        (["--quota-dir", "faces.csv/quota"], "faces.csv/quota: Not a directory"),
        (["--quota-dir", "/proc/quota"], "the shared quota cannot be kept in /proc"),
    ],
)
def test_a_quota_that_cannot_be_shared(
    bench: Bench, flags: list[str], said: str
) -> None:
    """Nothing is sent, nothing is left, and what to do is said."""
    source = bench.prepare(3)
    ended = bench.run(source, "--share-quota", *flags)
    assert ended.code == 2
    assert said in ended.err
    assert bench.emulator.witness.requests == 0
    assert not Path("job").exists()


def test_resume_shares_the_same_quota(bench: Bench) -> None:
    """The directory means the same in another folder; the settings are inherited."""
    flags = ("--share-quota", "--quota-dir", "quota", "--max-duration", "1600ms")
    ended = bench.run(bench.prepare(40), *flags, "--rate", "20")
    assert ended.code == 5
    kept = bench.record().manifest["settings"]
    assert kept["share-quota"] == ["true"]
    assert kept["quota-dir"] == [str(bench.folder / "quota")]
    more = ("--max-duration", "1h", "--rate", "200")
    assert bench.command("resume", "job", *more).code == 0
    assert len(list((bench.folder / "quota").iterdir())) == 1
