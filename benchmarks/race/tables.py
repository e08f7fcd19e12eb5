"""Figures as Markdown."""

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.race.clients import BARE, CONCURRENCY, OURS, SDK, VENDOR
from benchmarks.race.figures import Round, Spread, figures, ratio

_HEAD = (
    "client",
    "rows",
    "requests/s",
    "against bare",
    "µs CPU a request",
    "against bare",
    "whole process: requests/s",
    "µs CPU a request",
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def throughput(rounds: Sequence[Round]) -> str:
    """Return every client's figures, and their ratios to the bare loop's."""
    return table(_HEAD, [_throughput_row(rounds, name) for name in rounds[0]])


def _throughput_row(rounds: Sequence[Round], name: str) -> list[str]:
    turn = rounds[0][name]
    return [
        name,
        f"{turn.lap.requests:,}",
        f"{figures(rounds, name, 'rate').median:,.0f}",
        str(ratio(rounds, name, BARE, "rate")),
        f"{figures(rounds, name, 'cpu').median:.1f}",
        str(ratio(rounds, name, BARE, "cpu")),
        f"{figures(rounds, name, 'whole_rate').median:,.0f}",
        f"{figures(rounds, name, 'whole_cpu').median:.1f}",
    ]


def tls(plain: Sequence[Round], secure: Sequence[Round]) -> str:
    """Return what https costs those who did both, and its handshakes."""
    head = ("client", "requests/s", "against its http", "µs CPU a request")
    head += ("against its http", "handshakes (resumed)", "a connection")
    return table(head, [_tls_row(plain, secure, name) for name in secure[0]])


def _tls_row(plain: Sequence[Round], secure: Sequence[Round], name: str) -> list[str]:
    both = _side_by_side(plain, secure, name)
    counts = [each[name].lap.counts for each in secure]
    most = max(each.connections for each in counts)
    return [
        name,
        f"{figures(secure, name, 'rate').median:,.0f}",
        str(ratio(both, "https", "http", "rate")),
        f"{figures(secure, name, 'cpu').median:.1f}",
        str(ratio(both, "https", "http", "cpu")),
        f"{most} ({max(each.resumed for each in counts)})",
        f"{most / CONCURRENCY:.2f}",
    ]


def _side_by_side(
    plain: Sequence[Round], secure: Sequence[Round], name: str
) -> list[Round]:
    return [
        {"http": one[name], "https": other[name]}
        for one, other in zip(plain, secure, strict=True)
    ]


def goals(plain: Sequence[Round], secure: Sequence[Round]) -> str:
    """Return each goal with what was measured; the median of the rounds decides."""
    head = ("goal", "bound", *OURS)
    return table(head, [[goal, *cells] for goal, *cells in _goals(plain, secure)])


def _goals(plain: Sequence[Round], secure: Sequence[Round]) -> Iterator[list[str]]:
    for over, bound in ((BARE, 0.95), (SDK, 10.0), (VENDOR, 10.0)):
        if over in plain[0]:
            seen = [ratio(plain, name, over, "rate") for name in OURS]
            held = [_mark(each, each.median >= bound) for each in seen]
            yield [f"throughput against {over}", f">= {bound:g}", *held]
    seen = [ratio(plain, name, BARE, "cpu") for name in OURS]
    held = [_mark(each, each.median <= 1.05) for each in seen]
    yield [f"CPU a request against {BARE}", "<= 1.05", *held]
    if secure:
        yield _tls_goal(plain, secure)
        yield _handshakes(secure)


def _tls_goal(plain: Sequence[Round], secure: Sequence[Round]) -> list[str]:
    cells = []
    for name in OURS:
        seen = ratio(_side_by_side(plain, secure, name), "https", "http", "rate")
        cells.append(_mark(seen, seen.median >= 0.85))
    return ["https against http, throughput", ">= 0.85", *cells]


def _handshakes(secure: Sequence[Round]) -> list[str]:
    cells = []
    for name in OURS:
        most = max(each[name].lap.counts.connections for each in secure) / CONCURRENCY
        cells.append(f"{most:.2f} {'held' if most <= 1.1 else 'MISSED'}")
    return [f"handshakes a connection ({CONCURRENCY}), the most", "<= 1.1", *cells]


def _mark(seen: Spread, held: bool) -> str:
    return f"{seen} {'held' if held else 'MISSED'}"
