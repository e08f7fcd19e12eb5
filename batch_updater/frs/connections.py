"""Connections to one origin, kept between requests."""

import math
import time

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

_CONNECT = 0.95  # of a request's time: what is late after it may have arrived
_IDLE = 120.0  # seconds; the gateway closes connections idle for 300 s


class Connections:
    """
    Makes connections with aiohttp's connector, and keeps those that are not in use.

    The one that was used last is taken first, so that at a low rate few are in use
    and none is met in the moment in which the other side gives it up.

    Args:
        proxy: what leads there, or None for the straight way.
        proxy_headers: who we are to a proxy that opens a tunnel.
        patience: seconds that a request may take, connecting included.
    """

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        origin: URL,
        patience: float,
        proxy: URL | None = None,
        proxy_headers: dict[str, str] | None = None,
    ) -> None:
        self._connector = connector
        self._timeout = aiohttp.ClientTimeout(
            total=patience,
            connect=patience * _CONNECT,
            ceil_threshold=math.inf,  # whole seconds would make the two one
        )
        # What the connector knows its connections by; it is never sent.
        self._asked = aiohttp.ClientRequest(
            "GET", origin, proxy=proxy, proxy_headers=proxy_headers
        )
        self._idle: list[tuple[Connection, float]] = []

    async def take(self) -> Connection:
        """
        Return one that nobody else uses.

        Raises:
            ClientError, OSError: it does not come about; ConnectionTimeoutError:
                not in time.
        """
        now = time.monotonic()
        while self._idle:
            connection, since = self._idle.pop()
            if now - since < _IDLE and _is_clean(connection):
                return connection
            connection.close()
        try:
            return await self._connector.connect(self._asked, [], self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose answer has been read; one that is spent is closed."""
        if _is_clean(connection):
            self._idle.append((connection, time.monotonic()))
        else:
            connection.close()

    def give_up(self, connection: Connection) -> None:
        """Break a connection off whose answer nobody waits for any more."""
        if connection.transport is not None:
            connection.transport.abort()
        connection.close()

    def close(self) -> None:
        """Leave those that are not in use to the connector, which waits for their end."""
        while self._idle:
            self._idle.pop()[0].release()


def _is_clean(connection: Connection) -> bool:
    """Return whether it is open, and nothing has come that nobody asked for."""
    protocol = connection.protocol
    return (
        protocol is not None and protocol.is_connected() and not protocol.should_close
    )
