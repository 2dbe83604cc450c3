"""What the picture shows: processes and the broker's load over viewers, for several streams."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from benchmarks.scaling.model import Costs, Need, Plan, plan

__all__ = ["Curves", "Point", "curves", "digest"]

VIEWERS = tuple(round(10 ** (step / 4)) for step in range(8, 25))
"""From a hundred to a million."""

DRAWN = {
    "1,000 events/s, swarms of 1/s": Need(name="", viewers=0, events=1_000, projects=1_000, gathered=True),
    "1,000 events/s, swarms of 10/s": Need(name="", viewers=0, events=1_000, projects=100, gathered=True),
    "10,000 events/s, swarms of 10/s": Need(name="", viewers=0, events=10_000, projects=1_000, gathered=True),
    "the same, viewers not gathered": Need(name="", viewers=0, events=10_000, projects=1_000),
    "100,000 events/s, swarms of 10/s, log in 16 parts": Need(
        name="", viewers=0, events=100_000, projects=10_000, parts=16, gathered=True
    ),
}
"""What the curves are of; events come in arrays."""


class Point(NamedTuple):
    """One plan."""

    viewers: int
    processes: int
    binding: str
    broker_mb: float


Curves = Mapping[str, Sequence[Point]]


def curves(costs: Costs) -> Curves:
    """Return the points of each curve by what the curve is of."""
    return {
        label: [point(plan(replace(need, viewers=viewers), costs)) for viewers in VIEWERS]
        for label, need in DRAWN.items()
    }


def point(one: Plan) -> Point:
    """Return what is drawn of a plan."""
    return Point(one.need.viewers, one.processes, one.binding, one.broker_mb)


def digest(drawn: Curves) -> str:
    """Return what stands in the picture's file, so that a picture of older figures is found out."""
    return f"drawn from {blake2b(repr(drawn).encode(), digest_size=8).hexdigest()}"
