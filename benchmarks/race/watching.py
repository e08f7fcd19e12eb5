"""Processor time of another process while its journal grows."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_EVERY = 0.05  # seconds
_ENDS = 0.05  # of the journal at either end: connections are opened, workers run dry


@dataclass(frozen=True, slots=True)
class Point:
    """Bytes of the journal, and seconds of processor time until then."""

    size: int
    cpu: float


@contextmanager
def watch(pid: int, journal: Path) -> Iterator[list[Point]]:
    """Note points while the block runs."""
    points: list[Point] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(_EVERY):
            try:
                points.append(Point(journal.stat().st_size, _cpu_of(pid)))
            except OSError:
                continue  # not there yet, or ended

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield points
    finally:
        over.set()
        watcher.join()


def cpu_while_sending(points: Sequence[Point], rows: int) -> float | None:
    """
    Return seconds of processor time a row while the journal grew; None if too short.

    Each row takes as much of the journal as any other, so that a share of its bytes
    is a share of the rows.
    """
    whole = points[-1].size if points else 0
    inside = [p for p in points if _ENDS <= p.size / whole <= 1 - _ENDS]
    if len(inside) < 4:
        return None
    first, last = inside[0], inside[-1]
    done = rows * (last.size - first.size) / whole
    return (last.cpu - first.cpu) / done


def _cpu_of(pid: int) -> float:
    # clock_getcpuclockid(3), which Python does not offer, as Linux defines it.
    return time.clock_gettime((~pid << 3) | 2)
