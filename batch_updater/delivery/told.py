"""Which quotas the service has told, and how far its headers are believed; pure."""

import math
from dataclasses import dataclass, field

from batch_updater.frs.quota import Budget, Quota

_KEPT = 4
_MOST_CHANGES = 8  # of the quota in headers
_LONGEST_HINT = 60.0  # seconds: what is worse than that, a refusal will say


@dataclass(slots=True)
class Told:
    """The quotas that hold until the run ends: of each policy and window the last."""

    _quotas: dict[tuple[str, float], Quota] = field(default_factory=dict)

    def take(self, quota: Quota) -> bool:
        """Take a quota; return whether it tells anything new."""
        key = (quota.policy, quota.seconds)
        if self._quotas.get(key) == quota:
            return False
        self._quotas.pop(key, None)
        if len(self._quotas) == _KEPT:
            del self._quotas[next(iter(self._quotas))]
        self._quotas[key] = quota
        return True

    def clear(self) -> None:
        """Forget all of them."""
        self._quotas.clear()

    def binding(self, rate: float | None) -> list[Quota]:
        """Return the quotas that a rate could go beyond."""
        return [each for each in self._quotas.values() if binds(each, rate)]


def binds(quota: Quota, rate: float | None) -> bool:
    """Return whether a rate could go beyond a quota."""
    return rate is None or quota.limit < rate * quota.seconds


@dataclass(frozen=True, slots=True)
class Hint:
    """What headers ask for: a quota to keep, a pause, or to drop what they told."""

    keep: Quota | None = None
    pause: float = 0.0
    drop: bool = False


NO_HINT = Hint()


class Hints:
    """
    Reads the budget in the headers of replies, and stops believing what is wrong.

    A quota in a header holds for a minute at the most, however long its window: were
    it nonsense, the run would stand still for an hour without anybody having refused
    anything. When twice as many calls pass as it tells, or it never stays the same,
    headers are not believed again. That nothing is left makes a short pause, once in a window.

    Args:
        pause: its length in seconds.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._believes = True
        self._last: Quota | None = None
        self._changes = 0
        self._since = -math.inf
        self._passed = 0
        self._paused_until = -math.inf

    def read(self, budget: Budget, now: float, *, passed: bool) -> Hint:
        """
        Return what to do about a reply's budget.

        Args:
            passed: whether the service let the call pass.
        """
        if not self._believes:
            return NO_HINT
        quota = budget.quota
        if quota and self._is_refuted(quota, now, passed=passed):
            self._believes = False
            return Hint(drop=True)
        pause = self._pause if budget.left == 0 and now >= self._paused_until else 0.0
        if pause:
            self._paused_until = now + (quota.seconds if quota else _LONGEST_HINT)
        return Hint(keep=_shortened(quota) if quota else None, pause=pause)

    def _is_refuted(self, quota: Quota, now: float, *, passed: bool) -> bool:
        if now > self._since + quota.seconds:
            self._since, self._passed = now, 0
        self._passed += passed
        self._changes += quota != self._last
        self._last = quota
        return self._passed > 2 * quota.limit or self._changes > _MOST_CHANGES


def _shortened(quota: Quota) -> Quota:
    return Quota(quota.limit, min(quota.seconds, _LONGEST_HINT))
