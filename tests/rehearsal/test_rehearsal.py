"""Two short nights with the code of the long rehearsal, and what its checks would find."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

from rehearsal.checks import check
from rehearsal.nights import Rehearsal, rehearse
from rehearsal.service import Service
from rehearsal.story import Story
from served import emulator

SHORT = Story(
    nights=2,
    faces=160,
    changed=24,
    drifting=6,
    meddled=4,
    refused=3,
    every=20,
    read_back=9,
)


def broken(rehearsal: Rehearsal) -> set[str]:
    """Return the checks that did not hold."""
    return {each.what for each in check(rehearsal) if not each.good}


def test_two_nights(tmp_path: Path, frs: ModuleType) -> None:
    """Kills, faults and another writer: what differs is listed; each check can fail."""
    with emulator(tmp_path, "--external-fields", "replace") as url:
        rehearsal = rehearse(SHORT, tmp_path, Service(url, frs))
    assert not [each for each in check(rehearsal) if not each.good]
    first, second = rehearsal.nights
    assert min(len(first.listed[why]) for why in ("failed", "drifted")) > 0
    some = frozenset({"F0000001"})
    assert broken(replace(rehearsal, not_back=some)) == {
        "rolled back: as before the last night"
    }

    def with_second(**changes: object) -> Rehearsal:
        other = replace(second, **changes)  # type: ignore[arg-type]
        return replace(rehearsal, nights=(first, other))

    none = dict.fromkeys(second.listed, frozenset[str]())
    assert broken(with_second(listed=none)) >= {"night 2: what differs is listed"}
    assert broken(with_second(differing=frozenset())) == {
        "night 2: what is listed differs"
    }
    assert broken(with_second(sent=10**6)) == {"night 2: few requests"}
    assert broken(with_second(statuses={"same": 1, "change": SHORT.faces})) == {
        "night 2: a row of the plan for each row"
    }
    assert broken(with_second(codes={**second.codes, "verify": 7})) == {
        "night 2: exit codes"
    }
