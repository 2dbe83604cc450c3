"""What Prometheus saw of the staged incident, drawn; and what the picture was drawn from, kept beside it."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report.plots import Plot, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["KEPT", "PICTURES", "digest", "draw", "read"]

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "benchmarks" / "results" / "incident.json"
PICTURES = ROOT / "docs" / "pictures"


def read() -> dict[str, Any]:
    """Return the incident that is kept."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return kept


def digest(kept: dict[str, Any]) -> str:
    """Return what tells two incidents apart."""
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def draw(kept: dict[str, Any]) -> None:
    """Draw it into the documentation's pictures."""
    seen = kept["incident"]

    def curve(name: str, label: str) -> Plot:
        def plot(axes: "Axes") -> None:
            times, values = zip(*seen["courses"][name], strict=True)
            axes.plot(times, values, label=label, color="tab:blue")
            axes.set_ylim(bottom=0, top=1.15 * max(values))
            away(axes)

        return plot

    def away(axes: "Axes") -> None:
        axes.axvspan(0, seen["back"], color="tab:red", alpha=0.12, label="the broker is away")
        axes.axvline(seen["ready"], color="tab:green", linestyle="--", label="the relay is ready again")

    def alerts(axes: "Axes") -> None:
        names = sorted(seen["alerts"])
        for height, name in enumerate(names):
            for state, colour in (("pending", "tab:orange"), ("firing", "tab:red")):
                if state in seen["alerts"][name]:
                    first, last = seen["alerts"][name][state]
                    axes.barh(height, last - first + 1, left=first, height=0.5, color=colour)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_ylim(-0.6, len(names) - 0.4)
        for state, colour in (("pending", "tab:orange"), ("firing", "tab:red")):
            axes.plot([], [], color=colour, linewidth=6, label=state)
        away(axes)
        axes.set_xlabel("seconds since the broker went")

    save(
        PICTURES,
        "incident.png",
        curve("deliveries", "deliveries a second"),
        curve("connections", "connections"),
        curve("lag", "lag in seconds"),
        alerts,
        told=digest(kept),
    )
