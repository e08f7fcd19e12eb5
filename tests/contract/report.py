"""What a run of the suite found: for people, and for programs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from batch_updater.inert import printable
from contract.cases import FOUND, HELD, NOT_ASKED, NOT_HELD, Entry


@dataclass(slots=True)
class Report:
    """
    What a run found, as far as it came.

    Args:
        face_set: the URL of the one it made.
        trouble: why it ended early, or what it left behind; empty when all is well.
    """

    face_set: str
    client: str
    entries: list[Entry] = field(default_factory=list)
    requests: int = 0
    busiest: int = 0
    exit_code: int = 0
    trouble: list[str] = field(default_factory=list)

    @property
    def not_held(self) -> list[Entry]:
        """The documented facts that are not so."""
        return [entry for entry in self.entries if entry.state == NOT_HELD]

    def as_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield the report for people."""
        yield f"face set    {self.face_set}"
        yield f"client      {self.client}"
        yield f"requests    {self.requests}, {self.busiest} in the busiest second"
        yield "documented"
        for entry in self.entries:
            if entry.state in {HELD, NOT_HELD}:
                yield from _fact(entry)
        yield "found out   (! where it is not what is assumed)"
        for entry in self.entries:
            if entry.found:
                yield from _question(entry)
        yield "not asked"
        for entry in self.entries:
            if entry.state == NOT_ASKED:
                yield f"  {entry.about}: {printable(entry.evidence)}"
        yield self._verdict()

    def _verdict(self) -> str:
        count = dict.fromkeys((HELD, NOT_HELD, FOUND, NOT_ASKED), 0)
        for entry in self.entries:
            count[entry.state] += 1
        said = ", ".join(f"{number} {state}" for state, number in count.items())
        return f"in all      {said}"


def _fact(entry: Entry) -> Iterator[str]:
    yield f"  {entry.state:<9} {entry.about}"
    if entry.evidence:
        yield f"{'':<12}but: {printable(entry.evidence)}"


def _question(entry: Entry) -> Iterator[str]:
    found = entry.found
    if found is None:
        return
    mark = "!" if found.expected is False else " "
    yield f"  {mark} {entry.about}? {printable(found.value)}"
    yield f"{'':<12}seen: {printable(found.evidence)}"
    if found.switch:
        yield f"{'':<12}emulator: {found.switch}"
    elif found.expected is False:
        yield f"{'':<12}emulator: no switch for this"
    if found.setting:
        yield f"{'':<12}updater: {found.setting}"
