"""Renewal: one for all, never twice for nothing, and in time."""

import asyncio
from random import Random

import pytest
from virtual import now, run_virtually

from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pacing import make_pacer
from batch_updater.delivery.renewal import Renewal
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.errors import CircuitOpen, Interrupted, RunRefused, RunStopped
from batch_updater.frs.sending import TryAgain

AT_ONCE = RetryPolicy(max_attempts=4, base=0.0)
BUSY = TryAgain("IAM is busy")
NO = RunRefused("the password is wrong")


class Credentials:
    """Credentials whose renewals end as planned: True, False, or what is raised."""

    def __init__(self, *plan: bool | Exception) -> None:
        self.version = 0
        self.plan = list(plan)
        self.asked = 0
        self.is_due = False

    async def renew(self) -> bool:
        self.asked += 1
        await asyncio.sleep(0)
        step = self.plan.pop(0)
        if isinstance(step, Exception):
            raise step
        self.version += step
        return step

    def due(self) -> bool:
        return self.is_due and bool(self.plan)

    def until_look(self) -> float:
        return 0.0


def make(*plan: bool | Exception) -> tuple[Credentials, Renewal, Gate]:
    credentials, gate = Credentials(*plan), Gate()
    return credentials, Renewal(credentials, gate, AT_ONCE, Random(1), Notices()), gate


async def test_many_refusals_renew_once() -> None:
    """However many rows met the old token's end, there is one request for a new one."""
    credentials, renewal, gate = make(True)
    async with asyncio.TaskGroup() as group:
        renewals = [group.create_task(renewal.renew(0)) for _ in range(50)]
    assert all(each.result() for each in renewals)
    assert (credentials.asked, renewal.version, gate.closed) == (1, 1, False)


async def test_fresh_credentials_that_are_refused_are_not_renewed() -> None:
    """A second refusal with nothing accepted in between means that renewing is no cure."""
    credentials, renewal, _ = make(True, True)
    assert await renewal.renew(0)
    assert not await renewal.renew(1)
    assert credentials.asked == 1


async def test_accepted_credentials_may_end_again_and_again() -> None:
    """A run outlives any number of tokens, as long as each was good for something."""
    credentials, renewal, _ = make(True, True, True)
    for version in range(3):
        renewal.accepted(version)
        assert await renewal.renew(version)
    assert credentials.asked == 3


async def test_no_other_credentials() -> None:
    """When the source has nothing new, the caller says why the run ends."""
    _, renewal, gate = make(False)
    assert not await renewal.renew(0)
    assert not gate.closed


async def test_a_refusal_of_the_source_closes_the_gate() -> None:
    """IAM's own reason stands, and nobody asks again: wrong passwords lock accounts."""
    credentials, renewal, gate = make(NO, True)
    async with asyncio.TaskGroup() as group:
        renewals = [group.create_task(renewal.renew(0)) for _ in range(20)]
    assert not any(each.result() for each in renewals)
    assert gate.reason is NO
    assert credentials.asked == 1


async def test_a_source_that_is_busy_is_asked_again() -> None:
    """A bad moment of IAM costs the rows that wait for it nothing but time."""
    credentials, renewal, gate = make(BUSY, BUSY, True)
    assert await renewal.renew(0)
    assert (credentials.asked, gate.closed) == (3, False)


async def test_a_source_that_stays_busy_ends_the_run() -> None:
    """After max_attempts the run ends with the source's own words."""
    _, renewal, gate = make(*[BUSY] * 9)
    assert not await renewal.renew(0)
    assert isinstance(gate.reason, RunRefused)
    assert gate.reason.message == "IAM is busy"


def test_an_outage_of_the_source_is_outlasted() -> None:
    """Rows wait for IAM as they wait for FRS: for --max-outage, and then exit 4 says so."""

    async def renew(busy: int) -> tuple[Gate, float, list[str]]:
        told: list[str] = []
        credentials, gate = Credentials(*[BUSY] * busy, True), Gate()
        policy, notices = RetryPolicy(max_attempts=4), Notices(told.append)
        renewal = Renewal(credentials, gate, policy, Random(1), notices, 900.0)
        assert await renewal.renew(0) is (gate.reason is None)
        return gate, now(), told

    gate, _, told = run_virtually(renew(20))
    assert not gate.closed
    assert told == [
        "nothing is sent until it succeeds: signing in is tried again: IAM is busy"
    ]
    gate, ended, _ = run_virtually(renew(500))
    assert isinstance(gate.reason, CircuitOpen)
    assert "IAM is busy" in gate.reason.message
    assert ended == pytest.approx(900)


