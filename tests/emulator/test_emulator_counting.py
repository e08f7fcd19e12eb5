"""The quota's window and the witness's account: pure, with times of our choosing."""

from hypothesis import given
from hypothesis import strategies as st

from batch_updater.emulator.gateway.quota import Quota, Window
from batch_updater.emulator.settings import QuotaRules
from batch_updater.emulator.witness import Witness

# Eighths add without rounding, so windows may begin and end exactly on arrivals.
TIMES = st.lists(st.integers(0, 80).map(lambda n: n / 8), max_size=60).map(sorted)
ANY_TIMES = st.lists(st.floats(0, 5), max_size=60).map(sorted)


def brute_force(times: list[float]) -> int:
    """Return the most times in any [t, t + 1), trying every t that matters."""
    counts = [sum(start <= at < start + 1.0 for at in times) for start in times]
    return max(counts, default=0)


@given(TIMES | ANY_TIMES)
def test_worst_second(times: list[float]) -> None:
    """The witness's running figure equals the brute-force worst window."""
    witness = Witness()
    for at in times:
        witness.arrive("UpdateFace", at)
    assert witness.worst_second() == brute_force(times)
    assert witness.worst_second("UpdateFace") == brute_force(times)
    assert witness.worst_second("ShowFaceSet") == 0


@given(TIMES | ANY_TIMES, st.integers(1, 5))
def test_quota_is_a_sliding_window(times: list[float], limit: int) -> None:
    """No window holds more admitted calls than the limit, and none is refused early."""
    window = Window(limit)
    admitted: list[float] = []
    for at in times:
        free = sum(at < earlier + 1.0 for earlier in admitted) < limit
        assert window.admit(at) is free
        if free:
            admitted.append(at)
    assert brute_force(admitted) <= limit


def test_window_is_half_open() -> None:
    """A call exactly one second after another is in a new window."""
    window = Window(1)
    assert [window.admit(at) for at in (0.0, 0.999, 1.0)] == [True, False, True]


def test_refused_calls_may_count() -> None:
    """With count_refused a client that keeps calling stays locked out."""
    window = Window(1, count_refused=True)
    assert [window.admit(at / 2) for at in range(6)] == [True] + [False] * 5


def test_quota_shared_or_per_operation() -> None:
    """One window serves all operations, unless each has its own."""
    shared = Quota(QuotaRules(qps=1))
    apart = Quota(QuotaRules(qps=1, per_operation=True))
    calls = ("UpdateFace", "ShowFaceSet", "UpdateFace")
    assert [shared.admit(call, 0.0) for call in calls] == [True, False, False]
    assert [apart.admit(call, 0.0) for call in calls] == [True, True, False]


def test_quota_shared_or_per_project() -> None:
    """One window serves all projects of the account, unless each has its own."""
    shared = Quota(QuotaRules(qps=1))
    apart = Quota(QuotaRules(qps=1, per_project=True))
    projects = ("a", "b", "a")
    assert [shared.admit("U", 0.0, each) for each in projects] == [True, False, False]
    assert [apart.admit("U", 0.0, each) for each in projects] == [True, True, False]


def test_a_burst_is_let_through() -> None:
    """With a tolerance that many calls more fit into a second, and no other."""
    quota = Quota(QuotaRules(qps=2, burst=3))
    assert [quota.admit("U", 0.0) for _ in range(6)] == [True] * 5 + [False]


def test_quota_unlimited_and_reset() -> None:
    """Without a limit nothing is refused; a reset forgets the calls so far."""
    assert all(Quota(QuotaRules(qps=None)).admit("UpdateFace", 0.0) for _ in range(50))
    quota = Quota(QuotaRules(qps=1))
    quota.admit("UpdateFace", 0.0)
    quota.reset()
    assert quota.admit("UpdateFace", 0.0)


def test_account() -> None:
    """Requests are told apart by status, code and operation, also those in flight."""
    witness = Witness()
    ended = [witness.arrive("UpdateFace", at) for at in (0.0, 0.5, 0.75)]
    witness.arrive("ShowFaceSet", 2.0)
    witness.finish(ended[0], 200)
    witness.finish(ended[1], 400, "FRS.0303")
    witness.finish(ended[2], None)
    assert (witness.requests, witness.in_flight) == (4, 1)
    assert witness.by_status == {"none": 1, "200": 1, "400": 1}
    assert witness.by_code == {"FRS.0303": 1}
    assert witness.by_operation == {"UpdateFace": 3, "ShowFaceSet": 1}
    assert list(witness.arrivals("ShowFaceSet")) == [2.0]


def test_updates_can_be_read_on() -> None:
    """Applied updates are numbered from 1 and can be read on from any number."""
    witness = Witness()
    for number in range(5):
        ticket = witness.arrive("UpdateFace", float(number))
        witness.apply(ticket, "people", f"f{number}", f"{number:032x}", 200)
    assert [each.face_id for each in witness.updates(2, 2)] == ["f2", "f3"]
    assert [each.sequence for each in witness.updates(2)] == [3, 4, 5]
    last = next(iter(witness.updates(4)))
    assert (last.arrival, last.request_id, last.status) == (4.0, f"{4:032x}", 200)
    assert list(witness.updates(99)) == []


def test_reset_forgets_requests_in_flight() -> None:
    """A request that began before a reset leaves no trace after it."""
    witness = Witness()
    ticket = witness.arrive("UpdateFace", 0.0)
    witness.reset()
    witness.finish(ticket, 200)
    witness.apply(ticket, "people", "f", "0" * 32, 200)
    assert (witness.requests, witness.applied, witness.by_status) == (0, 0, {})


def test_quota_that_is_changed_counts_what_came_before() -> None:
    """A lower quota is full with the calls of the last second; None lets any pass."""
    quota = Quota(QuotaRules(qps=3))
    assert [quota.admit("UpdateFace", 0.1) for _ in range(2)] == [True, True]
    quota.change(2)
    assert not quota.admit("UpdateFace", 0.2)
    assert quota.admit("UpdateFace", 1.1)
    quota.change(None)
    assert all(quota.admit("UpdateFace", 1.2) for _ in range(50))
    quota.change(5)
    assert [quota.admit("UpdateFace", 1.3) for _ in range(5)] == [True] * 4 + [False]
