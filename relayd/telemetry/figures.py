"""How a relay does, in a handful of figures: what it says of itself, and what two scrapes tell."""

from collections.abc import Mapping
from math import isinf

from msgspec import Struct

from relayd.telemetry import catalogue
from relayd.telemetry.scrape import Scrape, quantile, rates

__all__ = ["Figures", "Standing", "figures"]

MEDIAN, TAIL = 0.5, 0.99


class Standing(Struct, frozen=True, kw_only=True):
    """What `/readyz` says."""

    ready: bool
    reasons: Mapping[str, str] = {}
    notes: Mapping[str, str] = {}


class Figures(Struct, frozen=True, kw_only=True):
    """
    One look at a relay; seconds, bytes, and what happened a second since the look before.

    None stands for what can't be told: nothing is measured there, or the process is another one than before.  A
    quantile beyond the last bound of its histogram is that bound, with its name in `beyond`.
    """

    at: float
    """Unix seconds."""
    version: str
    uptime: float | None
    ready: bool
    reasons: Mapping[str, str]
    notes: Mapping[str, str]
    connections: Mapping[str, int]
    """By transport."""
    connected: bool
    lag_seconds: float | None
    canary_seconds: float | None
    """Since a canary last came back."""
    events: float | None
    rejected: float | None
    deliveries: Mapping[str, float] | None
    """By transport, live messages."""
    replayed: Mapping[str, float] | None
    """By transport, messages of the past."""
    refusals: Mapping[str, float] | None
    """By ending, those that happened."""
    latency_p50: float | None
    latency_p99: float | None
    loop_lag_p99: float | None
    beyond: tuple[str, ...]
    memory: float | None
    files: float | None
    max_files: float | None
    projects: int
    journal: bool | None
    """Whether it is attached; None where there is none."""


def figures(standing: Standing, before: Scrape | None, after: Scrape, *, now: float) -> Figures:
    """Return the figures of a look at the Unix time `now`; without a look before, what happened can't be told."""
    beyond: list[str] = []

    def seconds(field: str, name: str, part: float) -> float | None:
        found = quantile(before, after, name, part) if before is not None else None
        if found is None or not isinf(found):
            return found
        beyond.append(field)
        return max(bound for bound in after.buckets[name] if not isinf(bound))

    def grown(name: str) -> Mapping[str, float] | None:
        return None if before is None else rates(before, after, name)

    def since(name: str) -> float | None:
        stamp = after.value(name)
        return None if stamp is None else max(0.0, now - stamp)

    refusals = grown(catalogue.CONNECTIONS_REJECTED.name)
    attached = after.value(catalogue.JOURNAL_ATTACHED.name)
    return Figures(
        at=now,
        version=next(iter(after.values.get(catalogue.BUILD_INFO.name, {})), ""),
        uptime=since("process_start_time_seconds"),
        ready=standing.ready,
        reasons=standing.reasons,
        notes=standing.notes,
        connections=_whole(after, catalogue.CONNECTIONS.name),
        connected=after.value(catalogue.BROKER_CONNECTED.name) == 1,
        lag_seconds=after.value(catalogue.STREAM_LAG.name),
        canary_seconds=since(catalogue.CANARY_LAST_SUCCESS.name),
        events=_sum(grown(catalogue.BROKER_MESSAGES.name)),
        rejected=_sum(grown(catalogue.REJECTED.name)),
        deliveries=grown(catalogue.DELIVERIES.name),
        replayed=grown(catalogue.REPLAY_EVENTS.name),
        refusals=None if refusals is None else {reason: rate for reason, rate in refusals.items() if rate > 0},
        latency_p50=seconds("latency_p50", catalogue.DELIVERY_LATENCY.name, MEDIAN),
        latency_p99=seconds("latency_p99", catalogue.DELIVERY_LATENCY.name, TAIL),
        loop_lag_p99=seconds("loop_lag_p99", catalogue.EVENT_LOOP_LAG.name, TAIL),
        beyond=tuple(beyond),
        memory=after.value("process_resident_memory_bytes"),
        files=after.value("process_open_fds"),
        max_files=after.value("process_max_fds"),
        projects=sum(_whole(after, catalogue.PROJECTS.name).values()),
        journal=None if attached is None else attached == 1,
    )


def _whole(scrape: Scrape, name: str) -> dict[str, int]:
    return {label: round(value) for label, value in scrape.values.get(name, {}).items()}


def _sum(series: Mapping[str, float] | None) -> float | None:
    return None if series is None else sum(series.values())
