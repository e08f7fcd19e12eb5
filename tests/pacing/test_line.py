"""Who waits, who leads, and what becomes of those who leave."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.delivery.line import Line


async def settle() -> None:
    """Let everything run that is ready."""
    for _ in range(5):
        await asyncio.sleep(0)


class Crowd:
    """Some who join one line, and what each got; the first of them leads."""

    def __init__(self, count: int) -> None:
        self.line: Line[str] = Line()
        self.got: dict[int, str | None] = {}
        self.tasks = [asyncio.ensure_future(self._wait(i)) for i in range(count)]

    async def _wait(self, number: int) -> None:
        self.got[number] = await self.line.join()


def test_first_come_first_served() -> None:
    """The first leads at once; what it gives goes to the others in their order."""

    async def story() -> dict[int, str | None]:
        crowd = Crowd(4)
        await settle()
        assert crowd.line.followers == 3
        crowd.line.serve("a")
        crowd.line.serve("b")
        crowd.line.hand_on()
        await settle()
        return crowd.got

    assert asyncio.run(story()) == {0: None, 1: "a", 2: "b", 3: None}


def test_nobody_overtakes_who_is_to_lead() -> None:
    """Between the lead that is handed on and the one who takes it, nobody gets in."""

    async def story() -> None:
        crowd = Crowd(2)
        await settle()
        crowd.line.hand_on()
        late = asyncio.ensure_future(crowd.line.join())
        await settle()
        assert crowd.got == {0: None, 1: None}
        crowd.line.hand_on()
        assert await late is None
        crowd.line.hand_on()
        assert not crowd.line.is_led

    asyncio.run(story())


@given(st.sets(st.integers(1, 9)), st.booleans())
def test_who_is_cancelled_loses_nothing_for_the_others(
    leaving: set[int], already_served: bool
) -> None:
    """What was given to one who left in the same moment goes to the next in line."""

    async def story() -> None:
        crowd = Crowd(10)
        await settle()
        given_ = [str(i) for i in range(9 - len(leaving))]
        first = [crowd.tasks[i] for i in leaving]
        if not already_served:
            for task in first:
                task.cancel()
            await settle()
        for each in given_:
            assert crowd.line.followers
            crowd.line.serve(each)
        for task in first:
            task.cancel()
        await settle()
        staying = [i for i in range(1, 10) if i not in leaving]
        assert sorted(crowd.got[i] or "" for i in staying) == given_
        assert crowd.line.followers == 0

    asyncio.run(story())


def test_the_lead_goes_on_when_its_next_holder_is_cancelled() -> None:
    """Whoever was to lead and is cancelled first hands on the lead to the next."""

    async def story() -> None:
        crowd = Crowd(3)
        await settle()
        crowd.line.hand_on()
        crowd.tasks[1].cancel()
        await settle()
        assert crowd.got == {0: None, 2: None}
        crowd.line.hand_on()
        assert not crowd.line.is_led
        with pytest.raises(asyncio.CancelledError):
            await crowd.tasks[1]

    asyncio.run(story())
