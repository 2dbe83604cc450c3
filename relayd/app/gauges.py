"""Sizes that are read when somebody scrapes, never counted up and down."""

import asyncio
from collections import Counter

from relayd.app.journaling import Journaling
from relayd.ports import Shared
from relayd.relay.engine import Engine
from relayd.telemetry import catalogue
from relayd.telemetry.metrics import Metrics

__all__ = ["register"]


def register(metrics: Metrics, engine: Engine, journal: Journaling) -> None:
    """Let the metrics ask an engine, and those who look after its journal."""
    log, source, presence = engine.log, engine.source, engine.presence

    def statuses() -> dict[str, float]:
        counts = Counter(project.state.status for project in log.projects.values() if project.place is not None)
        return {status: float(count) for status, count in counts.items()}

    def head_offset() -> float | None:
        offset = source.state().head_offset
        return None if offset is None else float(offset)

    def consumer_up() -> float:
        state = source.state()
        return float(state.connected and not state.stalled)

    metrics.pull(catalogue.BROKER_CONNECTED.name, lambda: float(source.state().connected))
    metrics.pull(catalogue.CONSUMED_OFFSET.name, lambda: None if log.head is None else float(log.head.offset))
    metrics.pull(catalogue.HEAD_OFFSET.name, head_offset)
    metrics.pull(catalogue.CONSUMER_UP.name, consumer_up)
    metrics.pull(catalogue.LAST_DELIVERY.name, lambda: source.state().delivered_at)
    metrics.pull(catalogue.OVER_EXCHANGE.name, lambda: source.state().delivered_over)
    metrics.pull(catalogue.CANARY_LAST_SUCCESS.name, lambda: source.state().canary_at)
    metrics.pull(catalogue.STREAM_LAG.name, engine.freshness.stale)
    metrics.pull(catalogue.FLUSH_INTERVAL.name, lambda: engine.fanout.governor.slowdown / engine.limits.outbound.rate)
    metrics.pull(
        catalogue.CONNECTIONS.name,
        lambda: {transport: float(count) for transport, count in presence.counts().items()},
    )
    if isinstance(presence, Shared):
        metrics.pull(catalogue.REDIS_UP.name, lambda: float(not presence.trouble))
    metrics.pull(catalogue.JOURNAL_ATTACHED.name, journal.attached)
    metrics.pull(catalogue.PROJECTS.name, statuses)
    metrics.pull(catalogue.AGENTS.name, engine.vigil.counts)
    metrics.pull(catalogue.TIMELINE_BYTES.name, lambda: float(log.nbytes))
    metrics.pull(catalogue.TASKS.name, lambda: float(len(asyncio.all_tasks())))
