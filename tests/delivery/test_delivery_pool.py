"""Feed, pool, gate and order: every item ends in exactly one result."""

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.delivery.feed import Batch, Feed, Item, read_in_thread
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.ordering import InOrder
from batch_updater.delivery.pool import open_pool
from batch_updater.delivery.signals import Signals
from batch_updater.errors import Interrupted, RunRefused, TooManyErrors
from batch_updater.models import FaceUpdate, Outcome, Result, Task

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

REASON = TooManyErrors("enough")


def task(number: int, face_id: str = "") -> Task:
    return Task(FaceUpdate(face_id or f"f{number}", "x"), "set", "a", number)


def result(number: int, outcome: Outcome = Outcome.UPDATED) -> Result:
    return Result(
        source="a",
        row_number=number,
        face_set_name="set",
        face_id=f"f{number}",
        outcome=outcome,
    )


class Batches:
    """Batches that come after a few turns of the loop, and count what was taken."""

    def __init__(self, batches: Sequence[Batch], chance: Random) -> None:
        self.batches = list(batches)
        self.chance = chance

    async def __aiter__(self) -> AsyncIterator[Batch]:
        for batch in self.batches:
            await turns(self.chance.randrange(3))
            yield batch


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Service:
    """Sends like Sender does: slowly, and with a result also when it is cut off."""

    def __init__(self, chance: Random, gate: Gate, close_at: int) -> None:
        self.chance = chance
        self.gate = gate
        self.close_at = close_at
        self.sent: list[int] = []
        self.flying: Counter[str] = Counter()
        self.by_face: defaultdict[str, list[int]] = defaultdict(list)
        self.most = 0

    async def send(self, task: Task) -> Result:
        face_id = task.update.face_id
        self.sent.append(task.row_number)
        self.by_face[face_id].append(task.row_number)
        self.flying[face_id] += 1
        assert self.flying[face_id] == 1
        self.most = max(self.most, self.flying.total())
        if len(self.sent) == self.close_at:
            self.gate.close(REASON)
        try:
            await turns(self.chance.randrange(5))
        except asyncio.CancelledError:
            return result(task.row_number, Outcome.UNPROCESSED)
        finally:
            self.flying[face_id] -= 1
        return result(task.row_number)


def make_batches(sizes: list[int], chance: Random, faces: int) -> list[Batch]:
    numbers = iter(range(1, 10**6))
    return [[_item(next(numbers), chance, faces) for _ in range(n)] for n in sizes]


def _item(number: int, chance: Random, faces: int) -> Item:
    if chance.random() < 0.2:
        return result(number, Outcome.INVALID)
    return task(number, f"f{chance.randrange(faces)}" if faces else "")


SIZES = st.lists(st.integers(0, 6), max_size=6)
SEED = st.integers(0, 10**6)
WORKERS = st.integers(1, 7)
CLOSING = st.integers(0, 20)


@MANY
@given(sizes=SIZES, seed=SEED, workers=WORKERS, close_at=CLOSING, cut_at=CLOSING)
def test_every_item_taken_has_one_result(
    sizes: list[int], seed: int, workers: int, close_at: int, cut_at: int
) -> None:
    """Results and what was never taken are all items, whatever stops the run and when."""
    chance = Random(seed)
    batches = make_batches(sizes, chance, 0)

    async def story() -> tuple[list[Result], Service, bool]:
        gate = Gate()
        service = Service(chance, gate, close_at)
        results: list[Result] = []
        cut = False
        feed = Feed(aiter(Batches(batches, chance)), gate)
        async with open_pool(feed, service.send, workers) as pool:
            async for one in pool:
                results.append(one)
                await turns(chance.randrange(2))
                if len(results) == cut_at:
                    cut = True
                    gate.close(REASON)
                    pool.cut_off()
        return results, service, cut or gate.closed

    results, service, stopped = asyncio.run(story())
    items = [item for batch in batches for item in batch]
    rows = [one.row_number for one in results]
    assert len(rows) == len(set(rows))
    assert set(service.sent) <= set(rows)
    taken = [_row(item) for item in items][: len(rows)]
    assert sorted(rows) == taken, "items are taken in input order, none is lost"
    assert stopped or len(rows) == len(items)
    assert service.most <= workers


def _row(item: Item) -> int:
    return item.row_number


@MANY
@given(sizes=SIZES, seed=SEED, workers=WORKERS, close_at=CLOSING, cut_at=CLOSING)
def test_updates_of_one_face_keep_their_order(
    sizes: list[int], seed: int, workers: int, close_at: int, cut_at: int
) -> None:
    """No two updates of a face are in flight together, and they go in input order."""
    chance = Random(seed)
    batches = make_batches(sizes, chance, 3)

    async def story() -> tuple[list[Result], Service, bool]:
        gate = Gate()
        service = Service(chance, gate, close_at)  # asserts that one is in flight
        ordered = InOrder(service.send, lambda task: True)
        results: list[Result] = []
        cut = False
        feed = Feed(aiter(Batches(batches, chance)), gate)
        async with open_pool(feed, ordered.send, workers) as pool:
            async for one in pool:
                results.append(one)
                if len(results) == cut_at:
                    cut = True
                    gate.close(REASON)
                    pool.cut_off()
        assert not ordered._last
        return results, service, cut

    results, service, cut = asyncio.run(story())
    for rows in service.by_face.values():
        assert rows == sorted(rows)
    rows = [one.row_number for one in results]
    assert len(rows) == len(set(rows))
    assert set(service.sent) <= set(rows), "what was sent has its result"
    if not cut:
        items = [item for batch in batches for item in batch]
        assert sorted(rows) == [_row(item) for item in items][: len(rows)]


