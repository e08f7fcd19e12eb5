"""What a soak does: how long, how fast, and which faults; pure."""

from dataclasses import dataclass

LATENCY = 0.03
DELAY = 0.5
EVERY = 100
"""One request in a hundred, of each fault."""

# After which request each begins, so that no two want the same one.
ACTIONS = (
    "respond",
    "delay",
    "reset",
    "reset-after-commit",
    "stall",
    "timeout-after-commit",
    "partial",
    "face-number-0",
)
_TRIED_AGAIN = 6  # of these: all but delay and face-number-0
_MEAN_BACKOFF = 0.25  # seconds, after a first attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    One soak.

    A worker is held by a request, by the pause after a failed one, and by a fault
    that is never answered for all of `timeout`. By Little's law as many are busy as
    start a second times the seconds that each is held; `concurrency` must be well
    above that, or the rate cannot be kept.

    Args:
        rate: requests a second.
        timeout: seconds that one try may take.
        least_used: share of the rate that must be used.
        most_over: share of the rate by which a second may exceed it: nothing, but
            on a machine that is busy with other things.
        most_faces: faces in the face set, which FRS lets hold 100,000 (page 0088);
            more rows than that update them in turn.
    """

    seconds: float
    rate: int
    timeout: float = 2.0
    concurrency: int = 64
    headroom: str = "1%"
    least_used: float = 0.97
    most_over: float = 0.0
    most_faces: int = 90_000

    @property
    def rows(self) -> int:
        """As many as keep it busy for its time: some are sent more than once."""
        return round(self.seconds * self.rate * (1 - _TRIED_AGAIN / EVERY))

    @property
    def faces(self) -> int:
        """How many faces the rows are about."""
        return min(self.rows, self.most_faces)

    def face(self, row: int) -> str:
        """Return the face id of a row, whose value is the row's number."""
        return f"F{(row - 1) % self.faces + 1:07d}"

    @property
    def busy(self) -> float:
        """How many workers are busy on average."""
        unanswered = 2 * self.timeout / EVERY
        slow = (DELAY + _TRIED_AGAIN * _MEAN_BACKOFF) / EVERY
        return self.rate * (LATENCY + unanswered + slow)

    @property
    def script(self) -> str:
        """The faults, as the emulator reads them."""
        return "\n".join(
            f"[[fault]]\nname = {action!r}\naction = {action!r}\n"
            f"every = {EVERY}\nafter = {number * EVERY // len(ACTIONS)}\ntimes = 0"
            + {"respond": '\ncode = "FRS.0018"', "delay": f"\nseconds = {DELAY}"}.get(
                action, ""
            )
            for number, action in enumerate(ACTIONS)
        )
