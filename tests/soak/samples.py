"""What a process holds at a moment, from /proc, and whether that grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_KIB = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process held at a moment: memory in KiB, the others are counts."""

    at: float
    memory: int
    files: int
    sockets: int
    threads: int


def look(pid: int, at: float) -> Sample | None:
    """Return what a process holds now, or None when it has gone."""
    home = Path(f"/proc/{pid}")
    try:
        status = dict(
            line.split(":", 1) for line in (home / "status").read_text().splitlines()
        )
        links = [_target(entry) for entry in (home / "fd").iterdir()]
        memory, threads = status["VmRSS"].split()[0], status["Threads"]
    except (OSError, KeyError):  # a process that ends has no memory any more
        return None
    sockets = sum(link.startswith("socket:") for link in links)
    return Sample(at, int(memory), len(links) - sockets, sockets, int(threads))


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""  # closed in between


def second_half(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return the later half: the first has imports, pools and caches to fill."""
    return samples[len(samples) // 2 :]


def slope(samples: Sequence[Sample]) -> float:
    """Return by how many KiB a minute memory grows, by least squares."""
    n = len(samples)
    mean_at = sum(each.at for each in samples) / n
    mean = sum(each.memory for each in samples) / n
    spread = sum((each.at - mean_at) ** 2 for each in samples)
    rise = sum((each.at - mean_at) * (each.memory - mean) for each in samples)
    return 60.0 * rise / spread if spread else 0.0


def steepest(rate: float, seconds: float) -> float:
    """
    Return the slope in KiB a minute that is still flat.

    A leak keeps something of each request, and the smallest thing Python keeps is
    an object of 16 bytes with a pointer of 8 to it. Python takes memory in arenas of
    1 MiB, so two of them more or less say nothing about a time this short.

    Args:
        rate: requests a second; seconds: the time that is looked at.
    """
    leak = 24 * rate * 60 / _KIB
    return leak + 2 * _KIB * 60 / seconds


def growth(samples: Sequence[Sample]) -> float:
    """Return by how many KiB the end is above the median."""
    return samples[-1].memory - median(each.memory for each in samples)
