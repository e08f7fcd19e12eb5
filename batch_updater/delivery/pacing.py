"""
When the next attempt may start.

Two parts, because neither holds alone. An AsyncLimiter spaces the starts, and lets
a late wake-up catch up. It is a leaky bucket, so after a pause it would let a burst
through on top of a full second; the ledger of the last starts refuses that: of as
many starts as a second allows, the oldest must be a window old before the next one
goes.

Time is that of time.monotonic(): the clock of a loop may be no finer than a
millisecond, and stand still while the loop works off what is ready.
"""

import math
from typing import Any

from batch_updater.delivery.adaptive import Adaptive
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.ledger import (
    Ledger,
    LocalLedger,
    Slot,
    Window,
    make_window,
    rate_window,
)
from batch_updater.delivery.line import Line
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.spacing import Spacing
from batch_updater.delivery.told import Hints, Told, binds
from batch_updater.frs.quota import Budget, Quota, read_quota

_LOOK_AGAIN = 1.0  # seconds: what was waited for may have changed
_HINTED_PAUSE = 1.1  # seconds
_MEASURED = 4.0  # starts, when they take longer than a second
_TICK = 0.001  # seconds: timers of uvloop go by whole ones, and never by a part


class Pacer:
    """
    At most `rate` starts in any sliding second, as the server sees them.

    What the service says of its quota makes it less: a throttled reply, a quota that
    was told. Nothing makes it more but whoever changes the rate.

    Args:
        rate: starts a second; a fraction below one means a start every 1/rate s.
            With a fractional rate the whole number above it is the cap of a
            single second, and the rate itself the cap of the mean. None: no cap
            of our own; pauses asked for by the service still hold.
        headroom: by how much of itself the window is longer than a second, at
            the least; requests seen to be late make it longer.
        gate: where to wait.
        ledger: where starts are noted, and whose clock counts.
        adaptive: whether throttled replies lower the rate for a while.
        notices: told of every change of state.
    """

    def __init__(
        self,
        rate: float | None,
        headroom: float,
        gate: Gate,
        ledger: Ledger,
        *,
        adaptive: bool,
        notices: Notices,
    ) -> None:
        self._headroom, self._gate, self._ledger = headroom, gate, ledger
        self._adapts, self._adaptive = adaptive, Adaptive(rate)
        self._notices, self._clock = notices, ledger.clock
        self._told, self._hinted, self._hints = Told(), Told(), Hints(_HINTED_PAUSE)
        self._line: Line[Slot] = Line()
        self._asked = self._looked = -math.inf
        self._spacing: Spacing | None = None
        self._windows: tuple[Window, ...] = ()
        self._change_rate()

    def cap(self) -> float | None:
        """Return the rate that was asked for last."""
        return self._adaptive.cap

    def change_rate(self, rate: float | None, why: str) -> None:
        """
        Let another rate hold from now on; starts so far count against it.

        A rate that throttled replies have lowered goes on rising from where it is.

        Args:
            why: who asks for it, for the journal.

        Raises:
            ValueError: the ledger needs a rate; the one there is stays.
        """
        if rate == self._adaptive.cap:
            return
        was = format_rate(self._adaptive.cap)
        cap = None if rate is None else rate_window(rate, self._headroom)
        self._ledger.change_cap(cap)
        self._adaptive.change_cap(rate)
        self._change_rate()
        said = f"the rate is changed from {was} to {format_rate(rate)} a second"
        self._record(f"{said} ({why})", why, rate=rate)

    def try_start(self) -> Slot | None:
        """Return a start without a wait; None when that takes more than a look."""
        if self._spacing or self._windows or self._line.is_led:
            return None
        if self._gate.closed or self._gate.is_held:
            return None
        now = self._clock()
        granted = self._ledger.take(now, (), now)
        return granted if isinstance(granted, Slot) else None

    async def start(self) -> Slot | None:
        """
        Wait for the next start, first come first served.

        Returns:
            None when the run is draining instead.
        """
        if slot := self.try_start():
            return slot
        if not self._line.is_led:
            self._asked = self._clock()
        while slot := await self._line.join():
            if self._gate.reason:
                return None
            # Whoever was served before may have held the gate: a probe goes alone.
            if not self._gate.is_held:
                # What ran since it was served is no part of the trip.
                return self._ledger.begin(slot, self._clock())
        try:
            return await self._lead()
        finally:
            self._line.hand_on()

    def landed(self, slot: Slot) -> None:
        """Take note that the attempt has been answered."""
        self._ledger.landed(slot, self._clock() - slot.started)

    def pause(self, delay: float) -> None:
        """Let nobody start for `delay` seconds from now."""
        self._ledger.pause(self._clock() + delay)

    def throttled(
        self, trip: float, pause: float, longest: float, message: str
    ) -> None:
        """
        Slow everybody down after a throttled reply.

        Args:
            trip: seconds that the attempt took.
            pause: seconds for which nobody starts, at the least.
            longest: seconds for which nobody starts, at the most.
            message: the service's text, which may tell its quota.
        """
        now, quota = self._clock(), read_quota(message)
        if quota and binds(quota, self._adaptive.cap):
            pause = max(pause, min(longest, self._left_of(quota, now)))
        self.pause(pause)
        if quota and self._keep(quota, self._told, "text"):
            self._adaptive.cut_at = now  # these replies are accounted for
        elif self._adapts and now - trip > self._adaptive.cut_at:
            self._cut(now, trip, now + pause)

    def heed(self, budget: Budget, *, passed: bool) -> None:
        """
        Take what a reply's headers tell of the quota for a hint.

        Args:
            passed: whether the service let the call pass.
        """
        now = self._clock()
        hint = self._hints.read(budget, now, passed=passed)
        if hint.pause:
            self.pause(hint.pause)
        if hint.keep:
            self._keep(hint.keep, self._hinted, "headers")
        if hint.drop:
            self._hinted.clear()
            self._change_windows()

    def _left_of(self, quota: Quota, now: float) -> float:
        """Return the seconds until a quota's window is over, whoever used it up."""
        ours = self._ledger.since(now - quota.seconds) >= quota.limit
        return 0.0 if ours else quota.seconds  # of ours, the ledger knows the places

    def _keep(self, quota: Quota, told: Told, why: str) -> bool:
        """Keep to a quota; return whether that changes anything."""
        if not told.take(quota) or not binds(quota, self._adaptive.cap):
            return False
        self._change_windows()
        said = f"keeping to the service's quota, told in a reply's {why}: {quota}"
        self._record(said, why, **quota.facts)
        return True

    def _cut(self, now: float, trip: float, resumes: float) -> None:
        span = max(1.0, _MEASURED / (self._adaptive.rate or math.inf))
        started = now - trip
        # Without the refused one itself.
        count = self._ledger.since(started - span) - self._ledger.since(started) - 1
        fall = self._adaptive.cut(now, resumes, count / span)
        self._change_rate()
        if fall:
            was, rate = format_rate(fall.was), format_rate(fall.rate)
            said = f"throttled: the rate falls from {was} to {rate} a second"
            self._record(said, "throttled", rate=fall.rate)

    def _recover(self, now: float) -> None:
        if not self._adaptive.advance(now):
            return
        self._change_rate()
        if not self._adaptive.recovers:
            rate = self._adaptive.rate
            said = f"no longer throttled: the rate is {format_rate(rate)} a second"
            self._record(said, "recovered", rate=rate)

    def _record(self, said: str, why: str, **facts: Any) -> None:
        self._notices.record("rate", said, why=why, **facts)

    def _change_rate(self) -> None:
        rate = self._adaptive.rate
        self._spacing = None if rate is None else Spacing(rate)
        self._change_windows()

    def _change_windows(self) -> None:
        rate, cap = self._adaptive.rate, self._adaptive.cap
        starts = math.ceil(rate or 0)
        caps = [(starts, starts / rate)] if rate else []
        quotas = self._told.binding(cap) + self._hinted.binding(cap)
        caps += [(quota.limit, quota.seconds) for quota in quotas]
        self._windows = tuple(make_window(*each, self._headroom) for each in caps)

    async def _lead(self) -> Slot | None:
        while not self._gate.closed:
            if self._gate.is_held:
                await self._gate.until_free()
                self._asked = self._clock()  # it was not the rate that let them wait
                continue
            granted = self._ask(now := self._clock())
            if isinstance(granted, Slot):
                await self._serve(now)
                return granted
            await self._gate.sleep(self._until_next_look(now, granted))
        return None

    def _ask(self, now: float) -> Slot | float:
        if self._adaptive.recovers:
            self._recover(now)
        if self._spacing and (delay := self._spacing.delay()):
            return max(delay, self._ledger.due(self._windows) - now)
        return self._ledger.take(now, self._windows, self._asked)

    async def _serve(self, now: float) -> None:
        """Serve those behind the leader too, as many as there is room for."""
        count, spacing, line = 1, self._spacing, self._line
        room = 1 + line.followers
        if spacing:
            room = spacing.room(room)
        while count < room and line.followers:
            granted = self._ledger.take(now, self._windows, self._asked)
            if not isinstance(granted, Slot):
                break
            line.serve(granted)
            count += 1
        self._looked = now
        if spacing:
            await spacing.take(count)

    def _until_next_look(self, now: float, delay: float) -> float:
        rested = self._looked + self._ledger.breath - now
        seconds = min(max(delay, rested), _LOOK_AGAIN)
        return max(1, math.ceil(seconds / _TICK)) * _TICK


def format_rate(rate: float | None) -> str:
    """Return a rate as people are told it."""
    return "unlimited" if rate is None else f"{round(rate, 2):g}"


def make_pacer(
    rate: float | None,
    headroom: float,
    gate: Gate,
    ledger: Ledger | None = None,
    *,
    adaptive: bool = False,
    notices: Notices | None = None,
) -> Pacer:
    """Return the pacer for a rate in starts a second; the ledger is its own."""
    return Pacer(
        rate,
        headroom,
        gate,
        ledger or LocalLedger(),
        adaptive=adaptive,
        notices=notices or Notices(),
    )