async def test_a_waiting_update_that_is_cut_off_harms_no_other() -> None:
    """A second signal that reaches the waiting update first still records the other."""
    started, asked = asyncio.Event(), asyncio.Event()

    async def send(task: Task) -> Result:
        started.set()
        try:
            await asked.wait()
        except asyncio.CancelledError:
            await turns(3)
            return result(task.row_number, Outcome.UNPROCESSED)
        raise AssertionError

    ordered = InOrder(send, lambda task: True)
    first = asyncio.create_task(ordered.send(task(1, "f")))
    await started.wait()
    second = asyncio.create_task(ordered.send(task(2, "f")))
    await turns(2)
    second.cancel()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert (await first).row_number == 1


async def test_faces_that_do_not_repeat_pass_untouched() -> None:
    """Only a face that may come again is worth remembering."""
    seen: list[int] = []

    async def send(task: Task) -> Result:
        seen.append(task.row_number)
        assert not ordered._last
        return result(task.row_number)

    ordered = InOrder(send, lambda task: task.update.face_id == "again")
    await ordered.send(task(1, "once"))
    assert seen == [1]


async def test_a_face_that_failed_lets_the_next_one_go() -> None:
    """A bug in sending one update does not lock its face for ever."""

    async def send(task: Task) -> Result:
        if task.row_number == 1:
            raise RuntimeError
        return result(task.row_number)

    ordered = InOrder(send, lambda task: True)
    with pytest.raises(RuntimeError):
        await ordered.send(task(1, "f"))
    assert (await ordered.send(task(2, "f"))).row_number == 2


# The pool


Send = Callable[[Task], Awaitable[Result]]


async def _of(*batches: Batch) -> AsyncIterator[Batch]:
    for batch in batches:
        yield batch


async def test_a_bug_in_a_worker_surfaces_after_the_rest() -> None:
    """A worker that breaks loses its own item only, and the run does not go silent."""

    async def send(task: Task) -> Result:
        if task.row_number == 2:
            raise ZeroDivisionError
        return result(task.row_number)

    items = [task(n) for n in range(1, 6)]
    seen: Counter[int] = Counter()

    async def consume() -> None:
        async with open_pool(Feed(_of(items), Gate()), send, 2) as pool:
            async for one in pool:
                seen[one.row_number] += 1

    with pytest.raises(ZeroDivisionError):
        await consume()
    assert seen == {1: 1, 3: 1, 4: 1, 5: 1}


async def test_a_broken_input_surfaces_after_the_rest() -> None:
    """What was read before the input broke is sent and recorded."""

    async def broken() -> AsyncIterator[Batch]:
        yield [task(1), task(2)]
        raise ZeroDivisionError

    async def send(task: Task) -> Result:
        await turns(2)
        return result(task.row_number)

    seen: Counter[int] = Counter()

    async def consume() -> None:
        async with open_pool(Feed(broken(), Gate()), send, 3) as pool:
            async for one in pool:
                seen[one.row_number] += 1

    with pytest.raises(ZeroDivisionError):
        await consume()
    assert seen == {1: 1, 2: 1}


@pytest.mark.parametrize("workers", [1, 3])
async def test_workers_never_run_far_ahead(workers: int) -> None:
    """Results that nobody takes hold the workers back: memory is bounded."""
    sent: list[int] = []

    async def send(task: Task) -> Result:
        sent.append(task.row_number)
        return result(task.row_number)

    items = [task(n) for n in range(1, 101)]
    async with open_pool(Feed(_of(items), Gate()), send, workers) as pool:
        await turns(1000)
        assert len(sent) == 2 * workers
        results = aiter(pool)
        for _ in range(5):
            await anext(results)
        await turns(1000)
        assert len(sent) == 2 * workers + 5


async def test_leaving_early_ends_the_workers() -> None:
    """A consumer that stops in the middle leaves nothing running behind."""
    gone: list[int] = []

    async def send(task: Task) -> Result:
        try:
            await asyncio.Event().wait()
        finally:
            gone.append(task.row_number)
        raise AssertionError

    before = asyncio.all_tasks()
    async with open_pool(Feed(_of([task(1), task(2)]), Gate()), send, 2):
        await turns(5)
    assert sorted(gone) == [1, 2]
    assert asyncio.all_tasks() == before


