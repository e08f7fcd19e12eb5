"""What has to hold after every night, and after the last one was taken back; pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from rehearsal.nights import Night, Rehearsal

_FINE = {
    "plan": {0, 1},  # 1: some faces could not be read
    "killed": {-9},
    "resume": {1, 6},
    "retry": {0, 1, 6},
    "verify": {0, 6},
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to hold, and what was seen."""

    what: str
    good: bool
    seen: str


def check(rehearsal: Rehearsal) -> Iterator[Check]:
    """Yield what has to hold of a rehearsal."""
    for night in rehearsal.nights:
        yield from _check_night(night, rehearsal)
    yield Check(
        "rolled back: as before the last night",
        not rehearsal.not_back,
        f"{len(rehearsal.not_back):,} faces are not, exit codes "
        f"{rehearsal.rollback_codes}",
    )


def _check_night(night: Night, rehearsal: Rehearsal) -> Iterator[Check]:
    told = f"night {night.number}: "
    codes = {
        name: code for name, code in night.codes.items() if code not in _FINE[name]
    }
    yield Check(told + "exit codes", not codes, str(dict(night.codes)))
    named = frozenset[str]().union(*night.listed.values())
    hidden = night.differing - named
    yield Check(
        told + "what differs is listed",
        not hidden,
        f"{len(night.differing):,} differ, {len(hidden):,} of them not listed",
    )
    yield Check(
        told + "the SDK sees nothing else",
        night.otherwise <= named,
        f"{len(night.otherwise):,} of some that it read differ",
    )
    wrongly = named - night.differing
    yield Check(
        told + "what is listed differs", not wrongly, f"{len(wrongly):,} do not"
    )
    rows = sum(night.statuses.values())
    yield Check(
        told + "a row of the plan for each row",
        rows == rehearsal.story.faces,
        str(dict(night.statuses)),
    )
    yield Check(
        told + "few requests",
        night.sent <= _most_sent(night, rehearsal),
        f"{night.sent:,} updates and {night.read:,} reads for {night.needed:,} changes",
    )


def _most_sent(night: Night, rehearsal: Rehearsal) -> int:
    """Return how many updates may arrive: each change once, and what faults cost."""
    changes, story = night.statuses.get("change", 0), rehearsal.story
    in_flight = 2 * 32  # at the kill
    tries_of_refused = 2 * story.refused
    passing = 4 * changes // story.every + 10
    return changes + in_flight + tries_of_refused + 2 * passing
