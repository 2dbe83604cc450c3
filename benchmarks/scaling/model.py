"""
How many processes a number of viewers and events needs: arithmetic, and nothing but arithmetic.

A process spends CPU on three things: on reading its whole log, whoever watches; on a payload for each group and
frame; on the system call for each viewer and frame.  Figures are multiplied and added; counts beyond those that were
measured are taken to cost in proportion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from math import ceil, inf

from relayd.relay.limits import Limits

__all__ = ["BACK_SECONDS", "BUDGET", "PACE", "Costs", "Intake", "Need", "Plan", "Spent", "plan", "spend"]

BUDGET = 0.5
"""Of a core that a process may use: from there on the load governor gathers longer, and a storm needs room."""

PACE = 20.0
"""Frames a second to a viewer: the load governor gathers up to 50 ms before it is out of breath."""

BACK_SECONDS = 10.0
"""In which everybody should be back when all come at once."""

EVENT_BYTES = 300
"""Of a body; what was measured was measured with these."""

PACKET_BYTES = 52
"""Headers of IPv4 and TCP with time stamps, for each frame; not measured."""


@dataclass(frozen=True)
class Intake:
    """What events cost that come one way."""

    reading: Sequence[tuple[float, float]]
    """(events a second, share of a core), rising, from idle to as many as can be read; journal on."""
    payload_us: float
    """For a group and frame."""
    broker_us: float
    """The broker's for each event and reader, at most."""

    def share(self, events: float) -> float:
        """Return the share of a core that reading takes, on straight lines between what was measured."""
        for (low, least), (high, most) in pairwise(self.reading):
            if events <= high:
                return least + (most - least) * (events - low) / (high - low)
        return inf

    def rate(self, share: float) -> float:
        """Return the events a second that a share of a core can read."""
        for (low, least), (high, most) in pairwise(self.reading):
            if share <= most:
                return low + (high - low) * (share - least) / (most - least)
        return self.reading[-1][0]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What was measured; µs are CPU time of one core."""

    frame_us: float
    """For a viewer."""
    singly: Intake
    arrays: Intake
    """A hundred events a message."""
    empty_mib: float
    viewer_kib: float
    back_a_second: float
    """Viewers with cursors that come back to one process in a storm."""
    sent_bytes: float
    """A frame of one event."""
    nginx_us: float
    """nginx's, for each frame."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Who watches what; each viewer watches one project, and all projects are alike."""

    name: str
    viewers: int
    events: int
    """A second, in all."""
    projects: int
    arrays: bool = True
    """Events come a hundred in a message."""
    parts: int = 1
    """Into how many the log is split; a process reads one of them, which may be several streams."""
    gathered: bool = False
    """Viewers of a project are sent to the same process."""

    @property
    def frames(self) -> float:
        """Frames a second to one viewer."""
        return min(self.events / self.projects, PACE)

    def groups(self, processes: int) -> float:
        """Return the most groups that a process serves: one for each project that somebody watches there."""
        here = self.projects / (processes if self.gathered else self.parts)
        return min(max(1.0, here), self.viewers / processes)


@dataclass(frozen=True)
class Spent:
    """Shares of a core."""

    reading: float
    payloads: float
    sending: float

    @property
    def whole(self) -> float:
        """All of it."""
        return self.reading + self.payloads + self.sending


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What it takes; one process more than `processes` is wise, for any of them may be away."""

    need: Need
    processes: int
    wanted: Mapping[str, int]
    """Processes, by the limit that wants them."""
    spent: Spent
    """By one process."""
    mib: float
    """Of one process, the events in memory at their bound."""
    broker_mb: float
    """A second, out of the broker, for all readers."""
    broker_cores: float
    nginx_cores: float
    gbit: float
    """A second, to the viewers."""
    back_seconds: float

    @property
    def binding(self) -> str:
        """The limit that wants most; the first where two want as much."""
        return max(self.wanted, key=lambda name: self.wanted[name])


def intake(need: Need, costs: Costs) -> Intake:
    """Return what events cost that come as they do here."""
    return costs.arrays if need.arrays else costs.singly


def spend(need: Need, costs: Costs, processes: int) -> Spent:
    """Return what each of so many processes spends."""
    return Spent(
        intake(need, costs).share(need.events / need.parts),
        need.groups(processes) * need.frames * intake(need, costs).payload_us / 1e6,
        need.viewers / processes * need.frames * costs.frame_us / 1e6,
    )


def plan(need: Need, costs: Costs) -> Plan:
    """Return what a need takes; raises ValueError when one process can't even read its part."""
    limits = Limits()
    if spend(need, costs, need.parts).reading >= BUDGET:
        raise ValueError(f"{need.name}: reading alone takes more than {BUDGET:.0%} of a core; split the log further")
    by_cpu = next(n for n in count(need.parts, need.parts) if spend(need, costs, n).whole <= BUDGET)
    wanted = {
        "CPU": by_cpu,
        "storm": ceil(need.viewers / (costs.back_a_second * BACK_SECONDS)),
        "connections": ceil(need.viewers / limits.max_connections),
    }
    # Each part has as many readers.
    processes = ceil(max(wanted.values()) / need.parts) * need.parts
    here = need.viewers / processes
    frames = need.viewers * need.frames
    read = processes * need.events / need.parts
    return Plan(
        need=need,
        processes=processes,
        wanted=wanted,
        spent=spend(need, costs, processes),
        mib=costs.empty_mib + here * costs.viewer_kib / 1024 + limits.timeline_bytes / 2**20,
        broker_mb=read * EVENT_BYTES / 1e6,
        broker_cores=read * intake(need, costs).broker_us / 1e6,
        nginx_cores=frames * costs.nginx_us / 1e6,
        gbit=frames * (costs.sent_bytes + PACKET_BYTES) * 8 / 1e9,
        back_seconds=here / costs.back_a_second,
    )