async def test_results_in_the_input_travel_the_same_way() -> None:
    """A row that is invalid is a result already and is never sent."""

    async def send(task: Task) -> Result:
        raise AssertionError(task)

    items = [result(n, Outcome.INVALID) for n in (1, 2, 3)]
    async with open_pool(Feed(_of([], items, []), Gate()), send, 2) as pool:
        assert [one.row_number async for one in pool] == [1, 2, 3]


# The feed


async def test_a_closed_gate_gives_nothing() -> None:
    """Once the run drains, nothing new is taken, not even what is at hand."""
    gate = Gate()
    feed = Feed(_of([task(1), task(2)]), gate)
    assert await feed.take() == task(1)
    gate.close(REASON)
    assert await feed.take() is None


@MANY
@given(sizes=SIZES, seed=SEED, takers=WORKERS)
def test_many_takers_share_the_items(sizes: list[int], seed: int, takers: int) -> None:
    """Each item is taken once and in order, empty batches included."""
    chance = Random(seed)
    batches = make_batches(sizes, chance, 0)
    taken: list[Item] = []

    async def take(feed: Feed) -> None:
        while item := await feed.take():
            taken.append(item)
            await turns(chance.randrange(3))

    async def story() -> None:
        feed = Feed(aiter(Batches(batches, chance)), Gate())
        async with asyncio.TaskGroup() as group:
            for _ in range(takers):
                group.create_task(take(feed))

    asyncio.run(story())
    assert taken == [item for batch in batches for item in batch]


@MANY
@given(sizes=SIZES)
def test_reading_in_a_thread_changes_nothing(sizes: list[int]) -> None:
    """Batches come out as they went in, one ahead at the most."""
    batches = make_batches(sizes, Random(0), 0)
    made, ahead = 0, []

    def make() -> Iterator[Batch]:
        nonlocal made
        for batch in batches:
            made += 1
            yield batch

    async def story() -> list[Batch]:
        got = []
        async for batch in read_in_thread(make()):
            got.append(batch)
            ahead.append(made - len(got))
        return got

    assert asyncio.run(story()) == batches
    assert all(count <= 1 for count in ahead)


async def test_an_error_of_the_reader_comes_out() -> None:
    """What the thread raises is raised where the batches are awaited."""

    def make() -> Iterator[Batch]:
        yield [task(1)]
        raise ZeroDivisionError

    batches = read_in_thread(make())
    assert await anext(batches) == [task(1)]
    with pytest.raises(ZeroDivisionError):
        await anext(batches)


async def test_leaving_waits_for_the_thread() -> None:
    """A thread that still reads is waited for, so nobody closes its file under it."""
    go, done = threading.Event(), threading.Event()

    def make() -> Iterator[Batch]:
        yield [task(1)]
        go.wait()
        done.set()
        yield [task(2)]

    async with aclosing(read_in_thread(make())) as batches:
        await anext(batches)
        asyncio.get_running_loop().call_soon(go.set)
    assert done.is_set()


async def test_a_cut_off_reader_waits_for_the_thread() -> None:
    """The same holds when the worker that awaits the batch is cancelled."""
    go, done = threading.Event(), threading.Event()

    def make() -> Iterator[Batch]:
        go.wait()
        done.set()
        yield [task(1)]

    feed = Feed(read_in_thread(make()), Gate())
    taker = asyncio.create_task(feed.take())
    await turns(3)
    taker.cancel()
    await turns(3)
    assert not taker.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await taker
    assert done.is_set()


# The gate


async def test_closing_wakes_all_sleepers() -> None:
    """Nobody sleeps on when the run drains, however long it wanted to."""
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        for delay in (3600.0, 7200.0, float("inf")):
            group.create_task(gate.sleep(delay))
        await turns(2)
        gate.close(REASON)
    assert not gate._closing.sleepers
    await gate.sleep(3600.0)


async def test_the_first_reason_stays() -> None:
    """Why a run ends is what ended it first."""
    gate = Gate()
    gate.close(REASON)
    gate.close(RunRefused("later"))
    assert gate.closed
    assert gate.reason is REASON


@pytest.mark.parametrize("delay", [0.0, -1.0, 1e-9])
async def test_sleeping_ends_by_itself(delay: float) -> None:
    """A sleep that is over leaves nothing behind."""
    gate = Gate()
    await gate.sleep(delay)
    assert not gate._closing.sleepers


async def test_a_sleeper_may_be_cancelled() -> None:
    """A cancelled sleeper is forgotten, and closing later does not meet it."""
    gate = Gate()
    sleeper = asyncio.create_task(gate.sleep(3600.0))
    await turns(1)
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
    assert not gate._closing.sleepers
    gate.close(REASON)


def test_first_signal_drains_second_cuts() -> None:
    """The first signal closes the gate, the second one cuts, if there is what to cut."""
    gate, cuts = Gate(), []
    signals = Signals(gate, Notices())
    signals.receive(2)
    assert isinstance(gate.reason, Interrupted)
    assert gate.reason.code == 130
    signals.receive(15)
    with signals.cutting_off(lambda: cuts.append(1)):
        signals.receive(15)
    signals.receive(15)
    assert cuts == [1]
    assert gate.reason.code == 130
