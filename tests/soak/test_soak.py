"""A short soak with the code of the long one, and what its checks would find."""

from dataclasses import replace
from pathlib import Path

import pytest

from soak.checks import check
from soak.plan import ACTIONS, EVERY, Plan
from soak.samples import Sample, slope, steepest
from soak.soaking import Soaked, soak

# The other tests keep this machine busy: what a rate really holds is counted in
# tests/pacing, in tests/integration and by the long form.
SHORT = Plan(
    seconds=20, rate=100, timeout=1.0, least_used=0.5, most_over=0.5, most_faces=700
)


def broken(soaked: Soaked) -> set[str]:
    """Return the names of the checks that did not hold."""
    return {each.what for each in check(soaked) if not each.good}


def test_short_soak(tmp_path: Path) -> None:
    """All is recorded and nothing grows under 1 % of each fault; each check can fail."""
    soaked = soak(SHORT, tmp_path)
    assert not [each for each in check(soaked) if not each.good]
    leak = [
        Sample(each.at, each.memory + 9000 * n, each.files + n, each.sockets + 99, n)
        for n, each in enumerate(soaked.samples)
    ]
    grown = {"memory flat", "files flat", "connections bounded", "threads flat"}
    assert broken(replace(soaked, samples=leak)) == grown
    assert broken(replace(soaked, code=3)) == {"exit code"}
    witness = {**soaked.witness, "worst_second": 151}
    assert broken(replace(soaked, witness=witness)) == {"rate is a cap"}
    stored = {**soaked.stored, SHORT.face(17): 18}
    assert broken(replace(soaked, stored=stored)) == {"server and journal agree"}
    fewer = soaked.arrivals[:-1]
    assert broken(replace(soaked, arrivals=fewer)) == {"every attempt is on record"}
    unused = [3 * at for at in soaked.arrivals]
    assert broken(replace(soaked, arrivals=unused)) == {"rate is used"}


def test_faults_do_not_share_a_request() -> None:
    """No two faults of the script want the same request."""
    begins = {number * EVERY // len(ACTIONS) % EVERY for number in range(len(ACTIONS))}
    assert len(begins) == len(ACTIONS)


def test_little_of_the_concurrency_is_needed() -> None:
    """At 300 a second, with two seconds for a try, less than half of 64 are busy."""
    assert Plan(seconds=1200, rate=300).busy == pytest.approx(27, abs=2)


def test_a_leak_of_an_object_a_request_is_seen() -> None:
    """In ten minutes at 300 a second a leak of 64 bytes a request is steep."""
    leak = [Sample(t, 300 * t * 64 // 1024, 9, 9, 9) for t in range(600)]
    assert slope(leak) == pytest.approx(300 * 64 * 60 / 1024, rel=0.01)
    assert slope(leak) > steepest(300, 600)
