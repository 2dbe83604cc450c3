"""The measured figures that everything else is reckoned from, read from the reports so that they stay true."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.scaling.model import Costs, Intake

__all__ = ["Reports", "costs", "frame_costs", "reports"]

RESULTS = Path(__file__).parents[1] / "results"

ROWS = ("delivery", "projects", "capacity", "ingest", "memory", "storm")
"""Of the report, those that are read here."""

VIEWERS_OF_A_PROJECT = 2
"""In the row about many projects."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reports:
    """The rows of the last full run, and the experiment that holds the model against reality."""

    rows: Mapping[str, Row]
    replicas: Row


def reports(folder: Path = RESULTS) -> Reports:
    """Read the reports; raises ValueError when a row is not there or failed."""
    full, apart = (
        json.loads((folder / name / "report.json").read_text(encoding="utf-8"))["rows"] for name in (".", "scaling")
    )
    for rows, needed in ((full, ROWS), (apart, ("replicas",))):
        if missing := [name for name in needed if name not in rows or rows[name]["error"]]:
            raise ValueError(
                f"docs/scaling.md is made of rows that were not measured: {', '.join(missing)}; measure them with "
                "`make bench`, or take the report back from git"
            )
    return Reports(full, apart["replicas"])


def costs(read: Reports) -> Costs:
    """Return what the model needs of the reports."""
    rows, beside = read.rows, read.replicas["series"]
    size, storm = lines(rows["memory"]), lines(rows["storm"])
    # Of all rates the dearest: at few events a second caches are cold, and few is what one swarm says.
    frame_us = max(frame_costs(rows["delivery"]).values())
    return Costs(
        frame_us=frame_us,
        singly=intake(rows["ingest"], 1, beside["company"], payload_us(rows["projects"], frame_us)),
        arrays=intake(rows["ingest"], 100, beside["large"], beside["large"]["payload µs"]),
        empty_mib=middle(size, 2),
        viewer_kib=middle(size, 4),
        back_a_second=number(rows["storm"]["title"].split()[1]) / middle(storm, 3),
        sent_bytes=median(sample["bytes"] / sample["frames"] for sample in watched(rows["delivery"], 20)),
        nginx_us=median(beside[name]["nginx µs"] for name in ("company", "large")),
    )


def intake(ingest: Row, array: int, paced: Mapping[str, float], payload: float) -> Intake:
    """Return what events cost: reading is known idle, at the pace of the experiment, and of a full stream."""
    found = {line[1]: line for line in lines(ingest) if line[0] == array}
    rate, each = (number(cell) for cell in found["relayd"][2:])
    at_pace = median((paced["spread read"], paced["gathered read"]))
    return Intake(
        reading=((0.0, paced["idle"]), (paced["rate"], at_pace), (rate, rate * each / 1e6)),
        payload_us=payload,
        # With one core the broker fed this reader, so it takes no more than that.
        broker_us=1e6 / number(found["bare aiormq loop"][2]),
    )


def frame_costs(delivery: Row) -> dict[int, float]:
    """Return by rate the µs of CPU that a frame to one viewer takes, less the feed: the median of the runs."""
    rates = sorted({sample["rate"] for sample in watched(delivery)})
    return {
        rate: median(
            (sample["cpu"] - feed["cpu"]) * sample["seconds"] / sample["frames"] * 1e6
            for sample, feed in zip(watched(delivery, rate), fed(delivery, rate), strict=True)
        )
        for rate in rates
    }


def payload_us(projects: Row, frame_us: float) -> float:
    """Return the µs of CPU that a frame takes once for a group: what viewers add to an event, less their own frames."""
    _, alone, seen, frames, *_ = lines(projects)[-1]
    rate = number(projects["title"].split()[2])
    groups = number(frames) / VIEWERS_OF_A_PROJECT
    return (number(seen) - number(alone)) * rate / groups - VIEWERS_OF_A_PROJECT * frame_us


def watched(row: Row, rate: int | None = None) -> list[Row]:
    """Return relayd's samples with viewers."""
    found = [sample for sample in row["samples"] if sample["server"] == "relayd" and sample["viewers"]]
    return [sample for sample in found if rate in (None, sample["rate"])]


def fed(row: Row, rate: int) -> list[Row]:
    """Return relayd's samples of the same feed without a viewer."""
    return [one for one in row["samples"] if one["server"] == "relayd" and not one["viewers"] and one["rate"] == rate]


def lines(row: Row) -> Sequence[Sequence[Any]]:
    """Return the lines of a row's only table."""
    (table,) = row["tables"]
    found: Sequence[Sequence[Any]] = table["lines"]
    return found


def number(cell: str) -> float:
    """Return a number as a table says it."""
    return float(cell.replace(",", ""))


def middle(of: Sequence[Sequence[Any]], column: int) -> float:
    """Return the median of a column."""
    return median(number(line[column]) for line in of)
