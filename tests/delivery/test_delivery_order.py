"""The order of a face's updates, through drains, cuts and faults, with the real pool."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.delivery.feed import Batch, Feed
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.ordering import InOrder
from batch_updater.delivery.pool import open_pool
from batch_updater.errors import TooManyErrors
from batch_updater.models import FaceUpdate, Outcome, Result, Task

MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
FACES = 4


class Line:
    """A service that takes its time, fails at will, and keeps what it applied."""

    def __init__(self, gate: Gate, chance: Random, workers: int) -> None:
        self.applied: dict[str, list[int]] = defaultdict(list)
        self.ordered = InOrder(self.send, lambda task: task.update.face_id != "once")
        self._gate, self._chance, self._workers = gate, chance, workers
        self._busy: set[str] = set()

    async def send(self, task: Task) -> Result:
        """Answer after some turns: updated, failed, or unprocessed when told to stop."""
        face_id = task.update.face_id
        assert face_id not in self._busy, "two of one face in flight"
        assert len(self.ordered._last) <= self._workers
        self._busy.add(face_id)
        outcome = Outcome.UNPROCESSED
        try:
            if not self._gate.closed:
                for _ in range(self._chance.randrange(4)):
                    await asyncio.sleep(0)
                outcome = self._chance.choice([Outcome.UPDATED, Outcome.FAILED])
        except asyncio.CancelledError:
            pass  # on its way: it may have been applied
        finally:
            self._busy.discard(face_id)
        if outcome is Outcome.UPDATED or self._chance.random() < 0.3:
            self.applied[face_id].append(task.row_number)
        return Result(
            source="a",
            row_number=task.row_number,
            face_set_name="set",
            face_id=face_id,
            outcome=outcome,
        )


async def one_by_one(batch: Batch) -> AsyncIterator[Batch]:
    for item in batch:
        yield [item]


async def deliver(
    tasks: list[Task], chance: Random, workers: int, *, close_at: int, cut_at: int
) -> tuple[list[Result], Line]:
    """Run tasks through the pool until they end, or are stopped after some results."""
    gate = Gate()
    line = Line(gate, chance, workers)
    results: list[Result] = []
    feed = Feed(one_by_one(tasks), gate)
    async with open_pool(feed, line.ordered.send, workers) as pool:
        async for result in pool:
            results.append(result)
            if len(results) == close_at:
                gate.close(TooManyErrors("enough"))
            if len(results) == cut_at:
                gate.close(TooManyErrors("enough"))
                pool.cut_off()
    assert not line.ordered._last
    return results, line


@MANY
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 60),
    workers=st.integers(1, 64),
    close_at=st.integers(0, 60),
    cut_at=st.integers(0, 60),
)
def test_what_has_an_outcome_is_the_beginning_of_a_face(
    seed: int, count: int, workers: int, close_at: int, cut_at: int
) -> None:
    """
    After any drain or cut, and at any line of the journal, a face's rows are done up to one.

    So that resume, which sends the others in their order, never puts an older value
    over a newer one: not after a signal, nor a second one, nor kill -9.
    """
    chance = Random(seed)
    tasks = [
        Task(FaceUpdate(f"f{chance.randrange(FACES)}", "x"), "set", "a", number)
        for number in range(count)
    ]
    story = deliver(tasks, chance, workers, close_at=close_at, cut_at=cut_at)
    results, line = asyncio.run(story)
    final: dict[str, list[int]] = defaultdict(list)
    open_faces: set[str] = set()
    for result in results:  # in the order of the journal
        if result.outcome is Outcome.UNPROCESSED:
            open_faces.add(result.face_id)
            continue
        assert result.face_id not in open_faces
        final[result.face_id].append(result.row_number)
        rows = [t.row_number for t in tasks if t.update.face_id == result.face_id]
        assert final[result.face_id] == rows[: len(final[result.face_id])]
    for applied in line.applied.values():
        assert applied == sorted(applied)
