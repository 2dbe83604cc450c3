"""The pictures; without matplotlib there are none, and the report says so by their absence."""

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "save"]

SIZE = (8.0, 4.8)

Plot = Callable[["Axes"], object]
"""Draws on axes."""


def draw(folder: Path, rows: Mapping[str, Any]) -> dict[str, str]:
    """Draw what the rows hold and return titles and file names."""
    if importlib.util.find_spec("matplotlib") is None:
        return {}
    drawn = {}
    costs: dict[str, Any] = {}
    for row in ("peers", "delivery"):
        costs |= rows.get(row, {}).get("series", {}).get("cost", {})
    if costs:
        drawn["CPU per delivery by rate, 1,000 viewers"] = cost_by_rate(folder, costs)
    latency = {
        name: buckets
        for row in ("delivery", "latency")
        for name, buckets in rows.get(row, {}).get("series", {}).get("latency", {}).items()
    }
    if latency:
        drawn["Latency"] = latency_curves(folder, latency)
    for name, what in (("viewers", "viewers"), ("projects", "projects"), ("size", "bytes of an event")):
        if series := rows.get("shape", {}).get("series", {}).get(name):
            drawn[f"CPU by {what}"] = cost_by_shape(folder, name, what, series)
    if series := rows.get("soak", {}).get("series", {}).get("soak"):
        drawn["Soak"] = over_time(folder, "soak.png", series)
    return drawn


def cost_by_rate(folder: Path, costs: Mapping[str, Iterable[tuple[float, float]]]) -> str:
    """Draw microseconds per delivery by rate, both logarithmic."""

    def plot(axes: "Axes") -> None:
        for name, points in costs.items():
            rates, values = zip(*points, strict=True) if points else ((), ())
            axes.loglog(rates, values, marker="o", label=name, linewidth=2.5 if name == "relayd" else 1.2)
        axes.set_xlabel("events a second")
        axes.set_ylabel("µs CPU per delivery")

    return save(folder, "cost-by-rate.png", plot)


def latency_curves(folder: Path, latency: Mapping[str, Iterable[tuple[int, int]]]) -> str:
    """Draw which share of the deliveries took longer than so many milliseconds."""

    def plot(axes: "Axes") -> None:
        for name, buckets in latency.items():
            points = sorted((int(upper), int(count)) for upper, count in buckets)
            left = total = sum(count for _, count in points)
            times, shares = [], []
            for upper, count in points:
                left -= count
                times.append(upper / 1e6)
                shares.append(max(left / total, 1e-6))
            axes.loglog(times, shares, label=name)
        axes.set_ylim(1e-5, 1)
        axes.set_xlabel("milliseconds")
        axes.set_ylabel("share of deliveries that took longer")

    return save(folder, "latency.png", plot)


def cost_by_shape(folder: Path, name: str, what: str, series: Mapping[str, Iterable[tuple[float, float]]]) -> str:
    """Draw microseconds by one property of the load."""

    def plot(axes: "Axes") -> None:
        for label, points in series.items():
            values = list(points)
            axes.loglog([x for x, _ in values], [y for _, y in values], marker="o", label=label)
        axes.set_xlabel(what)
        axes.set_ylabel("µs CPU")

    return save(folder, f"cost-by-{name}.png", plot)


def over_time(folder: Path, name: str, series: Mapping[str, Iterable[tuple[float, float]]]) -> str:
    """Draw curves by minutes, each on axes of its own that begin at zero: what is flat looks flat."""

    def curve(label: str, points: Iterable[tuple[float, float]], below: str) -> Plot:
        def plot(axes: "Axes") -> None:
            values = list(points)
            axes.plot([at / 60 for at, _ in values], [value for _, value in values], label=label)
            axes.set_ylim(0, 1.15 * max(value for _, value in values))
            axes.set_xlabel(below)

        return plot

    last = len(series) - 1
    plots = [curve(*one, "minutes" if number == last else "") for number, one in enumerate(series.items())]
    return save(folder, name, *plots)


def save(folder: Path, name: str, *plots: Plot, told: str | None = None) -> str:
    """Draw on fresh axes, one below the other, and return the file's name; `told` stands in the file, unseen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # only `make bench` installs it
    from matplotlib.figure import Figure  # noqa: PLC0415  # as above

    width, height = SIZE
    figure = Figure(figsize=(width, height + 1.5 * (len(plots) - 1)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    below = figure.subplots(len(plots), sharex=True, squeeze=False)
    for plot, axes in zip(plots, below.flat, strict=True):
        plot(axes)
        axes.grid(visible=True, which="both", alpha=0.25)
        axes.legend(fontsize=8)
    figure.savefig(folder / name, metadata={"Software": None, "Description": told})
    return name
