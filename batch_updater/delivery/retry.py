"""Whether and when to try again: pure rules, no clock and no network."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """
    How often and how long one row is tried.

    Args:
        max_attempts: the first one included.
        max_elapsed: seconds of trying and backing off a row may cost; waiting
            for the pacer does not count.
        base: seconds; the first backoff is drawn from 0 to this.
        cap: seconds; no backoff is drawn above it.
        throttle_floor: seconds, longer than the quota's window, for which
            nobody sends after a throttled reply.
        longest_wait: seconds; a Retry-After that asks for more is asked again
            after this long.
        settle: seconds for which a face that does not exist is asked for again:
            one that was just added takes a while to be seen.
    """

    max_attempts: int = 6
    max_elapsed: float = 300.0
    base: float = 0.5
    cap: float = 30.0
    throttle_floor: float = 1.1
    longest_wait: float = 3600.0
    settle: float = 0.0

    def backoff(self, attempt: int, retry_after: float | None, chance: Random) -> float:
        """
        Return the seconds to wait after the attempt with this number (from 1).

        Full jitter: uniform between nothing and a bound that doubles, but never
        less than the service asked for.
        """
        return max(self._jitter(attempt, chance), self._asked(retry_after))

    def throttle_pause(
        self, attempt: int, retry_after: float | None, chance: Random
    ) -> float:
        """Return the seconds nobody may start after a throttled reply."""
        jitter = self._jitter(attempt, chance)
        return max(self.throttle_floor + jitter, self._asked(retry_after))

    def settle_pause(self, settled: float, chance: Random) -> float | None:
        """
        Return the seconds until a missing face is asked for again; None: it fails.

        About 1, 2, 4, ... seconds, the last one cut so that the time is used up.

        Args:
            settled: seconds that this row has waited so already.
        """
        left = self.settle - settled
        if left <= 0:
            return None
        return min(left, (1.0 + settled) * chance.uniform(0.75, 1.25))

    def allows(self, attempt: int, spent: float, delay: float = 0.0) -> bool:
        """Return whether a row may be tried again after `attempt` attempts."""
        return attempt < self.max_attempts and spent + delay <= self.max_elapsed

    def _asked(self, retry_after: float | None) -> float:
        return min(retry_after or 0.0, self.longest_wait)

    def _jitter(self, attempt: int, chance: Random) -> float:
        # min first: 2 ** attempt leaves the floats after a thousand attempts
        bound = self.base * 2.0 ** min(attempt - 1, 32)
        return chance.uniform(0.0, min(self.cap, bound))