async def test_signing_in_stops_with_the_run() -> None:
    """A signal while IAM is busy ends the waiting with the signal's own reason."""
    credentials, renewal, gate = make(BUSY)
    gate.close(Interrupted(2))
    with pytest.raises(RunStopped, match="SIGINT"):
        await renewal.sign_in()
    assert credentials.asked == 0


async def test_signing_in_is_refused() -> None:
    """What the source refuses at the start is raised as it is."""
    _, renewal, _ = make(NO)
    with pytest.raises(RunRefused, match="password"):
        await renewal.sign_in()


async def test_kept_fresh_until_refused() -> None:
    """What is due is renewed in the background; a refusal is told once and ends it."""
    told: list[str] = []
    heard = asyncio.Event()
    credentials, gate = Credentials(False, True, BUSY, True, NO, True), Gate()

    def notify(said: str) -> None:
        told.append(said)
        heard.set()

    renewal = Renewal(credentials, gate, AT_ONCE, Random(1), Notices(notify))
    credentials.is_due = True
    async with renewal.kept_fresh(least_pause=0.0):
        await renewal.sign_in()
        await asyncio.wait_for(heard.wait(), 10)
    assert (credentials.asked, renewal.version) == (5, 2)
    assert told == ["credentials are not renewed: the password is wrong"]
    assert not gate.closed, "the old ones still hold"


async def test_a_drain_renews_nothing_in_advance() -> None:
    """What is in flight would wait for it; so what is due is left while the run drains."""
    looked = asyncio.Event()

    class Watched(Credentials):
        def until_look(self) -> float:
            if gate.closed:
                looks.append(1)
            if len(looks) > 2:
                looked.set()
            return 0.0

    looks: list[int] = []
    credentials, gate = Watched(True, True), Gate()
    renewal = Renewal(credentials, gate, AT_ONCE, Random(1), Notices())
    async with renewal.kept_fresh(least_pause=0.0):
        await renewal.sign_in()
        gate.close(RunStopped("drained"))
        credentials.is_due = True
        await asyncio.wait_for(looked.wait(), 10)
    assert credentials.asked == 1


async def test_a_renewal_that_a_row_met_first_is_not_made_twice() -> None:
    """Who keeps credentials fresh looks again once a row's renewal is over."""
    begun, answered, looked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Slow(Credentials):
        async def renew(self) -> bool:
            if self.version or self.asked:
                begun.set()
                await answered.wait()
            self.is_due = False
            return await super().renew()

        def due(self) -> bool:
            if self.is_due:
                looked.set()
            return super().due()

    credentials, gate = Slow(False, True, True), Gate()
    renewal = Renewal(credentials, gate, AT_ONCE, Random(1), Notices())
    async with renewal.kept_fresh(least_pause=0.0):
        await renewal.sign_in()
        row = asyncio.create_task(renewal.renew(0))
        await begun.wait()
        credentials.is_due = True
        await asyncio.wait_for(looked.wait(), 10)
        answered.set()
        assert await row
        for _ in range(20):
            await asyncio.sleep(0)
    assert (credentials.asked, renewal.version) == (2, 1)


async def test_nothing_starts_with_old_credentials() -> None:
    """While they are renewed nobody gets a slot, and afterwards everybody does."""
    asked, answered = asyncio.Event(), asyncio.Event()

    class Slow(Credentials):
        async def renew(self) -> bool:
            asked.set()
            await answered.wait()
            return await super().renew()

    credentials, gate = Slow(True), Gate()
    renewal = Renewal(credentials, gate, AT_ONCE, Random(1), Notices())
    pacers = (make_pacer(None, 0.0, gate), make_pacer(1000.0, 0.0, gate))
    renewing = asyncio.create_task(renewal.renew(0))
    await asked.wait()
    waiting = [asyncio.create_task(pacer.start()) for pacer in pacers for _ in "abc"]
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)
    answered.set()
    assert await renewing
    assert all([await each for each in waiting])


async def test_a_closed_gate_frees_those_that_wait_for_a_renewal() -> None:
    """A signal ends the waiting of everybody who would have started."""
    gate = Gate()
    pacer = make_pacer(10.0, 0.01, gate)
    with gate.held():
        waiting = asyncio.create_task(pacer.start())
        await asyncio.sleep(0)
        gate.close(Interrupted(2))
        assert await waiting is None
