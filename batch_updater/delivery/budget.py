"""How many of the attempts may be retries: tokens spent and earned; pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRules:
    """
    What a retry costs, in the spirit of Finagle's RetryBudget and gRPC's throttling.

    A retry costs one token. The pacer bounds the sum of all attempts already, so
    successes earn more than Finagle's fifth: up to a third of all attempts may
    fail before anybody waits for a token.

    Args:
        reserve: tokens at the start, and the most there can be.
        earned: tokens that a success earns.
        trickle: tokens a second that come by themselves, so that a run whose
            workers all wait for a token goes on; above 0.
    """

    reserve: float = 50.0
    earned: float = 0.5
    trickle: float = 1.0


class RetryBudget:
    """
    The tokens of a run.

    Args:
        now: the time of the start, in seconds of any clock that goes forward.
    """

    def __init__(self, rules: BudgetRules, now: float) -> None:
        self._rules = rules
        self._tokens = rules.reserve
        self._filled = now

    def earn(self) -> None:
        """Take note of a success."""
        self._add(self._rules.earned)

    def take(self, now: float) -> bool:
        """Spend a token for a retry that starts now; False when there is none."""
        self._fill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def missing(self, now: float) -> float:
        """Return the seconds until there is a token, if nobody earns or spends one."""
        self._fill(now)
        return max(0.0, 1.0 - self._tokens) / self._rules.trickle

    def _fill(self, now: float) -> None:
        self._add((now - self._filled) * self._rules.trickle)
        self._filled = now

    def _add(self, tokens: float) -> None:
        self._tokens = min(self._rules.reserve, self._tokens + tokens)
