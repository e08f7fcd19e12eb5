"""What the way between client and server does to a connection; pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from random import Random


class Way(Enum):
    """Which way bytes go."""

    UP = "request"
    DOWN = "answer"


class Kind(StrEnum):
    """What can befall a connection, once so many bytes have passed."""

    RESET_REQUEST = "reset-request"
    RESET_ANSWER = "reset-answer"
    LOSE_REQUEST = "lose-request"
    LOSE_ANSWER = "lose-answer"
    HALF_OPEN = "half-open"

    @property
    def way(self) -> Way:
        """The way whose bytes are counted."""
        up = self in {Kind.RESET_REQUEST, Kind.LOSE_REQUEST}
        return Way.UP if up else Way.DOWN

    @property
    def resets(self) -> bool:
        """Whether both sides see a reset."""
        return self in {Kind.RESET_REQUEST, Kind.RESET_ANSWER}

    @property
    def swallows(self) -> Way:
        """The way on which nothing passes any more: a half-open one has no server."""
        return Way.UP if self is Kind.HALF_OPEN else self.way


class Port(StrEnum):
    """What a client meets that connects; one that is not open has no connections."""

    OPEN = "open"
    CLOSED = "closed"
    FULL = "full"
    """Nobody accepts, and the backlog is full: packets are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """
    What befalls a share of the connections.

    Args:
        after: the least and the most bytes that pass before it strikes; drawn
            for each connection.
    """

    kind: Kind
    share: float = 1.0
    after: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Fate:
    """What will befall one connection: the trouble and the bytes left until then."""

    kind: Kind | None = None
    left: int = 0
    struck: bool = False

    def take(self, way: Way, data: bytes) -> bytes:
        """Return what of `data` still passes; `struck` tells whether trouble came."""
        if self.kind is None:
            return data
        if self.struck:
            return b"" if way is self.kind.swallows else data
        if way is not self.kind.way:
            return data
        passing = data[: self.left]
        self.left -= len(passing)
        self.struck = len(passing) < len(data) or not self.left
        return passing


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """
    How the way is at a moment; the default is fair.

    Args:
        latency: seconds that bytes travel, each way.
        jitter: seconds, at the most, that are added to it.
        bandwidth: bytes a second, of each connection and way.
        piece: bytes of an answer that are passed on at once; 1 is a slow loris.
        idle: seconds of silence after which a connection is closed.
        troubles: the first whose share takes a connection befalls it.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    piece: int | None = None
    idle: float | None = None
    port: Port = Port.OPEN
    troubles: tuple[Trouble, ...] = ()

    def fate(self, chance: Random) -> Fate:
        """Draw what befalls one connection from now on."""
        for trouble in self.troubles:
            if chance.random() < trouble.share:
                return Fate(trouble.kind, chance.randint(*trouble.after))
        return Fate()

    def travel(self, chance: Random) -> float:
        """Return the seconds that some bytes are on their way."""
        return self.latency + chance.uniform(0.0, self.jitter)

    def pieces(self, way: Way, data: bytes) -> Iterator[tuple[bytes, float]]:
        """Yield what is passed on at once, and the seconds that it takes."""
        size = self.piece if self.piece and way is Way.DOWN else len(data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            yield piece, len(piece) / self.bandwidth if self.bandwidth else 0.0


FAIR = Weather()

Forecast = tuple[tuple[float, Weather], ...]
"""Weathers that follow one another, each with its seconds; then from the start again."""


def always(weather: Weather) -> Forecast:
    """Return the forecast of a weather that stays."""
    return ((3600.0, weather),)


def trouble(kind: Kind, share: float = 1.0, least: int = 0, most: int = 0) -> Weather:
    """Return a weather with one trouble."""
    return Weather(troubles=(Trouble(kind=kind, share=share, after=(least, most)),))


@dataclass(slots=True)
class Account:
    """What a proxy has seen: connections, bytes each way, troubles that struck."""

    connections: int = 0
    closed_idle: int = 0
    passed: dict[Way, int] = field(default_factory=lambda: dict.fromkeys(Way, 0))
    struck: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
