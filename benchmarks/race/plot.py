"""Figures as a picture: requests a second, and what each costs, by client."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.race.clients import OURS
from benchmarks.race.figures import Round, Spread, spread

_PANELS = (
    ("rate", "requests a second (more is better)"),
    ("cpu", "µs of processor time a request, start left out (less is better)"),
)
_OURS, _OTHERS = "#0b6e4f", "#9aa5b1"


def draw(plain: Sequence[Round], secure: Sequence[Round], path: Path) -> None:
    """Write a picture; its format goes by the suffix. Axes are logarithmic."""
    import matplotlib as mpl  # noqa: PLC0415  (only the bench targets install it)
    from matplotlib.figure import Figure  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = "batch-updater"  # the same figures, the same file
    seen = _by_client(plain, "")
    seen |= _by_client(secure, ", https") if secure else {}
    figure = Figure(figsize=(13, 0.42 * len(seen) + 1.4), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, 2), _PANELS, strict=True):
        _panel(axes, {client: each[name] for client, each in seen.items()}, title)
    figure.axes[1].set_yticklabels([])
    figure.savefig(path, metadata={"Date": None})


def _by_client(rounds: Sequence[Round], note: str) -> dict[str, dict[str, Spread]]:
    return {
        client + note: {
            figure: spread(getattr(each[client], figure) for each in rounds)
            for figure, _ in _PANELS
        }
        for client in rounds[0]
    }


def _panel(axes: Any, seen: dict[str, Spread], title: str) -> None:
    names, values = list(seen), list(seen.values())
    middles = [each.median for each in values]
    low = [each.median - each.least for each in values]
    high = [each.most - each.median for each in values]
    colours = [_OURS if name.startswith(OURS) else _OTHERS for name in names]
    bars = axes.barh(names, middles, xerr=(low, high), color=colours, capsize=3)
    axes.bar_label(bars, [f" {value:,.0f}" for value in middles], padding=6)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.set_title(title, fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
