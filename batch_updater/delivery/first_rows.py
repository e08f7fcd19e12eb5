"""The first rows: whether a run fails the same way from its first row on; pure."""

from batch_updater.models import Outcome, Result

_BAD = frozenset({Outcome.FAILED, Outcome.MISSING})


class FirstRows:
    """
    Watches whether the first rows that were sent all failed with the same code.

    One row that ends otherwise proves that the run as a whole is not what is
    wrong, and nobody watches from then on.

    Args:
        limit: how many rows it takes; None never fails.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._code: str | None = None
        self.count = 0

    def fail_alike(self, result: Result) -> bool:
        """Take the next result; return whether it is the one that fills the limit."""
        if self._limit is None or not _was_sent(result):
            return False
        if result.outcome not in _BAD or not self._is_alike(result):
            self._limit = None
            return False
        self.count += 1
        return self.count == self._limit

    def _is_alike(self, result: Result) -> bool:
        if self._code is None:
            self._code = result.error_code
        return result.error_code == self._code


def _was_sent(result: Result) -> bool:
    """Return whether a row came to its end at the service, good or bad."""
    return bool(result.attempts) and result.outcome is not Outcome.UNPROCESSED
