"""What a plan came to: for people, and as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from batch_updater.models import PlanStatus
from batch_updater.report.durations import format_duration

_VALUE = 60  # characters of a value that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonChange:
    """
    A change that some rows have in common.

    Args:
        old, new: values as JSON; `old` is None when the faces have no such field.
        known: whether anybody knows what they hold.
    """

    field: str
    old: str | None
    new: str
    known: bool
    rows: int


@dataclass(frozen=True, slots=True)
class Drift:
    """
    What became of faces that the state was asked about, and FRS too.

    Args:
        sampled: faces that were read although the state knew them.
        drifted: those of them that hold something else, or are gone.
        example: the first of these, in words.
    """

    sampled: int
    drifted: int
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """
    What a plan says.

    Args:
        counts: rows by status.
        fields: rows by the field that they change.
        commonest: the commonest changes, most frequent first.
        exact: whether those are counted exactly; else there are as many at least.
        seen_in: rows by where their faces were seen.
        reads: rows to change whose faces are read before they are.
        cost: requests that planning took.
        pages: those of them that were for pages of a listing.
        rate: requests a second; None for unlimited.
        window: what ends the time window, for people, or empty without one.
        over: requests that would not fit into it now; None when nobody can say.
        drift: None when no sample was read.
        values: whether JSON may show values.
    """

    counts: Mapping[str, int]
    fields: Mapping[str, int]
    commonest: tuple[CommonChange, ...]
    exact: bool
    seen_in: Mapping[str, int]
    reads: int
    cost: int = 0
    pages: int = 0
    rate: float | None = None
    window: str = ""
    over: int | None = None
    drift: Drift | None = None
    values: bool = False

    @property
    def changes(self) -> int:
        """Rows that would change their faces."""
        return self.counts.get(PlanStatus.CHANGE, 0)

    @property
    def requests(self) -> int:
        """What applying takes: a PUT for each row, and a GET where it is read first."""
        return self.changes + self.reads

    @property
    def seconds(self) -> float | None:
        """How long applying takes at the rate, retries aside."""
        return None if self.rate is None else self.requests / self.rate

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON carries it; values only where they may be shown."""
        seconds = self.seconds
        content = {
            "counts": dict(self.counts),
            "fields": dict(self.fields),
            "seen_in": dict(self.seen_in),
            "requests": self.cost,
            "pages": self.pages,
            "apply_requests": self.requests,
            "apply_s": None if seconds is None else round(seconds, 3),
            "window": self.window or None,
            "fits": None if self.over is None else not self.over,
            "drift": asdict(self.drift) if self.drift else None,
        }
        if self.values:
            content["commonest"] = [asdict(each) for each in self.commonest]
            content["commonest_exact"] = self.exact
        return content


def report_lines(report: PlanReport) -> Iterator[str]:
    """Yield what a plan says, for people; the README explains each line."""
    yield from _count_lines(report)
    seen = [f"{count:,} {where}" for where, count in report.seen_in.items() if count]
    if seen:
        yield f"seen in     {', '.join(seen)}"
    yield f"cost        {_cost(report)}"
    if report.drift:
        yield f"drift       {_drift(report.drift)}"
    if report.commonest:
        yield "changes"
    for change in report.commonest:
        yield _change_line(change, exact=report.exact)
    if report.changes:
        yield f"apply       {_duration(report)}"
        if report.window:
            yield f"window      {_fit(report)}"


def _count_lines(report: PlanReport) -> Iterator[str]:
    for status in PlanStatus:
        count = report.counts.get(status, 0)
        if count or status in {PlanStatus.CHANGE, PlanStatus.SAME}:
            yield f"{status:<12}{count:,}"


def _change_line(change: CommonChange, *, exact: bool) -> str:
    count = f"{'' if exact else '>='}{change.rows:,}"
    return f"  {count:>8}  {change.field}: {_old(change)} -> {_cut(change.new)}"


def _cost(report: PlanReport) -> str:
    said = f"{report.cost:,} requests to plan"
    return f"{said}, {report.pages:,} of them for pages" if report.pages else said


def _old(change: CommonChange) -> str:
    if not change.known:
        return "(not known)"
    return "(none)" if change.old is None else _cut(change.old)


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE else text[: _VALUE - 3] + "..."


def _drift(drift: Drift) -> str:
    said = f"{drift.drifted:,} of {drift.sampled:,} sampled faces"
    if not drift.drifted:
        return f"{said} hold something else than was last applied"
    return (
        f"{said} hold something else than was last applied, or are gone; first: "
        f"{drift.example}. --against remote looks at all of them"
    )


def _duration(report: PlanReport) -> str:
    said = f"{report.requests:,} requests"
    if report.reads:
        said += f" ({report.reads:,} faces are read first)"
    if report.seconds is None:
        return f"{said}, as fast as the service answers"
    took = format_duration(report.seconds)
    return f"{said} take about {took} at {report.rate:g} a second"


def _fit(report: PlanReport) -> str:
    if report.over is None:
        return report.window
    rest = "yes"
    if report.over:
        rest = f"no, about {report.over:,} requests will be left for resume"
    return f"{report.window}; fits: {rest}"
