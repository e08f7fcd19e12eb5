"""Figures as Markdown."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.race.clients import BARE, BESIDE, CONCURRENCY, OURS, SDK, VENDOR
from benchmarks.race.figures import Round, Spread, middle, ratio

_THROUGHPUT = (
    "client",
    "rows",
    "requests/s",
    "against bare",
    "µs CPU a request, sending",
    "against bare",
    "start left out",
    "against bare",
    "whole process",
    "its requests/s",
)
_TLS = (
    "client over https",
    "requests/s",
    "against its http",
    "µs CPU a request, sending",
    "against its http",
    "handshakes (resumed)",
    "a connection",
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def throughput(rounds: Sequence[Round]) -> str:
    """Return every client's figures, and their ratios to the bare loop's."""
    return table(_THROUGHPUT, [_throughput_row(rounds, name) for name in rounds[0]])


def _throughput_row(rounds: Sequence[Round], name: str) -> list[str]:
    cells = [name, f"{rounds[0][name].lap.requests:,}"]
    for figure, digits in (("rate", 0), ("sending", 1), ("cpu", 1)):
        cells.append(_number(middle(rounds, name, figure), digits))
        cells.append(_text(ratio(rounds, name, BARE, figure)))
    cells.append(_number(middle(rounds, name, "whole_cpu"), 1))
    cells.append(_number(middle(rounds, name, "whole_rate"), 0))
    return cells


def tls(plain: Sequence[Round], secure: Sequence[Round]) -> str:
    """Return what https costs those who did both, and its handshakes."""
    return table(_TLS, [_tls_row(plain, secure, name) for name in secure[0]])


def _tls_row(plain: Sequence[Round], secure: Sequence[Round], name: str) -> list[str]:
    both, cells = _side_by_side(plain, secure, name), [name]
    for figure, digits in (("rate", 0), ("sending", 1)):
        cells.append(_number(middle(secure, name, figure), digits))
        cells.append(_text(ratio(both, "https", "http", figure)))
    resumed = max(each[name].lap.counts.resumed for each in secure)
    most = _most_handshakes(secure, name)
    return [*cells, f"{most} ({resumed})", f"{most / CONCURRENCY:.2f}"]


def _most_handshakes(secure: Sequence[Round], name: str) -> int:
    return max(each[name].lap.counts.connections for each in secure)


def _side_by_side(
    plain: Sequence[Round], secure: Sequence[Round], name: str
) -> list[Round]:
    return [
        {"http": one[name], "https": other[name]}
        for one, other in zip(plain, secure, strict=True)
    ]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _text(seen: Spread | None) -> str:
    return "-" if seen is None else str(seen)


@dataclass(frozen=True, slots=True)
class _Goal:
    """One of the goals: what it is of, its bound, and how to measure it of a client."""

    what: str
    bound: float
    most: bool
    measure: Callable[[str], Spread | None]

    def row(self, names: Sequence[str]) -> list[str]:
        sign = "<=" if self.most else ">="
        return [self.what, f"{sign} {self.bound:g}", *map(self._cell, names)]

    def _cell(self, name: str) -> str:
        seen = self.measure(name)
        if seen is None:
            return "-"
        factor = -1 if self.most else 1
        held = factor * seen.median >= factor * self.bound
        return f"{seen} {'held' if held else 'MISSED'}"


def goals(plain: Sequence[Round], secure: Sequence[Round]) -> str:
    """Return each goal with what was measured; the median of the rounds decides."""
    seen = [*_plain_goals(plain), *(_tls_goals(plain, secure) if secure else ())]
    names = [name for name in plain[0] if name in OURS or name.startswith(BESIDE)]
    return table(("goal", "bound", *names), [goal.row(names) for goal in seen])


def _plain_goals(plain: Sequence[Round]) -> Iterator[_Goal]:
    def against(over: str, figure: str) -> Callable[[str], Spread | None]:
        return lambda name: ratio(plain, name, over, figure)

    yield _Goal(f"throughput against {BARE}", 0.95, False, against(BARE, "rate"))
    what = "CPU a request against it"
    yield _Goal(f"{what}, sending", 1.05, True, against(BARE, "sending"))
    yield _Goal(f"{what}, start left out", 1.05, True, against(BARE, "cpu"))
    for over in (SDK, VENDOR):
        if over in plain[0]:
            yield _Goal(f"throughput against {over}", 10, False, against(over, "rate"))


def _tls_goals(plain: Sequence[Round], secure: Sequence[Round]) -> Iterator[_Goal]:
    def rates(name: str) -> Spread | None:
        return ratio(_side_by_side(plain, secure, name), "https", "http", "rate")

    def handshakes(name: str) -> Spread | None:
        most = _most_handshakes(secure, name) / CONCURRENCY
        return Spread(most, most, most)

    yield _Goal("throughput of https against http", 0.85, False, rates)
    yield _Goal("most handshakes a connection", 1.1, True, handshakes)
