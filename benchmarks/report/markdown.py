"""The report for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["markdown"]

VERDICTS = {True: "met", False: "**not met**", None: "not measured"}


def markdown(report: Mapping[str, Any], plots: Mapping[str, str]) -> str:
    """Return the report in Markdown; `plots` are titles and file names of pictures."""
    parts = [
        "# What was measured",
        f"{report['mode']}. Made by `make bench` on {day(report['began'])}.",
        method(report),
        "## Targets",
        targets(report["rows"]),
    ]
    for title, name in plots.items():
        parts += [f"![{title}]({name})"]
    for row in report["rows"].values():
        parts += section(row)
    parts += ["## The machine", table(["what", "which"], list(report["machine"].items()))]
    return "\n\n".join(parts) + "\n"


def method(report: Mapping[str, Any]) -> str:
    """Return in a few sentences how it was measured."""
    cores = report["cores"]
    where = (
        "The server has a core of its own; load, publisher and broker run on another."
        if cores["apart"]
        else "**There is one core only: server and load got in each other's way, and the ratios say little.**"
    )
    return (
        f"{where} Every figure is the median of the runs, {report['repeats']} at most; ratios are taken within a run. "
        "CPU is what the kernel counts for the server's process, kernel time of its system calls included, less that "
        "of the same feed with no viewer. An event is 300 bytes of JSON. Latency runs from the moment an event is "
        "created to the moment its bytes are read, for every event and every viewer."
    )


def targets(rows: Mapping[str, Any]) -> str:
    """Return all targets as one table."""
    lines = [
        [target["what"], target["limit"], target["figure"], VERDICTS[target["met"]], name]
        for name, row in rows.items()
        for target in row["targets"]
    ]
    return table(["target", "limit", "measured", "verdict", "row"], lines)


def section(row: Mapping[str, Any]) -> list[str]:
    """Return what one row found."""
    parts = [f"## {row['title']}"]
    if row.get("error"):
        parts.append(f"**This row failed:** `{row['error']}`")
    for one in row["tables"]:
        parts += [f"**{one['title']}**", table(one["head"], one["lines"])]
    if row["notes"]:
        parts.append("\n".join(f"- {note}" for note in row["notes"]))
    parts.append(
        f"*Measured on {day(row['date'])} in {row['took']:.0f} s, {row['runs']} times, in windows of "
        f"{row['seconds']:g} s, at commit {row['commit']}; meanwhile other programs used "
        f"{row['others'] * 100:.0f} % of a core.*"
    )
    return parts


def table(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Return a table; a pipe in a cell would end it."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)


def day(seconds: float) -> str:
    """Return a day."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d")
