"""What a plan came to, and what applying it would take now."""

from dataclasses import replace

from batch_updater.config.settings import Settings
from batch_updater.planning.counts import Counts
from batch_updater.report.forecast import rows_over
from batch_updater.report.planned import Drift, PlanReport
from batch_updater.upkeep import window_of

_FIRST = 10


def report_of(
    counts: Counts, settings: Settings, *, pages: int = 0, drift: Drift | None = None
) -> PlanReport:
    """Return the report of a plan; its window is that of an apply that begins now."""
    report = PlanReport(
        counts=counts.by_status,
        fields=dict(counts.fields.most_common()),
        commonest=counts.commonest.first(_FIRST),
        exact=counts.commonest.exact,
        seen_in=dict(counts.seen_in),
        reads=counts.changes if settings.check_drift else counts.unread,
        pages=pages,
        rate=settings.rate,
        drift=drift,
        values=settings.include_values,
    )
    end = window_of(settings).opened()()
    if end is None:
        return report
    over = None
    if settings.rate is not None:
        over = rows_over(report.requests, settings.rate, end.left)
    return replace(report, window=end.limit, over=over)
