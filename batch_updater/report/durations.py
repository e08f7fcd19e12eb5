"""Times as people say them."""

from datetime import datetime


def format_duration(seconds: float) -> str:
    """Return seconds as people say them: 43 s, 12 min 5 s, 2 h 47 min, 3 d 4 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 or whole == seconds else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def format_end(seconds: float, now: datetime) -> str:
    """
    Return when so many seconds are over, by the clock of `now`: 16:05, or with a date.

    Args:
        now: a moment with a zone.
    """
    end = datetime.fromtimestamp(now.timestamp() + seconds, now.tzinfo)
    return f"{end:%H:%M}" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M}"
