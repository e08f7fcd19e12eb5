"""
The rate that throttled replies leave: down at once, up along a cubic curve; pure.

The curve is CUBIC's (RFC 9438, 4.2) as botocore's adaptive mode uses it for rates
(botocore/retries/throttling.py): from 0.7 of the rate at which the service refused,
flat where that rate was, and steep again beyond it.
"""

import math
from dataclasses import dataclass

_BETA = 0.7  # of what was achieved is left
_SCALE = 0.4  # starts a second, by cubic seconds
_FLOOR = 0.5  # starts a second; a rate that is lower is left alone
_STEP = 1.05  # a smaller rise is no change
_ALIKE = 0.15  # of a plateau; two that differ by less are the same quota
_MOST_PATIENCE = 16.0
_REMEMBERED = 60.0  # seconds after the plateau was reached
_WORTH_TELLING = 1.5  # times the rate that was told last
_NO_CAP = 100_000.0  # where a rate that was unlimited is so again


@dataclass(frozen=True, slots=True)
class Curve:
    """
    Starts a second after a cut.

    Args:
        begin: when the rise begins.
        plateau: the rate at which the service refused.
        patience: by how much the rise is stretched: a quota that has proven to be
            where it was is not probed every few seconds.
    """

    begin: float
    plateau: float
    patience: float

    @property
    def flat_at(self) -> float:
        """When the plateau is reached."""
        return self.begin + self.patience * self._rise

    @property
    def _rise(self) -> float:
        return math.cbrt(self.plateau * (1 - _BETA) / _SCALE)

    def at(self, now: float) -> float:
        """Return the rate at a moment."""
        elapsed = max(0.0, now - self.begin) / self.patience
        return float(_SCALE * (elapsed - self._rise) ** 3 + self.plateau)


@dataclass(frozen=True, slots=True)
class Fall:
    """A fall of the rate that is worth telling; None: it was unlimited."""

    was: float | None
    rate: float


class Adaptive:
    """
    The rate now: the cap, unless the service has throttled of late.

    Args:
        cap: starts a second, None for unlimited.
    """

    def __init__(self, cap: float | None) -> None:
        self.cap = self.rate = cap
        self.cut_at = -math.inf
        self._curve: Curve | None = None
        self._last: Curve | None = None
        self._told = 0.0

    @property
    def recovers(self) -> bool:
        """Whether the rate is on its way back to the cap."""
        return self._curve is not None

    def change_cap(self, cap: float | None) -> None:
        """Let another cap hold; a rate that is below it goes on rising."""
        self.cap = cap
        if self._curve is None or (cap is not None and (self.rate or 0.0) >= cap):
            self._curve, self.rate = None, cap

    def cut(self, now: float, resumes: float, achieved: float) -> Fall | None:
        """
        Fall after a throttled reply.

        Args:
            resumes: when starts go on after the pause; the rise begins there.
            achieved: starts a second up to the one that was refused.

        Returns:
            The fall, when it is worth telling.
        """
        was = self.rate
        told = self._told if self.recovers else math.inf
        plateau = max(_FLOOR, min(achieved, was or _NO_CAP))
        self.cut_at = now
        if not self.recovers and was is not None and was <= _FLOOR:
            return None
        self._curve = Curve(resumes, plateau, self._patience(now, plateau))
        self._last = self._curve
        self.rate = max(_FLOOR, _BETA * plateau)
        if 1 / _WORTH_TELLING < self.rate / told < _WORTH_TELLING:
            return None
        self._told = self.rate
        return Fall(was, self.rate)

    def _patience(self, now: float, plateau: float) -> float:
        last = self._last
        if last is None or now > last.flat_at + _REMEMBERED:
            return 1.0
        if abs(plateau - last.plateau) > _ALIKE * last.plateau:
            return 1.0
        return min(2 * last.patience, _MOST_PATIENCE)

    def advance(self, now: float) -> bool:
        """Rise to where the curve is; return whether that changed the rate."""
        if self._curve is None or self.rate is None:
            return False
        rate, cap = self._curve.at(now), self.cap or _NO_CAP
        if rate >= cap:
            self._curve, self.rate = None, self.cap
            return True
        if rate < _STEP * self.rate:
            return False
        self.rate = rate
        return True
