"""Where a retry waits for its token, first come first served."""

import asyncio

from batch_updater.delivery.budget import BudgetRules, RetryBudget
from batch_updater.delivery.clock import loop_time
from batch_updater.delivery.gate import Bell, Gate

_DEFAULT = BudgetRules()
# What is missing may be so little that the clock does not move by it.
_SHORTEST = 0.001


class Tokens:
    """A run's retry budget on the loop's clock, with its queue at the gate."""

    def __init__(self, gate: Gate, rules: BudgetRules = _DEFAULT) -> None:
        self._gate = gate
        self._budget = RetryBudget(rules, loop_time())
        self._turn = asyncio.Lock()
        self._earned = Bell()

    def earn(self) -> None:
        """Take note of a success."""
        self._budget.earn()
        self._earned.ring()

    async def take(self) -> None:
        """Wait for a token and spend it; return without one when the gate closes."""
        async with self._turn:
            while not self._gate.closed and not self._budget.take(loop_time()):
                missing = self._budget.missing(loop_time())
                await self._gate.sleep(max(missing, _SHORTEST), self._earned)
