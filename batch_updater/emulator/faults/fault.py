"""Planned misbehaviour: what a fault is, when it fires, and how often it did; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from batch_updater.emulator.answers import CODES

FOR_EVER = 0

# The options each action takes beside name, action and the matching ones.
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "respond": ("status", "code", "message", "headers", "body", "content_type"),
    "delay": ("seconds",),
    "reset": (),
    "reset-after-commit": (),
    "stall": ("seconds",),
    "timeout-after-commit": ("seconds",),
    "partial": (),
    "face-number-0": (),
}
MATCHING = ("name", "action", "operation", "face_id", "after", "every", "times")
UPDATES_ONLY = ("reset-after-commit", "timeout-after-commit", "face-number-0")
OWN_HEADERS = ("content-type", "content-length", "transfer-encoding", "x-request-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    One planned misbehaviour.

    It matches requests of `operation`, as the SDK names it, and of `face_id` when given. Of those it
    skips the first `after`, then takes every `every`-th, `times` times (0: for
    ever). `respond` answers with `code` in its envelope (`status` and `message`
    have the code's usual values) or with a raw `body`; nothing is committed.
    `delay`, `stall` and `timeout-after-commit` take `seconds`; the latter two
    wait until the client leaves when there are none.
    """

    name: str
    action: str
    operation: str = "UpdateFace"
    face_id: str | None = None
    after: int = 0
    every: int = 1
    times: int = 1
    status: int | None = None
    code: str | None = None
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    content_type: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise self._wrong("action", f"must be one of {', '.join(ACTIONS)}")
        self._check_options()
        self._check_counts()
        if self.action == "respond":
            self._check_answer()
        if self.action == "delay" and self.seconds is None:
            raise self._wrong("seconds", "is required by delay")
        if self.action in UPDATES_ONLY and self.operation != "UpdateFace":
            raise self._wrong("operation", f"must be UpdateFace for {self.action}")

    def _check_options(self) -> None:
        allowed = (*MATCHING, *ACTIONS[self.action])
        for each in fields(self):
            given = getattr(self, each.name)
            if each.name not in allowed and given not in (None, {}):
                raise self._wrong(each.name, f"is not an option of {self.action}")

    def _check_counts(self) -> None:
        if self.after < 0 or self.times < 0:
            raise self._wrong("after" if self.after < 0 else "times", "is negative")
        if self.every < 1:
            raise self._wrong("every", "must be at least 1")
        if self.seconds is not None and not 0 <= self.seconds < float("inf"):
            raise self._wrong("seconds", "must be a finite number from 0")

    def _check_answer(self) -> None:
        if self.code is None and self.body is None:
            raise self._wrong("code", "or body is required by respond")
        if self.status is None and self.code not in CODES:
            raise self._wrong("status", f"is required: {self.code} has no usual one")
        if self.status is not None and not 200 <= self.status <= 599:
            raise self._wrong("status", "must be from 200 to 599")
        for name, value in self.headers.items():
            if name.lower() in OWN_HEADERS:
                raise self._wrong("headers", f"must not set {name}")
            if not (name + value).isprintable():
                raise self._wrong("headers", "must be printable")

    def _wrong(self, key: str, problem: str) -> ValueError:
        return ValueError(f"fault {self.name!r}: {key} {problem}")


@dataclass(slots=True)
class Tally:
    """A fault with its account: requests it matched, times it fired."""

    fault: Fault
    matched: int = 0
    fired: int = 0

    def due(self, operation: str, face_id: str | None) -> bool:
        """Count a request if it matches; say whether the fault wants it."""
        fault = self.fault
        if fault.operation != operation or fault.face_id not in (None, face_id):
            return False
        self.matched += 1
        if fault.times != FOR_EVER and self.fired >= fault.times:
            return False
        turn = self.matched - fault.after
        return turn > 0 and turn % fault.every == 0


class Script:
    """An ordered list of faults; of those that want a request the first one fires."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.tallies = [Tally(fault) for fault in faults]
        names = [tally.fault.name for tally in self.tallies]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"fault {name!r}: name is given twice")

    def match(self, operation: str, face_id: str | None) -> Fault | None:
        """Return the fault to play on this request, counting it as fired."""
        # Every fault sees every request, so that `after` and `every` count requests
        # and do not depend on the faults before.
        due = [tally for tally in self.tallies if tally.due(operation, face_id)]
        if not due:
            return None
        due[0].fired += 1
        return due[0].fault

    def rewind(self) -> None:
        """Start every count again."""
        self.tallies = [Tally(tally.fault) for tally in self.tallies]
