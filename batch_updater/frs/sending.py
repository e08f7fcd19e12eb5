"""What everybody above the network asks of it: one request, one reply."""

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from yarl import URL

from batch_updater.models import Reply

BODY_LIMIT = 64 * 1024


class Send(Protocol):
    """Sends one request."""

    def __call__(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        keep: tuple[str, ...] = (),
        limit: int = BODY_LIMIT,
    ) -> Coroutine[Any, Any, Reply]:
        """
        Send one request; whatever happens on the way is a Reply.

        Args:
            keep: headers of the answer whose values are wanted, by name.
            limit: bytes of the answer's body that are read at the most.
        """


class TryAgain(Exception):
    """
    What was asked for cannot be had at this moment, though later it may.

    Args:
        retry_after: seconds the service asks to wait, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
