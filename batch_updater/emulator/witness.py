"""What arrived, when, and what was applied: the server's own account; pure."""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NO_ANSWER = 0
IN_FLIGHT = 1
WINDOW = 1.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """The handle of one recorded request; stale after a reset."""

    epoch: int
    index: int
    arrival: float


@dataclass(frozen=True, slots=True)
class Applied:
    """One committed update; `status` is None when the client got no answer."""

    sequence: int
    arrival: float
    face_set_name: str
    face_id: str
    request_id: str
    status: int | None


class Arrivals:
    """Arrival times in seconds since the start, in order, with the worst window so far."""

    __slots__ = ("_tail", "times", "worst")

    def __init__(self) -> None:
        self.times = array("d")
        self.worst = 0
        self._tail = 0

    def add(self, at: float) -> None:
        """Count one arrival; times must not go backwards."""
        self.times.append(at)
        while self.times[self._tail] + WINDOW <= at:
            self._tail += 1
        self.worst = max(self.worst, len(self.times) - self._tail)


class Witness:
    """Every FRS request and every applied update, in compact columns.

    `identity` counts the calls to IAM and the metadata service by operation; they
    are no FRS requests and stand in no other figure.
    """

    def __init__(self) -> None:
        self._epoch = 0
        self._codes: list[str] = [""]
        self.reset()

    def reset(self) -> None:
        """Forget everything; requests in flight are not recorded any more."""
        self._epoch += 1
        self.identity: Counter[str] = Counter()
        self._all = Arrivals()
        self._by_operation: dict[str, Arrivals] = {}
        self._statuses = array("H")
        self._code_numbers = array("H")
        self._applied_at = array("d")
        self._applied_status = array("H")
        self._applied_sets: list[str] = []
        self._applied_faces: list[str] = []
        self._applied_ids = bytearray()

    def arrive(self, operation: str, at: float) -> Ticket:
        """Record a request the moment it is seen."""
        self._all.add(at)
        self._by_operation.setdefault(operation, Arrivals()).add(at)
        self._statuses.append(IN_FLIGHT)
        self._code_numbers.append(0)
        return Ticket(self._epoch, len(self._statuses) - 1, at)

    def finish(self, ticket: Ticket, status: int | None, code: str = "") -> None:
        """Record how a request ended; None when the client got no answer."""
        if ticket.epoch != self._epoch:
            return
        self._statuses[ticket.index] = status or NO_ANSWER
        self._code_numbers[ticket.index] = self._number(code)

    def apply(
        self,
        ticket: Ticket,
        face_set_name: str,
        face_id: str,
        request_id: str,
        status: int | None,
    ) -> None:
        """Record a committed update and the status its sender will see."""
        if ticket.epoch != self._epoch:
            return
        self._applied_at.append(ticket.arrival)
        self._applied_status.append(status or NO_ANSWER)
        self._applied_sets.append(face_set_name)
        self._applied_faces.append(face_id)
        self._applied_ids += bytes.fromhex(request_id)

    @property
    def requests(self) -> int:
        """How many FRS requests arrived."""
        return len(self._statuses)

    @property
    def in_flight(self) -> int:
        """How many of them have no end yet."""
        return self._statuses.count(IN_FLIGHT)

    @property
    def by_status(self) -> dict[str, int]:
        """Ended requests by HTTP status; `none` counts those left without an answer."""
        counts = Counter(self._statuses)
        counts.pop(IN_FLIGHT, None)
        return {_status_name(status): n for status, n in sorted(counts.items())}

    @property
    def by_code(self) -> dict[str, int]:
        """Ended requests by error code; those without a code are left out."""
        counts = Counter(self._code_numbers)
        counts.pop(0, None)
        return {self._codes[number]: n for number, n in sorted(counts.items())}

    @property
    def by_operation(self) -> dict[str, int]:
        """Arrived requests by operation."""
        return {name: len(trail.times) for name, trail in self._by_operation.items()}

    @property
    def applied(self) -> int:
        """How many updates were committed."""
        return len(self._applied_at)

    def worst_second(self, operation: str | None = None) -> int:
        """Return the most arrivals in any half-open window [t, t + 1 s)."""
        return self._trail(operation).worst

    def arrivals(self, operation: str | None = None) -> Sequence[float]:
        """Return arrival times in seconds since the start, ascending; a copy."""
        return self._trail(operation).times[:]

    def updates(self, since: int = 0, limit: int | None = None) -> Iterator[Applied]:
        """Yield the applied updates whose sequence is above `since`, in order."""
        start = max(0, since)
        stop = self.applied if limit is None else min(self.applied, start + limit)
        return map(self._update, range(start, stop))

    def _update(self, index: int) -> Applied:
        return Applied(
            sequence=index + 1,
            arrival=self._applied_at[index],
            face_set_name=self._applied_sets[index],
            face_id=self._applied_faces[index],
            request_id=self._applied_ids[16 * index : 16 * index + 16].hex(),
            status=self._applied_status[index] or None,
        )

    def _trail(self, operation: str | None) -> Arrivals:
        if operation is None:
            return self._all
        return self._by_operation.get(operation, Arrivals())

    def _number(self, code: str) -> int:
        # A run sees a handful of codes, so a scan beats a second index.
        if code not in self._codes:
            self._codes.append(code)
        return self._codes.index(code)


def _status_name(status: int) -> str:
    return "none" if status == NO_ANSWER else str(status)
