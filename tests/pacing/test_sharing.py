"""Several pacers that share one file, on a clock that jumps; the file is a real one."""

import asyncio
import fcntl
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import make_pacer, most_in, now, run_virtually, start_many

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.ledger import rate_window
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pacing import Pacer
from batch_updater.delivery.sharing import SharedLedger
from batch_updater.errors import Interrupted, QuotaFailed, UsageError

URL, PROJECT = "https://face.example.com", "0123456789abcdef0123456789abcdef"


class Run:
    """What one run has of the quota: a pacer, and the ledger behind it."""

    def __init__(self, folder: Path, rate: float) -> None:
        self.gate = Gate()
        self.said: list[str] = []
        notices = Notices(self.said.append)
        cap = rate_window(rate, 0.01)
        self.ledger = SharedLedger(cap, folder, self.gate, notices, clock=now)
        self.pacer: Pacer = make_pacer(rate, 0.01, self.gate, self.ledger)
        self.ledger.join(URL, PROJECT)

    async def start(self, count: int, workers: int = 8) -> list[float]:
        """Start so many attempts, each of which takes 30 ms."""
        return await start_many(self.pacer, count, workers, lambda: 0.03)


def file_in(folder: Path) -> Path:
    """Return the only file of the folder."""
    (path,) = folder.iterdir()
    return path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a file's lock as another process would."""
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


