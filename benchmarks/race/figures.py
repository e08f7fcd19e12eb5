"""Laps become figures: by request, and as ratios within a round."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.race.laps import Lap


@dataclass(frozen=True, slots=True)
class Turn:
    """A client's part of a round: over all its rows, and over few for its start."""

    few: Lap | None
    lap: Lap

    @property
    def rate(self) -> float:
        """Requests a second from the first request to the last answer."""
        return self.lap.requests / self.lap.seconds

    @property
    def sending(self) -> float | None:
        """Microseconds of processor time a request while requests were sent."""
        return None if self.lap.sending is None else self.lap.sending * 1e6

    @property
    def cpu(self) -> float:
        """Microseconds of processor time a request, the start of the process left out."""
        if self.few is None:
            return self.whole_cpu
        more = self.lap.requests - self.few.requests
        return (self.lap.cpu - self.few.cpu) / more * 1e6

    @property
    def whole_rate(self) -> float:
        """Requests a second of the whole process, from its start to its end."""
        return self.lap.requests / self.lap.wall

    @property
    def whole_cpu(self) -> float:
        """Microseconds of processor time a request of the whole process."""
        return self.lap.cpu / self.lap.requests * 1e6


Round = Mapping[str, Turn]
"""The turns of one round by a client's name."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of some rounds."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        digits = 0 if self.median >= 100 else 1 if self.median >= 10 else 2
        shown, least, most = (
            f"{value:.{digits}f}" for value in (self.median, self.least, self.most)
        )
        if least == most:
            return shown
        return f"{shown} ({least} to {most})"


def spread(values: Iterable[float]) -> Spread:
    """Return the spread of at least one value."""
    ordered = sorted(values)
    return Spread(median(ordered), ordered[0], ordered[-1])


def ratio(rounds: Sequence[Round], name: str, over: str, figure: str) -> Spread | None:
    """Return how a figure of one client compares with another's, round by round."""
    pairs = [
        (getattr(each[name], figure), getattr(each[over], figure)) for each in rounds
    ]
    if any(value is None for pair in pairs for value in pair):
        return None
    return spread(one / other for one, other in pairs)


def middle(rounds: Sequence[Round], name: str, figure: str) -> float | None:
    """Return the median of a figure of one client, None when some round has none."""
    values = [getattr(each[name], figure) for each in rounds]
    return None if None in values else median(values)
