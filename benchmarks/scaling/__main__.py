"""Draws docs/pictures/scaling.png out of the model; `make bench` installs what that needs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report.plots import save
from benchmarks.scaling.curves import curves, digest
from benchmarks.scaling.figures import costs, reports

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
MARKS = {"CPU": "o", "storm": "s", "connections": "^"}
"""By the limit that decides."""


def main() -> int:
    """Draw it."""
    drawn = curves(costs(reports()))

    def processes(axes: "Axes") -> None:
        for label, points in drawn.items():
            (line,) = axes.loglog([one.viewers for one in points], [one.processes for one in points], label=label)
            for one in points:
                axes.plot(one.viewers, one.processes, MARKS[one.binding], color=line.get_color(), markersize=4)
        for limit in sorted({one.binding for points in drawn.values() for one in points}):
            axes.plot([], [], MARKS[limit], color="grey", markersize=4, label=f"{limit} decides")
        axes.set_ylabel("processes")

    def broker(axes: "Axes") -> None:
        for label, points in drawn.items():
            axes.loglog([one.viewers for one in points], [one.broker_mb for one in points], label=label)
        axes.set_ylabel("MB/s out of the broker")
        axes.set_xlabel("viewers, each of one swarm")

    save(PICTURES, "scaling.png", processes, broker, told=digest(drawn))
    return 0


if __name__ == "__main__":
    sys.exit(main())