async def both(first: Run, second: Run, count: int) -> list[float]:
    """Let two runs start so many attempts each; return all of them."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run.start(count)) for run in (first, second)]
    return [start for task in tasks for start in task.result()]


@pytest.mark.parametrize("rate", [0.5, 2.5, 10, 100, 1000])
@pytest.mark.parametrize("runs", [1, 3])
def test_the_quota_is_used(tmp_path: Path, rate: float, runs: int) -> None:
    """While all have work, they use at least 97 % of the rate and never more."""

    async def story() -> list[list[float]]:
        shared = [Run(tmp_path, rate) for _ in range(runs)]
        count = int(rate * (20 if rate < 100 else 4) / runs) + 2
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run.start(count, 64)) for run in shared]
        return [task.result() for task in tasks]

    made = run_virtually(story())

    assert most_in([start for each in made for start in each]) <= -(-rate // 1)
    end = min(each[-1] for each in made)
    starts = sorted(start for each in made for start in each if start <= end)
    assert (len(starts) - 1) / (starts[-1] - starts[0]) >= 0.97 * rate


@settings(max_examples=25, deadline=None)
@given(
    rates=st.lists(st.integers(1, 60), min_size=2, max_size=3),
    pauses=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 2)), max_size=2),
    dies=st.floats(0, 3),
    deleted=st.floats(0, 8),
    seed=st.integers(0, 2**32),
)
def test_the_sum_never_exceeds_the_largest_rate(
    rates: list[int],
    pauses: list[tuple[float, float]],
    dies: float,
    deleted: float,
    seed: int,
) -> None:
    """Whatever the lateness; with pauses, a run that dies, and a file that is deleted."""
    chance = random.Random(seed)

    async def story(folder: Path) -> list[float]:
        loop = asyncio.get_running_loop()
        shared = [Run(folder, rate) for rate in rates]
        for at, length in pauses:
            loop.call_later(at, shared[0].pacer.pause, length)
        loop.call_later(deleted, file_in(folder).unlink)
        starts: list[float] = []

        async def work(run: Run, count: int) -> None:
            for _ in range(count):
                if slot := await run.pacer.start():
                    starts.append(slot.started)
                    loop.call_later(chance.uniform(0, 0.3), run.pacer.landed, slot)

        tasks = [
            asyncio.ensure_future(work(run, rate * 3))
            for run, rate in zip(shared, rates, strict=True)
        ]
        loop.call_later(dies, tasks[0].cancel)
        await asyncio.wait(tasks)
        return starts

    with TemporaryDirectory() as folder:
        starts = run_virtually(
            story(Path(folder)), lambda: chance.choice([0, 0, 0.001, 0.02, 0.4])
        )

    assert most_in(starts) <= max(rates)


def test_a_pause_holds_all_runs(tmp_path: Path) -> None:
    """One run is throttled, and none of them starts before its pause is over."""

    async def story() -> list[float]:
        first, second = Run(tmp_path, 20), Run(tmp_path, 20)
        asyncio.get_running_loop().call_later(4.0, first.pacer.pause, 7.0)
        return await both(first, second, 60)

    starts = run_virtually(story())

    assert [start for start in starts if start <= 4.0]
    assert [start for start in starts if start >= 11.0]
    assert not [start for start in starts if 4.0 < start < 11.0]


def test_who_comes_later_keeps_to_a_pause(tmp_path: Path) -> None:
    """A run that begins while the others pause says why it waits, and for how long."""

    async def story() -> tuple[float, list[str]]:
        Run(tmp_path, 20).pacer.pause(60.0)
        late = Run(tmp_path, 20)
        (start,) = await late.start(1, 1)
        return start, late.said

    start, said = run_virtually(story())

    assert start >= 60.0
    (line,) = said
    assert line.startswith("the shared quota is not to be used for another 60 s: ")


def test_a_pause_is_told_as_soon_as_the_file_is_free(tmp_path: Path) -> None:
    """Though another process holds the file just then, the pause reaches all."""

    async def story() -> list[float]:
        first, second = Run(tmp_path, 20), Run(tmp_path, 20)
        await asyncio.sleep(2)
        with held(file_in(tmp_path)):
            first.pacer.pause(10.0)
            await asyncio.sleep(1)
        await asyncio.sleep(0.1)
        return await second.start(3)

    assert min(run_virtually(story())) >= 12.0


def test_says_who_holds_the_file(tmp_path: Path) -> None:
    """A holder that was stopped is named once, waited for, and then all goes on."""

    async def story() -> tuple[list[float], list[str], float]:
        run = Run(tmp_path, 20)
        await run.start(5)
        with held(file_in(tmp_path)):
            waiting = asyncio.ensure_future(run.start(30))
            await asyncio.sleep(20)
            freed = now()
        return await waiting, run.said, freed

    starts, said, freed = run_virtually(story())

    assert min(starts) >= freed
    (line,) = said
    assert line.startswith(f"waiting for process {os.getpid()}, which holds the ")
    assert line.endswith("is it stopped? Ctrl-C leaves")


@pytest.mark.parametrize("what", ["held", "paused", "its turn"])
def test_closing_the_gate_frees_all_who_wait(tmp_path: Path, what: str) -> None:
    """A drain waits neither for another process, nor for a pause, nor for its turn."""

    async def story() -> tuple[list[object], float]:
        run = Run(tmp_path, 0.01)
        path = file_in(tmp_path)
        await run.pacer.start()
        begun = now()
        if what == "paused":
            Run(tmp_path, 0.01).pacer.pause(1000.0)
        waiting = [asyncio.ensure_future(run.pacer.start()) for _ in range(5)]
        asyncio.get_running_loop().call_later(3.0, run.gate.close, Interrupted(2))
        if what == "held":
            with held(path):
                slots = [await each for each in waiting]
        else:
            slots = [await each for each in waiting]
        return list(slots), now() - begun

    slots, took = run_virtually(story())

    assert slots == [None] * 5
    assert took == pytest.approx(3.0, abs=0.01)


def test_another_rate_of_a_run_is_another_quota(tmp_path: Path) -> None:
    """The largest rate is that of now: raised for one run, its starts are in its reach."""

    async def story() -> tuple[list[float], list[float]]:
        run = Run(tmp_path, 5)
        slow = await run.start(15)
        run.pacer.change_rate(50, "test")
        fast = await run.start(150)
        return slow, fast

    slow, fast = run_virtually(story())

    assert most_in(slow) <= 5
    assert 45 <= most_in(fast) <= 50


@pytest.mark.parametrize("how", ["lowered", "gone"])
def test_the_largest_rate_is_forgotten_with_its_run(tmp_path: Path, how: str) -> None:
    """What no run may do any more, they may not do together, from that moment on."""

    async def story() -> tuple[list[float], float]:
        fast, *slow = (Run(tmp_path, rate) for rate in (100, 10, 10, 10))
        fast.pacer.pause(0.5)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run.start(40)) for run in slow]
            await fast.start(100)
            if how == "lowered":
                fast.pacer.change_rate(10, "test")
            else:
                fast.ledger.leave()
            moment = now()
        return [start for task in tasks for start in task.result()], moment

    starts, moment = run_virtually(story())

    assert most_in([each for each in starts if each > moment]) <= 10


def test_no_run_that_shares_becomes_unlimited(tmp_path: Path) -> None:
    """A shared quota needs a rate, and the one there is stays: nobody is told otherwise."""

    async def story() -> list[float]:
        run = Run(tmp_path, 5)
        with pytest.raises(ValueError, match="--share-quota needs a rate"):
            run.pacer.change_rate(None, "test")
        assert run.pacer.cap() == 5
        return await run.start(15)

    assert most_in(run_virtually(story())) <= 5


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff" * 5000),
        lambda path: path.write_bytes(path.read_bytes()[:130]),
        lambda path: path.write_bytes(b"BUQUOTA1" + bytes(300)),
        lambda path: path.unlink(),
    ],
    ids=["emptied", "garbage", "cut short", "nothing in it", "deleted"],
)
def test_a_file_that_is_harmed_is_begun_anew(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    """Both runs go on together, and the second after it is quiet."""

    async def story() -> tuple[list[float], float]:
        first, second = Run(tmp_path, 20), Run(tmp_path, 20)
        path, harmed = file_in(tmp_path), 0.0

        def do_harm() -> None:
            nonlocal harmed
            harm(path)
            harmed = now()

        asyncio.get_running_loop().call_later(3.0, do_harm)
        return await both(first, second, 100), harmed

    starts, harmed = run_virtually(story())

    assert len(starts) >= 200
    assert most_in(starts) <= 20
    assert not [start for start in starts if harmed < start < harmed + 1]


def test_a_quota_that_cannot_be_kept_stops_the_run(tmp_path: Path) -> None:
    """Without its file a run cannot know what it may send, so it drains."""
    folder = tmp_path / "quota"

    async def story() -> Gate:
        run = Run(folder, 20)
        await run.start(5)
        file_in(folder).unlink()
        folder.rmdir()
        folder.write_bytes(b"")
        assert await run.pacer.start() is None
        return run.gate

    gate = run_virtually(story())

    assert isinstance(gate.reason, QuotaFailed)
    assert str(folder) in gate.reason.message
    assert gate.reason.code == 4


def test_a_file_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    """A pipe of that name can be opened, but it is no file."""

    async def story() -> None:
        Run(tmp_path, 20).ledger.leave()
        path = file_in(tmp_path)
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(UsageError, match="cannot keep the shared quota in"):
            Run(tmp_path, 20)

    run_virtually(story())


def test_waiting_is_no_busy_loop(tmp_path: Path) -> None:
    """At 10 a second a start of two runs costs a handful of wake-ups, not hundreds."""
    wake_ups = 0

    def count() -> float:
        nonlocal wake_ups
        wake_ups += 1
        return 0.0

    async def story() -> None:
        await both(Run(tmp_path, 10), Run(tmp_path, 10), 50)

    run_virtually(story(), count)

    assert wake_ups < 800
